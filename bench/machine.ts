/** On what it was measured. */
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { ffiInUse, loadAddon } from '../src/native/index.ts';

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  /** Of the directory the file is in. */
  readonly fileSystem: string;
  readonly device: string;
  readonly mountOptions: string;
  readonly node: string;
  readonly uv: string;
  /** Threads of libuv's pool. */
  readonly poolThreads: number;
  readonly kaio: string;
  readonly koffi: string;
  readonly addon: string;
  readonly fio: string;
  readonly compiler: string;
  /** Processes that wanted to run, over the last minute, before it began: a quiet machine has about 0. */
  readonly loadBefore: number;
}

interface Mount {
  readonly point: string;
  readonly type: string;
  readonly source: string;
  readonly options: string;
}

/** Every mount of this process, out of `/proc/self/mountinfo` (see proc(5)). */
function mounts(): Mount[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [before, after] = line.split(' - ') as [string, string];
      const [, , , , point, options] = before.split(' ');
      const [type, source] = after.split(' ');
      return { point: unescaped(point!), type: type!, source: source!, options: options! };
    });
}

function unescaped(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function mountOf(directory: string): Mount | undefined {
  if (process.platform !== 'linux') return undefined;
  const path = `${resolve(directory)}/`;
  // Later ones lie over earlier ones; the longest is the nearest.
  return mounts()
    .filter(({ point }) => path.startsWith(point.endsWith('/') ? point : `${point}/`))
    .reduce<Mount | undefined>(
      (best, one) => (best === undefined || one.point.length >= best.point.length ? one : best),
      undefined,
    );
}

function koffi(): string {
  try {
    const { name, version } = ffiInUse();
    return name === 'koffi' ? version : `none, but ${name} ${version}`;
  } catch {
    // The engines that need it say why; here it is just a version.
    return 'none';
  }
}

function addon(): string {
  const state = loadAddon();
  return state.addon === undefined ? 'none' : `Node-API ${state.napi}`;
}

function kaioVersion(): string {
  // Built to dist/bench: the package lies two folders up.
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

export function describeMachine(directory: string, found: { fio: string; compiler: string }): Machine {
  const mount = mountOf(directory);
  const all = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).concat('Z'),
    cpu: all[0]?.model.trim() ?? arch(),
    cpus: all.length,
    memoryBytes: totalmem(),
    kernel: `${platform()} ${release()} ${arch()}`,
    fileSystem: mount?.type ?? 'unknown',
    device: mount?.source ?? 'unknown',
    mountOptions: mount?.options ?? 'unknown',
    node: process.version,
    uv: process.versions.uv,
    poolThreads: Number(process.env.UV_THREADPOOL_SIZE) || 4,
    kaio: kaioVersion(),
    koffi: koffi(),
    addon: addon(),
    ...found,
    loadBefore: loadavg()[0]!,
  };
}

/** As lines of `name value`. */
export function machineLines(machine: Machine): [string, string][] {
  return [
    ['date', machine.date],
    ['machine', `${machine.cpu}, ${machine.cpus} CPUs, ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ['kernel', machine.kernel],
    ['file system', `${machine.fileSystem} on ${machine.device} (${machine.mountOptions})`],
    ['node', `${machine.node}, libuv ${machine.uv}, ${machine.poolThreads} threads in its pool`],
    ['kaio', `${machine.kaio}, koffi ${machine.koffi}, addon ${machine.addon}`],
    ['beside', `fio ${machine.fio}, C compiler ${machine.compiler}`],
    ['load before', machine.loadBefore.toFixed(2)],
  ];
}
