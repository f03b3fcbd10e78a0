/**
 * What runs on the worker threads.
 *
 * The functions are sent to the threads as source text, so that a bundler needs to know nothing of them and no file has to be
 * found. Hence they use nothing from around them: modules and numbers come as arguments.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { BELL, BERTH, BERTH_STATE, MAIL, OPERATION, QUAY, STATE } from './mail.ts';

type Threads = typeof import('node:worker_threads');
type Fs = typeof import('node:fs');
type ChildProcesses = typeof import('node:child_process');

/** Numbers of the shared memory, and that memory. */
export interface WorkerShare {
  readonly MAIL: typeof MAIL;
  readonly STATE: typeof STATE;
  readonly OPERATION: typeof OPERATION;
  readonly BELL: typeof BELL;
  readonly bell: Int32Array;
}

export interface FileWorkerShare extends WorkerShare {
  readonly mail: SharedArrayBuffer;
}

export interface TransferShare {
  readonly QUAY: typeof QUAY;
  readonly BERTH: typeof BERTH;
  readonly BERTH_STATE: typeof BERTH_STATE;
  readonly OPERATION: typeof OPERATION;
  readonly control: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
  /** A power of 2. */
  readonly berths: number;
  /** A transfer that takes longer is slow. */
  readonly slowMs: number;
  /** So many that have ended wake the other thread, if it has nothing else to see them by. */
  readonly batch: number;
  /** So long it looks for more before it sleeps, by QUAY.STAYS_AWAKE. */
  readonly awakeMs: readonly number[];
}

/** Memory that a file worker is told of before the first operation that uses it. A negative number is used once. */
export interface SlabMessage {
  readonly slab: number;
  readonly buffer: SharedArrayBuffer;
}

/** An operation for the waiting worker: everything is in the message, and the answer goes to the mailbox. */
export interface WaitMessage {
  readonly mail: SharedArrayBuffer;
  readonly fd: number;
  readonly buffer: SharedArrayBuffer;
  /** Places and lengths in turn. */
  readonly segments: readonly number[];
}

/** Runs operations on files with positions, one after the other. It never returns to its event loop. */
export function fileWorker(threads: Threads, fs: Fs): void {
  const { parentPort, receiveMessageOnPort } = threads;
  const { MAIL, STATE, OPERATION, BELL, bell, mail } = threads.workerData as FileWorkerShare;
  const words = new Int32Array(mail);
  const position = new Float64Array(mail, 0, 1);
  const slabs = new Map<number, Uint8Array>();

  const slabOf = (id: number): Uint8Array => {
    for (;;) {
      const slab = slabs.get(id);
      if (slab !== undefined) return slab;
      const received = receiveMessageOnPort(parentPort!) as { message: SlabMessage } | undefined;
      if (received === undefined) throw new Error(`nobody told of slab ${id}`);
      slabs.set(received.message.slab, new Uint8Array(received.message.buffer));
    }
  };

  const run = (): number => {
    const fd = words[MAIL.FD]!;
    const operation = words[MAIL.OPERATION]!;
    if (operation === OPERATION.FSYNC || operation === OPERATION.FDATASYNC) {
      if (operation === OPERATION.FSYNC) fs.fsyncSync(fd);
      else fs.fdatasyncSync(fd);
      return 0;
    }
    const id = words[MAIL.SLAB]!;
    const slab = slabOf(id);
    // Used once: the memory shall go when the other thread lets go of it.
    if (id < 0) slabs.delete(id);
    const segments = words[MAIL.SEGMENTS]!;
    const place = (index: number): number => words[MAIL.TABLE + 2 * index]!;
    const length = (index: number): number => words[MAIL.TABLE + 2 * index + 1]!;
    const at = position[0]!;
    if (segments === 1) {
      return operation === OPERATION.READ
        ? fs.readSync(fd, slab, place(0), length(0), at)
        : fs.writeSync(fd, slab, place(0), length(0), at);
    }
    const views: Uint8Array[] = [];
    for (let index = 0; index < segments; index++)
      views.push(slab.subarray(place(index), place(index) + length(index)));
    return operation === OPERATION.READ ? fs.readvSync(fd, views, at) : fs.writevSync(fd, views, at);
  };

  for (;;) {
    for (let state = Atomics.load(words, MAIL.STATE); state !== STATE.POSTED; ) {
      Atomics.wait(words, MAIL.STATE, state);
      state = Atomics.load(words, MAIL.STATE);
    }
    try {
      words[MAIL.RESULT] = run();
    } catch (error) {
      words[MAIL.RESULT] = -1;
      words[MAIL.ERRNO] = Number((error as NodeJS.ErrnoException).errno ?? 0);
    }
    words[MAIL.TURN] = Atomics.add(bell, BELL.TURNS, 1);
    Atomics.store(words, MAIL.STATE, STATE.DONE);
    Atomics.add(bell, BELL.ENDED, 1);
    Atomics.notify(bell, BELL.ENDED);
    if (Atomics.exchange(bell, BELL.WAKING, 1) === 0) parentPort!.postMessage(undefined);
  }
}

