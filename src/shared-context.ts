/**
 * One small kernel context per thread, made when the first file needs it and given back when none does.
 *
 * `aio-max-nr` is a budget of the whole system, and destroying a context takes Linux 30 to 40 ms (observed on 6.18): a
 * context per file would cost both.
 */
import { AioContext } from './common/context/aio-context.ts';
import { AioStateError, codeOf } from './common/errors.ts';
import type { AioKernel } from './common/kernel/aio-kernel.ts';
import { type BackendPreference, preferenceOf, type Selection, selectKernel } from './select.ts';

const QUEUE_DEPTH = 128;
/** How long a context that nobody uses waits for the next user. */
const IDLE_MS = 500;

/** A share in the context of this thread. */
export interface ContextLease extends Selection {
  readonly context: AioContext;
  /** Gives the share back. Calling it again does nothing. */
  release(): void;
}

/** A context that belongs to all who use it: `file.context` shows it to everybody, and nobody closes it for the others. */
class SharedContext extends AioContext {
  /** Waits for what is under way. The context is closed when no file uses it any more. */
  override close(): Promise<void> {
    return this.drain();
  }

  closeForAll(): Promise<void> {
    return super.close();
  }
}

class Shared {
  readonly context: SharedContext;
  readonly selection: Selection;
  users = 0;
  #idle: NodeJS.Timeout | undefined;
  readonly #forget: () => void;

  constructor(context: SharedContext, selection: Selection, forget: () => void) {
    this.context = context;
    this.selection = selection;
    this.#forget = forget;
  }

  lease(): ContextLease {
    this.users++;
    clearTimeout(this.#idle);
    let held = true;
    const { kernel, backend, reason } = this.selection;
    return {
      kernel,
      backend,
      reason,
      context: this.context,
      release: () => {
        if (!held) return;
        held = false;
        if (--this.users === 0) this.#idle = setTimeout(() => this.#close(), IDLE_MS).unref();
      },
    };
  }

  #close(): void {
    this.#forget();
    this.context
      .closeForAll()
      .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)));
  }
}

const shared = new Map<BackendPreference, Shared>();

/** The kernel of this thread's context, where there is one already. */
export function sharedKernel(backend?: BackendPreference): AioKernel | undefined {
  return shared.get(preferenceOf(backend))?.selection.kernel;
}

/**
 * Takes a share in this thread's context.
 *
 * Where `aio-max-nr` has no room for 128 requests, half as many are asked for, and so on; where it has none at all, the
 * emulation serves, with the reason.
 *
 * @throws AioStateError `ERR_AIO_BACKEND_UNAVAILABLE` when `'native'` was asked for and can't be had.
 */
export function leaseSharedContext(backend?: BackendPreference): ContextLease {
  const preference = preferenceOf(backend);
  let found = shared.get(preference);
  if (found === undefined) {
    const { context, selection } = make(preference);
    found = new Shared(context, selection, () => shared.delete(preference));
    shared.set(preference, found);
  }
  return found.lease();
}

function make(preference: BackendPreference): { context: SharedContext; selection: Selection } {
  const selection = selectKernel({ backend: preference });
  let refusal: unknown;
  for (let queueDepth = QUEUE_DEPTH; queueDepth >= 1; queueDepth /= 2) {
    try {
      return { context: new SharedContext({ kernel: selection.kernel, queueDepth }), selection };
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error;
      refusal = error;
    }
  }
  const reason = (refusal as Error).message;
  if (preference === 'native' || selection.backend === 'emulated') {
    throw new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', `No context can be made: ${reason}`, refusal);
  }
  const emulation = selectKernel({ backend: 'emulated' });
  return {
    context: new SharedContext({ kernel: emulation.kernel, queueDepth: QUEUE_DEPTH }),
    selection: { ...emulation, reason: `the native kernel is unavailable: ${reason}` },
  };
}
