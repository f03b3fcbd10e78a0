/** Programs that do nothing but compute, beside what is measured. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';

/** Ends by itself when whoever started it is gone. */
const PROGRAM = 'const parent = process.ppid; while (process.ppid === parent);';
/** Until programs that were started are busy. */
const START_MS = 500;

/** Ended when they are disposed of. */
export class BusyPrograms implements Disposable {
  readonly #programs: readonly ChildProcess[];

  private constructor(count: number) {
    this.#programs = Array.from({ length: count }, () =>
      spawn(process.execPath, ['--eval', PROGRAM], { stdio: 'ignore' }),
    );
  }

  static async start(count: number): Promise<BusyPrograms> {
    const programs = new BusyPrograms(count);
    try {
      await Promise.all(programs.#programs.map((program) => once(program, 'spawn')));
    } catch (error) {
      programs[Symbol.dispose]();
      throw error;
    }
    if (count > 0) await setTimeout(START_MS);
    return programs;
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs) program.kill('SIGKILL');
  }
}

/** Such as `, 2 busy programs beside`; nothing for none. */
export function busyTitle(count: number): string {
  if (count === 0) return '';
  return `, ${count} busy program${count === 1 ? '' : 's'} beside`;
}
