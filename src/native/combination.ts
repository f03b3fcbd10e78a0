/** What the native kernel is made of on one machine: whether anybody has seen it work, and the name under which that is remembered. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { crypto } from '../common/lazy-builtins.ts';
import { environmentVariable } from '../common/runtime.ts';
import { packageRoot, versionOf } from './installed.ts';
import { installedKoffi } from './koffi-ffi.ts';

/** As far as it can be told before anything of it is loaded. */
export interface Combination {
  /** `process.arch`, with the byte order where a processor has both. */
  readonly arch: string;
  /** `v24.3.0`. */
  readonly node: string;
  /** `3.3.4`; `undefined` where there is none, or something else is used. */
  readonly koffi: string | undefined;
}

/** What else a program may end of, on one machine or another. */
export interface MachineFacts {
  /** Of Linux. */
  readonly release: string;
  /** What `/proc/cpuinfo` says that the first processor can do. */
  readonly cpu: string;
}

/** Processors on which the whole suite has been run with koffi (docs/kernels.md). What riscv64 takes is known by itself. */
const SEEN_ARCHITECTURES: ReadonlySet<string> = new Set(['x64', 'arm64', 'ia32', 'arm', 'ppc64', 'riscv64']);
const SEEN_NODE_MAJORS = { first: 20, last: 26 } as const;
/** A release may be built for newer processors than the last one, as koffi's for riscv64 was. */
const SEEN_KOFFI = /^3\.3\./;
/** Lines of `/proc/cpuinfo` about what a processor can do, by the names that architectures give them. */
const ABILITIES = /^(model name|flags|Features|isa|cpu|CPU part|CPU implementer)\s*:.*$/gm;

/** What is here. */
export function combinationHere(): Combination {
  return {
    arch: process.arch,
    node: process.version,
    koffi: environmentVariable('KAIO_FFI') === 'node' ? undefined : installedKoffi(),
  };
}

/** The machine. With many processors it takes Linux milliseconds to tell. */
export function machineHere(): MachineFacts {
  return { release: release(), cpu: abilities(readOr('/proc/cpuinfo', '')) };
}

/** Whether somebody has run the suite on this, or on what differs in nothing that could end a program. */
export function isSeen({ arch, node, koffi }: Combination): boolean {
  const major = Number(/^v(\d+)\./.exec(node)?.[1]);
  return (
    SEEN_ARCHITECTURES.has(arch) &&
    major >= SEEN_NODE_MAJORS.first &&
    major <= SEEN_NODE_MAJORS.last &&
    (koffi === undefined || SEEN_KOFFI.test(koffi))
  );
}

/** For people. */
export function describe({ arch, node, koffi }: Combination): string {
  return `${koffi === undefined ? '' : `koffi ${koffi} on `}Node.js ${node.slice(1)}, ${arch}`;
}

/** A file's name, the same for as long as nothing changes that could matter: of kaio, Node.js, koffi, Linux and the processor. */
export function nameOf({ arch, node, koffi }: Combination, { release: kernel, cpu }: MachineFacts): string {
  const digest = crypto()
    .createHash('sha256')
    .update(JSON.stringify([ownVersion(), kernel, cpu]))
    .digest('hex');
  const parts = [node, koffi === undefined ? 'no-koffi' : `koffi-${koffi}`, arch, digest.slice(0, 16)];
  return parts.join('_').replaceAll(/[^\w.-]/g, '-');
}

function abilities(cpuinfo: string): string {
  const [first = ''] = cpuinfo.split('\n\n');
  return (first.match(ABILITIES) ?? []).join('\n');
}

function ownVersion(): string | undefined {
  const folder = packageRoot();
  return folder === undefined ? undefined : versionOf(folder);
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return otherwise;
  }
}
