/** Whether a thread is inside a system call, as /proc tells it. */
import { existsSync, readFileSync } from 'node:fs';

/** Where a kernel does not say which call: a thread that has slept for so long, unwoken, has begun to wait. */
const ASLEEP_MS = 50;

export class SyscallWatch {
  readonly #folder: string;
  readonly #number: number;
  #switches: string | undefined;
  #sinceMs = 0;

  /** @param folder - Of the thread below /proc, such as `/proc/self/task/123`. */
  constructor(folder: string, number: number) {
    this.#folder = folder;
    this.#number = number;
  }

  /** Whether it is inside the call now. */
  inside(): boolean {
    if (TELLS_CALLS) return this.#read('syscall').startsWith(`${this.#number} `);
    // A thread that is woken for nothing and sleeps again has been switched meanwhile.
    const status = this.#read('status');
    const [, switches] = /^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status) ?? [];
    const sleeps = /^State:\s+[SD]/m.test(status);
    const now = performance.now();
    if (!sleeps || switches !== this.#switches) {
      this.#switches = switches;
      this.#sinceMs = now;
      return false;
    }
    return now - this.#sinceMs >= ASLEEP_MS;
  }

  /** Nothing, when the thread has ended. */
  #read(file: string): string {
    try {
      return readFileSync(`${this.#folder}/${file}`, 'latin1');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ENOENT' || code === 'ESRCH') return '';
      throw error;
    }
  }
}

/** User Mode Linux, for one, has no such file. */
const TELLS_CALLS = existsSync('/proc/self/syscall');
