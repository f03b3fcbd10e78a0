/** What a file is made of. */
import type { AioContext } from '../context/aio-context.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { Alignment } from '../memory/aligned.ts';
import type { Fallocate } from './allocation.ts';
import type { BlockDevice } from './block-device.ts';
import type { CachedDescriptor } from './cached-descriptor.ts';
import type { HostHandle } from './descriptor-handle.ts';
import type { Unaligned } from './direct-transfers.ts';
import type { Routing } from './routing.ts';
import type { Writers } from './writers.ts';

export interface FileParts {
  readonly handle: HostHandle;
  readonly context: AioContext;
  readonly backend: AioKernel['name'];
  readonly backendReason: string;
  readonly direct: boolean;
  readonly directReason: string;
  readonly alignment: Alignment;
  readonly unaligned: Unaligned;
  /** Whether writes go to the end of the file, whatever their position (O_APPEND). Not known, and false, of descriptors of others off Linux. */
  readonly appends: boolean;
  /** Those that write to the same file. `undefined` where nobody can open it with O_DIRECT. */
  readonly writers: Writers | undefined;
  /** For what O_DIRECT does not take. `undefined` for a file that is not direct. */
  readonly cached: CachedDescriptor | undefined;
  readonly routing: Routing;
  /** `undefined` for other files. */
  readonly blockDevice: BlockDevice | undefined;
  readonly fallocate: Fallocate;
  /** Whether transfers without a position go on from the descriptor's own by the host's calls: all but those of direct files. */
  readonly hostCursor: boolean;
  /** Whether it was opened at once: what there is to tell of it waits for nobody. */
  readonly isInMemory: boolean;
  /** Whether the descriptor is somebody else's, who may close it. */
  readonly borrowed: boolean;
  /** Gives back what was taken for the file, whether it could be closed or not. */
  readonly release: () => void;
}
