/** As much of hypercore 10 as is used, which declares nothing. */
declare module 'hypercore' {
  import type { RandomAccessStorage } from 'kaio/random-access';

  export default class Hypercore {
    readonly length: number;
    constructor(storage: (name: string) => RandomAccessStorage, options?: { valueEncoding?: string });
    append(blocks: readonly string[]): Promise<number>;
    clear(start: number, end: number): Promise<unknown>;
    get(index: number): Promise<string>;
    has(index: number): Promise<boolean>;
    ready(): Promise<void>;
    close(): Promise<void>;
  }
}
