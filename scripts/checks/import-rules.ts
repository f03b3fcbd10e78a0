/** Which file may import which: the rooms and the directions between them as data, and the judgement of a file by them. */
import { posix } from 'node:path';
import { importsOf } from './import-reader.ts';

/** Where koffi may be named. */
const KOFFI_HOME = 'src/native/koffi-ffi.ts';

/** A part of the package that holds one idea. */
export interface Room {
  readonly name: string;
  /** Files, and folders with a slash at the end. The first room that holds a file is its room. */
  readonly holds: readonly string[];
  /** The only file that other rooms may import. Without one they may import any. */
  readonly face?: string;
  /** The other rooms that it may import, and single files of others that it may import although they are no face. */
  readonly imports: readonly string[];
  /** The packages that it may import besides `node:`. */
  readonly packages?: readonly string[];
}

/** What both kernels are made from: nothing that is built upon a kernel. */
const BELOW_KERNELS = ['common/kernel', 'common/memory', 'common/ground', 'common/abi'];
const COMMON = ['common/file', 'common/context', ...BELOW_KERNELS];

/** What the three fuzzers have in common. */
const SHARED_BY_FUZZERS = ['environment', 'print', 'random', 'smallest', 'value'].map(
  (file) => `src/fuzz/${file}.ts`,
);

/** From the top down. */
export const ROOMS: readonly Room[] = [
  {
    // The package kaio-cli, with the fuzzers and bench.
    name: 'cli',
    holds: ['src/cli/'],
    imports: [
      'command',
      'index',
      'select',
      'fuzz',
      'file-fuzz',
      'fs-fuzz',
      'page',
      'conformance',
      'bench',
      'native',
      'src/native/extended-attributes.ts',
      'emulated',
      ...COMMON,
    ],
    packages: ['commander', 'cli-progress', 'cli-table3', 'xmlbuilder'],
  },
  {
    name: 'command',
    holds: ['src/command/'],
    imports: ['index', 'select', 'native', 'emulated', ...COMMON],
  },
  {
    // It is part of the published package, where development dependencies are missing.
    name: 'conformance',
    holds: ['test/conformance/'],
    face: 'test/conformance/index.ts',
    imports: ['native', 'src/native/sysno.ts', 'emulated', 'src/common/file/mounts.ts', ...BELOW_KERNELS],
  },
  {
    // So is this.
    name: 'bench',
    holds: ['bench/'],
    face: 'bench/index.ts',
    imports: ['index', 'select', 'native', 'emulated', 'page', ...COMMON],
  },
  {
    name: 'fuzz',
    holds: ['src/fuzz/'],
    face: 'src/fuzz/index.ts',
    imports: ['native', 'emulated', 'src/emulated/memory/mm.ts', ...BELOW_KERNELS],
    packages: ['pure-rand'],
  },
  {
    // It sees the package as its users do.
    name: 'file-fuzz',
    holds: ['src/file-fuzz/'],
    face: 'src/file-fuzz/index.ts',
    imports: ['index', ...SHARED_BY_FUZZERS, 'common/ground'],
  },
  {
    // So does this one.
    name: 'fs-fuzz',
    holds: ['src/fs-fuzz/'],
    face: 'src/fs-fuzz/index.ts',
    imports: ['emulated', ...SHARED_BY_FUZZERS],
  },
  {
    name: 'simulated',
    holds: ['src/simulated.ts', 'src/simulated/'],
    face: 'src/simulated.ts',
    imports: ['emulated', 'common/ground'],
  },
  {
    // Each is built upon a package that only its users have.
    name: 'adapters',
    holds: ['src/adapters/'],
    imports: ['index', 'emulated', 'src/native/installed.ts', 'common/ground'],
  },
  { name: 'index', holds: ['src/index.ts'], imports: ['replace-file', 'open', 'select', ...COMMON] },
  {
    name: 'replace-file',
    holds: ['src/replace-file.ts', 'src/file-replacement.ts'],
    face: 'src/replace-file.ts',
    imports: ['open', 'select', ...COMMON],
  },
  { name: 'open', holds: ['src/open.ts'], imports: ['shared-context', 'select', ...COMMON] },
  {
    name: 'shared-context',
    holds: ['src/shared-context.ts'],
    imports: ['select', 'common/context', ...BELOW_KERNELS],
  },
  {
    // The face of the emulation would load the simulation too, which few programs need.
    name: 'select',
    holds: ['src/select.ts'],
    imports: ['native', 'src/emulated/emulated-kernel.ts', ...BELOW_KERNELS],
  },

  {
    name: 'native',
    holds: ['src/native/'],
    face: 'src/native/index.ts',
    imports: BELOW_KERNELS,
    packages: ['koffi', 'node-gyp-build'],
  },

  {
    name: 'emulated',
    holds: ['src/emulated/index.ts'],
    imports: [
      'emulated/simulation',
      'emulated/simulated-fs',
      'emulated/kernel',
      'src/emulated/executors.ts',
      'emulated/simulated',
      'emulated/aio',
      'emulated/files',
      'emulated/workqueue',
      'emulated/memory',
      'emulated/ground',
      ...BELOW_KERNELS,
    ],
  },
  {
    name: 'emulated/simulation',
    holds: ['src/emulated/simulation/'],
    imports: [
      'emulated/simulated-fs',
      'emulated/kernel',
      'emulated/simulated',
      'emulated/aio',
      'emulated/files',
      'emulated/workqueue',
      'emulated/memory',
      'emulated/ground',
      ...BELOW_KERNELS,
    ],
  },
  {
    // Its FileHandles are AioFiles.
    name: 'emulated/simulated-fs',
    holds: ['src/emulated/simulated-fs/'],
    imports: ['emulated/simulated', ...COMMON],
  },
  {
    name: 'emulated/kernel',
    holds: ['src/emulated/emulated-kernel.ts', 'src/emulated/executors.ts', 'src/emulated/supports.ts'],
    face: 'src/emulated/emulated-kernel.ts',
    imports: [
      'emulated/simulated',
      'emulated/aio',
      'emulated/files',
      'emulated/workqueue',
      'emulated/memory',
      'emulated/ground',
      ...BELOW_KERNELS,
    ],
  },
  {
    name: 'emulated/aio',
    holds: ['src/emulated/aio/'],
    imports: ['emulated/files', 'emulated/workqueue', 'emulated/memory', 'emulated/ground', ...BELOW_KERNELS],
  },
  {
    name: 'emulated/simulated',
    holds: ['src/emulated/simulated/'],
    imports: [
      'emulated/files',
      'emulated/workqueue',
      'emulated/memory',
      'emulated/ground',
      'page',
      ...BELOW_KERNELS,
    ],
  },
  {
    name: 'emulated/files',
    holds: ['src/emulated/files/'],
    imports: ['emulated/workqueue', 'emulated/memory', 'emulated/ground', ...BELOW_KERNELS],
  },
  {
    name: 'emulated/workqueue',
    holds: ['src/emulated/workqueue/'],
    imports: ['emulated/memory', 'emulated/ground', ...BELOW_KERNELS],
  },
  {
    name: 'emulated/memory',
    holds: ['src/emulated/memory/'],
    imports: ['emulated/ground', ...BELOW_KERNELS],
  },
  {
    name: 'emulated/ground',
    holds: ['bug', 'clock', 'errno-translation', 'kernel-errno', 'profiles'].map(
      (file) => `src/emulated/${file}.ts`,
    ),
    imports: BELOW_KERNELS,
  },

  // HTML, for whoever has something to show.
  { name: 'page', holds: ['src/page/'], imports: ['common/ground'] },

  {
    name: 'common/file',
    holds: ['src/common/file/'],
    imports: ['common/context', ...BELOW_KERNELS],
  },
  { name: 'common/context', holds: ['src/common/context/'], imports: BELOW_KERNELS },
  {
    name: 'common/kernel',
    holds: ['src/common/kernel/'],
    imports: ['common/memory', 'common/ground', 'common/abi'],
  },
  { name: 'common/memory', holds: ['src/common/memory/'], imports: ['common/ground', 'common/abi'] },
  {
    name: 'common/ground',
    holds: [
      'callers-stack',
      'debug',
      'errors',
      'host-internals',
      'intrinsics',
      'ioprio',
      'lazy-builtins',
      'path-bytes',
      'runtime',
      'time-units',
      'validate',
    ].map((file) => `src/common/${file}.ts`),
    imports: ['common/abi'],
  },
  { name: 'common/abi', holds: ['src/common/abi/'], imports: [] },
];

