/** For which machines the package has an addon, and how Debian's compilers are told to build for them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface Target {
  /** As `process.arch`. */
  readonly arch: string;
  readonly libc: 'glibc' | 'musl';
  readonly compiler: string;
  /** Of Debian. */
  readonly packages: string;
  readonly flags: (compiler: string) => string[];
  /** Whether there is what the compiler needs. */
  readonly needs: () => boolean;
}

/** As Debian calls them. */
const MACHINES = { x64: 'x86_64', arm64: 'aarch64' } as const;

/**
 * Against musl's headers and library, by a compiler that is made for glibc. Linux's headers come after all others; atomic operations are
 * in line, because those of libgcc would ask glibc for the processor.
 */
function muslFlags(machine: string, kernelHeaders: readonly string[], compiler: string): string[] {
  const { stdout } = spawnSync(compiler, ['-print-file-name=include'], { encoding: 'utf8' });
  return [
    '-nostdinc',
    ...['-isystem', `/usr/include/${machine}-linux-musl`],
    ...['-isystem', stdout.trim()],
    ...kernelHeaders.flatMap((path) => ['-idirafter', path]),
    ...(machine === 'aarch64' ? ['-mno-outline-atomics'] : []),
    '-nostdlib',
    `-L/usr/lib/${machine}-linux-musl`,
  ];
}

function muslTarget(arch: keyof typeof MACHINES, packages: string, kernelHeaders: readonly string[]): Target {
  const machine = MACHINES[arch];
  return {
    arch,
    libc: 'musl',
    compiler: `${machine}-linux-gnu-gcc`,
    packages,
    flags: (compiler) => muslFlags(machine, kernelHeaders, compiler),
    needs: () => existsSync(`/usr/lib/${machine}-linux-musl/libc.so`),
  };
}

function glibcTarget(arch: keyof typeof MACHINES, packages: string): Target {
  return {
    arch,
    libc: 'glibc',
    compiler: `${MACHINES[arch]}-linux-gnu-gcc`,
    packages,
    flags: () => [],
    needs: () => true,
  };
}

export const TARGETS: readonly Target[] = [
  glibcTarget('x64', 'gcc-x86-64-linux-gnu, or gcc on x64'),
  muslTarget('x64', 'musl-dev:amd64', ['/usr/include', '/usr/include/x86_64-linux-gnu']),
  glibcTarget('arm64', 'gcc-aarch64-linux-gnu'),
  muslTarget('arm64', 'gcc-aarch64-linux-gnu and musl-dev:arm64', ['/usr/aarch64-linux-gnu/include']),
];
