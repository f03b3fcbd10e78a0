/** Programs below files, and the other entries of the package. */
import { open as openHandle } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { AioContext, AioError, type AioKernel, abi, open, selectKernel } from 'kaio';
import { ChunkStore } from 'kaio/chunk-store';
import { ALL_CASES, runConformance, suite } from 'kaio/conformance';
import { check, emulatedKernel, explore, type Simulation, simulate } from 'kaio/emulated';
import { loadAddon, openNativeKernel } from 'kaio/native';
import { asyncBufferFromFile } from 'kaio/parquet';
import { RandomAccessFile } from 'kaio/random-access';
import { during, register, fs as seen, use } from 'kaio/simulated';
import { AioVfs, simulated } from 'kaio/sqlite-vfs';

export async function usesContext(path: string): Promise<void> {
  const { kernel, backend, reason } = selectKernel({ backend: 'auto' });
  await using context = new AioContext({ kernel, queueDepth: 64, submitThread: 'auto' });
  await using handle = await openHandle(path);
  await using file = await open(path, 'r', 0o666, { context });
  const buffer = new Uint8Array(4096);
  const { signal } = new AbortController();
  const count: number = await context.read(handle, buffer, 0, { signal, rw_flags: abi.RWF_NOWAIT });
  // A FileHandle, an AioFile or a number.
  const settled = await context.submit([
    { operation: 'read', fd: file, buffer, position: 0 },
    { operation: 'writev', fd: handle.fd, buffers: [buffer, new DataView(buffer.buffer)], position: 0 },
    { operation: 'fdatasync', fd: handle },
  ]);
  for (const one of settled)
    if (one.status === 'fulfilled') console.log(one.value + count);
    else if (one.reason instanceof AioError) console.log(one.reason.code, one.reason.errno);
  console.log(context.stats, backend, reason);
}

export async function refusesRequests(context: AioContext, fd: number): Promise<void> {
  // @ts-expect-error: an operation that is not known.
  await context.submit([{ operation: 'truncate', fd }]);
  // @ts-expect-error: a position is needed.
  await context.read(fd, new Uint8Array(8));
  // @ts-expect-error: a kernel is needed.
  new AioContext({ queueDepth: 64 });
}

async function program({ kernel, fs, random }: Simulation): Promise<void> {
  await using context = new AioContext({ kernel });
  await using file = await open('log', 'w+', 0o666, { context, direct: 'require' });
  await file.writeFully(new Uint8Array(512), { position: 512 * random.below(8) });
  await file.datasync();
  await fs.promises.rename('log', 'log.old');
  const fd: number = fs.openSync('log.old', 'r');
  fs.close(fd);
  await using handle = await fs.promises.open('log.old');
  await handle.readFully(new Uint8Array(8), { position: 0 });
}

export function registers(simulation: Simulation): string {
  register({ packages: ['lowdb'], folders: ['/project/src'] });
  use(simulation);
  return during(simulation, () => seen.readFileSync('/file', 'utf8'));
}

export async function simulates(): Promise<Simulation> {
  const simulation = simulate({ seed: 7n, faults: { EIO: 0.01 }, sectorBytes: 512 });
  await check(simulation, program);
  await explore({ seeds: 10, program });
  return simulation.crashDuring(program, { withinEvents: 10 });
}

export function asksKernels(directory: string): Promise<unknown> {
  const kernels: AioKernel[] = [emulatedKernel({ executor: 'inline' }), openNativeKernel()];
  suite({ describe, it, kernel: () => kernels[0]!, directory });
  console.log(loadAddon().addon, ALL_CASES.length);
  return runConformance({ kernel: kernels[1]!, directory, rule: 'SETUP-03' });
}

export async function adapts(path: string, simulation: Simulation): Promise<unknown> {
  const file = new RandomAccessFile(path, { direct: 'prefer', names: simulation.fs.promises });
  file.read(0, 5, (error, bytes) => console.log(error, bytes?.byteLength));
  new ChunkStore(16, { path }).get(7, { offset: 1 }, (error, chunk) => console.log(error, chunk?.length));
  await using buffer = await asyncBufferFromFile(path);
  const piece: ArrayBuffer = await buffer.slice(-8);
  const vfs: { readonly name: string } = new AioVfs('aio', {}, simulated(simulation));
  return [piece, vfs];
}
