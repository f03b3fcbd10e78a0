/** Who writes to the same file: the handles of this thread, by what they have open. */
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';
import { WriteOrder } from './write-order.ts';

interface Entry {
  readonly order: WriteOrder;
  members: number;
}

/** By machine, which is the host or one that brings its own files, and by file. */
const machines = new WeakMap<object, Map<string, Entry>>();

/** What a file is known by on its machine. Numbers that a double rounds make two files take turns that need not. */
export function fileKey(stat: Pick<DescriptorStat, 'dev' | 'ino' | 'rdev' | 'isBlockDevice'>): string {
  return stat.isBlockDevice() ? `device ${stat.rdev}` : `${stat.dev}:${stat.ino}`;
}

/** One handle among those that write to the same file. */
export class Writers {
  readonly #machine: object;
  readonly #key: string;
  #entry: Entry | undefined;

  constructor(machine: object, key: string) {
    this.#machine = machine;
    this.#key = key;
  }

  /** The order that all of them keep. */
  get order(): WriteOrder {
    return (this.#entry ?? this.#join()).order;
  }

  #join(): Entry {
    let files = machines.get(this.#machine);
    if (files === undefined) {
      files = new Map();
      machines.set(this.#machine, files);
    }
    let entry = files.get(this.#key);
    if (entry === undefined) {
      entry = { order: new WriteOrder(), members: 0 };
      files.set(this.#key, entry);
    }
    entry.members++;
    this.#entry = entry;
    return entry;
  }

  /** Preconditions: nothing that it has begun is under way. */
  leave(): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    this.#entry = undefined;
    if (--entry.members === 0) machines.get(this.#machine)?.delete(this.#key);
  }
}
