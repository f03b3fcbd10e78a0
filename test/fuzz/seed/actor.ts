/** What files do: by a script, the same on both sides, and written down call by call. */
import type { Script } from './program.ts';

/** A request, as a file sees it. */
export interface Asked {
  readonly operation: string;
  readonly position: number;
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly isOver: boolean;
  advance(count: number): void;
  kick(): void;
  complete(answer: number): void;
}

type Answer = number | 'retry' | undefined;

export interface ModelFile {
  readonly stream: boolean;
  read?(asked: Asked): Answer;
  write?(asked: Asked): Answer;
  fsync?(asked: Asked): Answer;
  cancel?(asked: Asked): boolean;
  release(): void;
}

/** The files of one side, and what they were asked. */
export class Actors {
  readonly log: string[] = [];
  /** Every request that a file has seen, in the order of their first calls. */
  readonly seen: Asked[] = [];

  /** A file that follows `script`; its name is `name`. */
  file(script: Script, name: string): ModelFile {
    let calls = 0;
    let cancels = 0;
    const method = (asked: Asked): Answer => {
      if (!this.seen.includes(asked)) this.seen.push(asked);
      const transfers = asked.operation === 'read' || asked.operation === 'write';
      const { bytes } = transfers ? asked : { bytes: new Uint8Array(0) };
      const data =
        asked.operation === 'write' ? ` ${Buffer.from(bytes.subarray(0, 16)).toString('hex')}` : '';
      const which = this.seen.indexOf(asked);
      this.log.push(
        `${name}.${asked.operation} of request ${which} at ${transfers ? asked.position : 'no place'}, ${asked.length} bytes, ${bytes.length} there${data}`,
      );
      if (asked.operation === 'read') bytes.fill((calls % 250) + 1);
      const act = script.acts[calls++ % script.acts.length]!;
      const other = this.seen[act.other % this.seen.length]!;
      if (act.toOther === 'kick') other.kick();
      if (act.toOther === 'complete' && other !== asked) other.complete(act.count);
      if (act.kind === 'retry' || act.kind === 'queue') asked.advance(Math.min(act.advance, bytes.length));
      for (let kick = 0; kick < act.kicks; kick++) asked.kick();
      switch (act.kind) {
        case 'now':
          return act.count < 0 || act.tooMuch ? act.count : Math.min(act.count, bytes.length);
        case 'retry':
          return 'retry';
        case 'early':
          asked.complete(Math.min(act.count, bytes.length));
          return undefined;
        default:
          return undefined;
      }
    };
    const cancel = (asked: Asked): boolean => {
      const act = script.cancels![cancels++ % script.cancels!.length]!;
      this.log.push(`${name}.cancel of request ${this.seen.indexOf(asked)}`);
      if (act.says !== undefined) asked.complete(act.says);
      return act.lets;
    };
    return {
      stream: script.stream,
      ...(script.methods.includes('read') ? { read: method } : {}),
      ...(script.methods.includes('write') ? { write: method } : {}),
      ...(script.methods.includes('fsync') ? { fsync: method } : {}),
      ...(script.cancels === undefined ? {} : { cancel }),
      release: () => void this.log.push(`${name}.release`),
    };
  }
}