/** What is published, and so must be in a room. The rest (scripts, examples, other tests) may import anything. */
const PUBLISHED = ['src/', 'bench/', 'test/conformance/'];

function roomOf(path: string): Room | undefined {
  const holds = (place: string): boolean => (place.endsWith('/') ? path.startsWith(place) : path === place);
  return ROOMS.find((room) => room.holds.some(holds));
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * What is wrong with the imports of one file.
 *
 * @param path - From the package's root, with forward slashes.
 * @returns A sentence for each violation.
 */
export function violationsIn(path: string, source: string): string[] {
  const room = roomOf(path);
  if (room === undefined) {
    if (!PUBLISHED.some((folder) => path.startsWith(folder))) return [];
    return [`${path}: belongs to no room: name it in scripts/checks/import-rules.ts`];
  }
  return importsOf(source).flatMap(({ specifier, names }) => {
    const fault = specifier.startsWith('.')
      ? relativeFault(room, posix.join(posix.dirname(path), specifier))
      : packageFault(room, path, specifier);
    if (fault === undefined) return [];
    const what = names.length === 0 ? specifier : `${names.join(', ')} from ${specifier}`;
    return [`${path}: imports ${what}: ${fault}`];
  });
}

function relativeFault(room: Room, target: string): string | undefined {
  const other = roomOf(target);
  if (other === undefined) return `${room.name} must not import what is in no room`;
  if (other === room || room.imports.includes(target)) return undefined;
  if (!room.imports.includes(other.name)) return `${room.name} must not import ${other.name}`;
  if (other.face === undefined || other.face === target) return undefined;
  return `of ${other.name}, other rooms may import ${other.face} alone`;
}

function packageFault(room: Room, path: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  // The name and version of the package, and of that of its commands: no code comes with it.
  if (/^kaio(-cli)?\/package\.json$/.test(specifier)) return undefined;
  const name = packageOf(specifier);
  if (name === 'koffi' && path !== KOFFI_HOME) return `koffi belongs in ${KOFFI_HOME} alone`;
  if (room.packages?.includes(name)) return undefined;
  return `${room.name} must not import the package ${name}`;
}