/** Runs short transfers of files, berth after berth. It never returns to its event loop. */
export function transferWorker(threads: Threads, fs: Fs): void {
  const { parentPort } = threads;
  const { QUAY, BERTH, BERTH_STATE, OPERATION, control, memory, berths, slowMs, batch, awakeMs } =
    threads.workerData as TransferShare;
  const quay = new Int32Array(control, 0, QUAY.WORDS);
  const words = new Int32Array(control, 4 * QUAY.WORDS);
  const positions = new Float64Array(control, 4 * QUAY.WORDS);
  const bytes = new Uint8Array(memory);
  /** Between two looks at the clock. */
  const LOOKS = 16;
  /** So many slow writes' time they may take longer together: now and then one waits for a journal, and more threads would wait for it as well. */
  const PATIENCE = 8;
  let passed = 0;
  let owedMs = 0;
  /** The first after a sleep is not judged: it waits for what was forgotten meanwhile, in caches and by compilers. */
  let hasSlept = true;
  /** Ended, and nobody was told. */
  let untold = 0;
  /** Since V8 13: a hint to the other thread of the same core. */
  const { pause = (): void => {} } = Atomics as { pause?: () => void };

  const tell = (): void => {
    untold = 0;
    // It looks once more when it has stopped to look, which it says before.
    if (Atomics.load(quay, QUAY.LOOKED_FOR) === 1) return;
    if (Atomics.exchange(quay, QUAY.WAKING, 1) === 0) parentPort!.postMessage(undefined);
  };

  const run = (berth: number): number => {
    const fd = words[berth + BERTH.FD]!;
    const at = words[berth + BERTH.AT]!;
    const length = words[berth + BERTH.BYTES]!;
    const position = positions[(berth + BERTH.POSITION) / 2]!;
    return words[berth + BERTH.OPERATION] === OPERATION.READ
      ? fs.readSync(fd, bytes, at, length, position)
      : fs.writeSync(fd, bytes, at, length, position);
  };

  const wasSlow = (isRead: boolean, tookMs: number): boolean => {
    if (isRead) return tookMs > slowMs;
    owedMs = Math.max(0, owedMs + tookMs - slowMs);
    if (owedMs <= PATIENCE * slowMs) return false;
    owedMs = 0;
    return true;
  };

  // It is known to run when it says the first word.
  parentPort!.postMessage(undefined);
  let lastMs = performance.now();
  for (;;) {
    let posted = Atomics.load(quay, QUAY.POSTED);
    if (posted === passed) {
      if (untold > 0) tell();
      const untilMs = performance.now() + awakeMs[Atomics.load(quay, QUAY.STAYS_AWAKE)]!;
      while (posted === passed && performance.now() < untilMs)
        for (let look = 0; look < LOOKS && posted === passed; look++) {
          pause();
          posted = Atomics.load(quay, QUAY.POSTED);
        }
      if (posted === passed) {
        Atomics.store(quay, QUAY.ASLEEP, 1);
        Atomics.wait(quay, QUAY.POSTED, passed);
        Atomics.store(quay, QUAY.ASLEEP, 0);
        hasSlept = true;
      }
      lastMs = performance.now();
      continue;
    }
    const berth = (passed & (berths - 1)) * BERTH.WORDS;
    const { POSTED, RUNNING, DONE } = BERTH_STATE;
    if (Atomics.compareExchange(words, berth + BERTH.STATE, POSTED, RUNNING) === POSTED) {
      try {
        words[berth + BERTH.RESULT] = run(berth);
      } catch (error) {
        words[berth + BERTH.RESULT] = -1;
        words[berth + BERTH.ERRNO] = Number((error as NodeJS.ErrnoException).errno ?? 0);
      }
      Atomics.store(words, berth + BERTH.STATE, DONE);
      untold++;
      const nowMs = performance.now();
      const isRead = words[berth + BERTH.OPERATION] === OPERATION.READ;
      if (!hasSlept && wasSlow(isRead, nowMs - lastMs)) {
        Atomics.add(quay, isRead ? QUAY.SLOW_READS : QUAY.SLOW_WRITES, 1);
        untold = batch;
      }
      lastMs = nowMs;
      hasSlept = false;
    }
    passed = (passed + 1) | 0;
    Atomics.store(quay, QUAY.PASSED, passed);
    if (untold >= batch) tell();
  }
}

