/**
 * What kaio publishes through `node:diagnostics_channel`. Nothing is built while nobody listens.
 *
 * Messages are for looking at: what a subscriber does to an object in them it does to the object itself.
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import type { AioKernel } from '../kernel/aio-kernel.ts';

/** The messages, by the name of their channel. */
export interface DiagnosticsMessages {
  /** A context was made. */
  'kaio:context:open': {
    /** The AioContext. */
    readonly context: object;
    /** The kernel that it is a context of. */
    readonly kernel: AioKernel;
    /** Requests in flight at most. */
    readonly queueDepth: number;
  };
  /** A context has given everything back. */
  'kaio:context:close': {
    /** The AioContext. */
    readonly context: object;
  };
  /** One `io_submit`. */
  'kaio:submit': {
    /** The kernel that was called. */
    readonly kernel: AioKernel;
    /** Handed over. */
    readonly requests: number;
    /** The answer, as the kernel gave it: how many it took, or a negative errno. */
    readonly accepted: number;
  };
  /** One request's event. */
  'kaio:complete': {
    /** The kernel that the event is of. */
    readonly kernel: AioKernel;
    /**
     * A context's own requests: `pread`, `pwrite`, `preadv`, `pwritev`, `fsync`, `fdatasync`, `poll`; those of an AioFile as `node:fs` calls them,
     * `read` and `write`, with `preadv` and `pwritev` where several buffers are given.
     */
    readonly syscall: string;
    /** The descriptor that was asked for. It may be another file's by now, or nobody's. */
    readonly fd: number;
    /** Bytes, or a negative errno. */
    readonly res: number;
  };
  /** An operation went to the thread pool instead. */
  'kaio:threadpool': {
    /** The descriptor of the file. */
    readonly fd: number;
    /** `read`, `write` or `sync`. */
    readonly operation: string;
    /** As in `stats.threadPool`. */
    readonly reason: string;
  };
}

const named = <Name extends keyof DiagnosticsMessages>(
  name: Name,
): Channel<unknown, DiagnosticsMessages[Name]> =>
  channel(name) as Channel<unknown, DiagnosticsMessages[Name]>;

export const contextOpenChannel = named('kaio:context:open');
export const contextCloseChannel = named('kaio:context:close');
export const submitChannel = named('kaio:submit');
export const completeChannel = named('kaio:complete');
export const threadPoolChannel = named('kaio:threadpool');
