/** What an AioContext has of its kernel: a context, its ring, and the eventfd that wakes the event loop. Owned from the moment each exists. */
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../abi/constants.ts';
import { ERRNO } from '../abi/errno.ts';
import { errnoException } from '../errors.ts';
import type { AioContextId, AioKernel, EventfdWatcher } from '../kernel/aio-kernel.ts';
import { CalledRing } from '../kernel/called-ring.ts';
import type { AioRing } from '../kernel/mapped-ring.ts';
import { WordArray } from '../memory/word-array.ts';

export class KernelContext {
  readonly id: AioContextId;
  readonly eventfd: number;
  readonly ring: AioRing;
  /** Whether a look into the ring costs no system call. */
  readonly isMapped: boolean;
  readonly watcher: EventfdWatcher;
  readonly #kernel: AioKernel;
  #isShut = false;

  /**
   * @param wake - Called on the event loop when the eventfd is readable.
   * @throws AioError from `eventfd`, `io_setup`, the ring or the watcher: nothing is left behind then.
   */
  constructor(kernel: AioKernel, queueDepth: number, wake: () => void) {
    this.#kernel = kernel;
    const undo: (() => void)[] = [];
    try {
      this.eventfd = newEventfd(kernel);
      undo.push(() => kernel.close(this.eventfd));
      this.id = newContext(kernel, queueDepth);
      undo.push(() => this.#destroyOrWarn());
      const mapped = kernel.mapRing(this.id);
      this.isMapped = mapped !== undefined;
      this.ring = mapped ?? new CalledRing(kernel, this.id, queueDepth);
      this.watcher = kernel.watch(this.eventfd, wake);
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  /** Takes the eventfd's signal, so that it wakes again. */
  takeSignal(): void {
    this.#kernel.eventfd_read(this.eventfd);
  }

  /** Nobody is woken any more. Doing it again does nothing. */
  shut(): void {
    if (this.#isShut) return;
    this.#isShut = true;
    this.watcher.close();
    this.#kernel.close(this.eventfd);
  }

  /** Preconditions: {@link shut}, and nothing is in flight. @throws AioError where the kernel refuses: it can be asked again. */
  async destroy(): Promise<void> {
    const answer = await this.#kernel.destroyInBackground(this.id);
    if (answer < 0) throw errnoException(answer, 'io_destroy');
  }

  /** Gives everything back, because what was to be built upon it could not be. */
  giveUp(): void {
    this.shut();
    this.#destroyOrWarn();
  }

  #destroyOrWarn(): void {
    this.destroy().catch((error: unknown) =>
      process.emitWarning(error instanceof Error ? error : String(error)),
    );
  }
}

function newEventfd(kernel: AioKernel): number {
  const eventfd = kernel.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (eventfd >= 0) return eventfd;
  const help =
    eventfd === -ERRNO.ENOSYS ? { help: 'AioContext needs IOCB_FLAG_RESFD; the six calls do not' } : {};
  throw errnoException(eventfd, 'eventfd', help);
}

function newContext(kernel: AioKernel, queueDepth: number): AioContextId {
  const ctxp = new WordArray(kernel.memory, 1);
  const answer = kernel.io_setup(queueDepth, kernel.memory.addressOf(ctxp.cells));
  if (answer >= 0) return ctxp.get(0);
  const help = answer === -ERRNO.EAGAIN ? { help: quotaHelp(kernel, queueDepth) } : {};
  throw errnoException(answer, 'io_setup', help);
}

function quotaHelp({ limits }: AioKernel, wanted: number): string {
  let nr: number;
  let max: number;
  try {
    nr = limits.aio_nr();
    max = limits.aio_max_nr();
  } catch {
    // Not every container shows /proc/sys.
    return `${wanted} requests were asked for: raise fs.aio-max-nr, or ask for a smaller queueDepth`;
  }
  return (
    `${wanted} requests were asked for, aio-nr is ${nr} of aio-max-nr ${max}: ` +
    `raise it with sysctl -w fs.aio-max-nr=${Math.max(max * 2, nr + wanted)}, or ask for a smaller queueDepth`
  );
}
