/** What callers hand to an AioContext: its options, and those of its operations. */
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { Descriptor } from '../validate.ts';

/** Options of an `AioContext`. */
export interface AioContextOptions {
  /** Which kernel to use: from `selectKernel()`. */
  readonly kernel: AioKernel;
  /** Requests in flight at most; more wait in a FIFO queue. Counts against `aio-max-nr`. Default 128. */
  readonly queueDepth?: number;
  /** Measures each request's time in `stats.latency`, for a fraction of a microsecond each. Default false. */
  readonly latency?: boolean;
  /**
   * Calls `io_submit` on a thread of its own, because it may block: on buffered files, pipes, cold metadata, or with more
   * bytes than a device takes at once. Costs a hand-over of some microseconds for each batch. Without the addon, and on
   * the emulation, whose `io_submit` does not block, it has no effect: `AioContext.submitThreads` tells. Default false.
   *
   * A number, at most 64, is that of the threads, each started when those before are busy: buffered files are copied by several CPUs
   * then, and requests of a context overtake each other on their way into the kernel.
   *
   * `'auto'` measures the calls: threads, as many as there are CPUs and at most four, are started when the calls hold the event
   * loop up for more than half a millisecond on average, and used until they no longer do. Requests overtake each other then, too.
   * `stats.threadBatches` counts what went to them.
   *
   * Requests with an object that carries a descriptor, such as a FileHandle, are submitted from the event loop all the same: its owner may
   * close it, and on a thread the call could meet the file that has taken its number. Give the number where that matters.
   */
  readonly submitThread?: boolean | number | 'auto';
  /**
   * Looks for completions at each turn of the event loop, instead of sleeping until one wakes it, while at most four requests are in
   * flight and completions come within some hundred turns: a read of a fast device then takes less time than sleeping and waking
   * up would add. Likewise while many writers of a direct `AioFile` share a sync. The event loop stays free, but its thread does not sleep meanwhile. Devices that take longer are left
   * alone, with ever fewer trials, and so are all while other programs take the CPU away. On the emulation it has no effect. Default true.
   */
  readonly busyPoll?: boolean;
}

/** One request of `AioContext.submit`: the arguments of the method of that name. */
export type AioRequest =
  | ({
      /** The method. */
      readonly operation: 'read' | 'write';
      /** Of the file. */
      readonly fd: Descriptor;
      /** Memory to fill, or the bytes to write: the context's until the request is over. */
      readonly buffer: ArrayBufferView;
      /** Bytes from the start of the file. */
      readonly position: number;
    } & TransferOptions)
  | ({
      /** The method. */
      readonly operation: 'readv' | 'writev';
      /** Of the file. */
      readonly fd: Descriptor;
      /** At most 1024, used one after the other: the context's until the request is over. */
      readonly buffers: readonly ArrayBufferView[];
      /** Bytes from the start of the file. */
      readonly position: number;
    } & TransferOptions)
  | ({
      /** The method. */
      readonly operation: 'fsync' | 'fdatasync';
      /** Of the file. */
      readonly fd: Descriptor;
    } & OperationOptions)
  | ({
      /** The method. */
      readonly operation: 'poll';
      /** Of what is waited for. */
      readonly fd: Descriptor;
      /** A mask of `abi.POLLIN` and the like; one of them is enough. */
      readonly events: number;
    } & OperationOptions);

/** Options of every operation. */
export interface OperationOptions {
  /**
   * Aborts the operation.
   *
   * *Abort*: while it is queued, the promise rejects at once with an AbortError. In flight, only POLL can be given up;
   * anything else settles with its real outcome when the kernel is done with the buffer.
   */
  readonly signal?: AbortSignal;
}

/** Options of reads and writes. */
export interface TransferOptions extends OperationOptions {
  /** RWF_* bits for this transfer, such as `abi.RWF_DSYNC`. Default 0. */
  readonly rw_flags?: number;
  /**
   * An I/O priority: see `ioprio()`. Default: that of the thread. One that the kernel refuses fails the transfer: EPERM for realtime without
   * the privilege, EINVAL for what is none.
   */
  readonly priority?: number;
}