/**
 * Reads what has no position, many at a time, and never blocks: a thread inside a blocking `read` can't be ended, and would
 * hold up the end of the process for as long.
 *
 * Where the host gives a description of its own for a descriptor (Linux), that one is made non-blocking and looked at again
 * and again, ever more seldom. Elsewhere, and for sockets, a child process inherits the descriptor and blocks.
 */
export function waitingWorker(threads: Threads, fs: Fs, childProcess: ChildProcesses): void {
  const { parentPort } = threads;
  const { MAIL, STATE, BELL, bell } = threads.workerData as WorkerShare;
  const MAX_PAUSE_MS = 16;
  const MAX_CHILD_BYTES = 1 << 24;
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;

  const errnoOf = (error: unknown): number => Number((error as NodeJS.ErrnoException).errno ?? 0);

  const end = (mail: SharedArrayBuffer, result: number, errno: number): void => {
    const words = new Int32Array(mail);
    words[MAIL.RESULT] = result;
    words[MAIL.ERRNO] = errno;
    words[MAIL.TURN] = Atomics.add(bell, BELL.TURNS, 1);
    Atomics.store(words, MAIL.STATE, STATE.DONE);
    Atomics.add(bell, BELL.ENDED, 1);
    Atomics.notify(bell, BELL.ENDED);
    if (Atomics.exchange(bell, BELL.WAKING, 1) === 0) parentPort!.postMessage(undefined);
  };

  /** A description of its own that does not block, or why there is none. */
  const reopen = (fd: number): number | 'blocks' | 'does-not-block' => {
    if (process.platform !== 'linux') return 'blocks';
    try {
      const [, flags = '0'] =
        /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? [];
      if ((Number.parseInt(flags, 8) & O_NONBLOCK) !== 0) return 'does-not-block';
      return fs.openSync(`/proc/self/fd/${fd}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    } catch {
      // Sockets can't be opened, nor can what belongs to another user.
      return 'blocks';
    }
  };

  const poll = (own: number, views: Uint8Array[], mail: SharedArrayBuffer, pauseMs: number): void => {
    let result = -1;
    let errno = 0;
    try {
      result = fs.readvSync(own, views);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        setTimeout(poll, pauseMs, own, views, mail, Math.min(2 * pauseMs, MAX_PAUSE_MS));
        return;
      }
      errno = errnoOf(error);
    }
    fs.closeSync(own);
    end(mail, result, errno);
  };

  /** Reads descriptor 3 once and writes result, errno and data. It goes when its standard input ends: with its parent. */
  const CHILD = `
    const fs = require('node:fs');
    process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
    const bytes = Buffer.alloc(Number(process.argv[1]));
    fs.read(3, bytes, 0, bytes.length, null, (error, count) => {
      const head = Buffer.alloc(8);
      head.writeInt32LE(error ? -1 : count, 0);
      head.writeInt32LE(error ? error.errno ?? 0 : 0, 4);
      process.stdout.write(Buffer.concat([head, bytes.subarray(0, error ? 0 : count)]), () => process.stdin.destroy());
    });`;

  const readInChild = (fd: number, views: Uint8Array[], mail: SharedArrayBuffer): void => {
    const total = views.reduce((sum, { length }) => sum + length, 0);
    const chunks: Buffer[] = [];
    const options: SpawnOptions = {
      stdio: ['pipe', 'pipe', 'ignore', fd],
      env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
      windowsHide: true,
    };
    let child: ChildProcess;
    try {
      const length = Math.min(total, MAX_CHILD_BYTES);
      child = childProcess.spawn(process.execPath, ['-e', CHILD, String(length)], options);
    } catch (error) {
      end(mail, -1, errnoOf(error));
      return;
    }
    let failure = 0;
    child.on('error', (error) => {
      failure = errnoOf(error);
    });
    child.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('close', () => {
      const answer = Buffer.concat(chunks);
      if (answer.length < 8) {
        end(mail, -1, failure);
        return;
      }
      let from = 8;
      for (const view of views) {
        view.set(answer.subarray(from, from + view.length));
        from += view.length;
      }
      end(mail, answer.readInt32LE(0), answer.readInt32LE(4));
    });
  };

  parentPort!.on('message', ({ mail, fd, buffer, segments }: WaitMessage) => {
    const views: Uint8Array[] = [];
    for (let index = 0; index < segments.length; index += 2)
      views.push(new Uint8Array(buffer, segments[index], segments[index + 1]));
    const own = reopen(fd);
    if (typeof own === 'number') poll(own, views, mail, 1);
    else if (own === 'blocks') readInChild(fd, views, mail);
    else {
      try {
        end(mail, fs.readvSync(fd, views), 0);
      } catch (error) {
        end(mail, -1, errnoOf(error));
      }
    }
  });
}
