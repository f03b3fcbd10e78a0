/** The steps of `npm run release:check`, in order. */

export interface Step {
  /** Of package.json. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly why: string;
}

export const STEPS: readonly Step[] = [
  { script: 'check', why: 'format, lint, types, imports, generated pages' },
  { script: 'check:abi', why: 'the tables beside a C compiler' },
  { script: 'test', env: { KAIO_ADDON: '0' }, why: 'all tests without the addon' },
  { script: 'build:addon', why: 'for what follows' },
  { script: 'test', why: 'all tests with it' },
  { script: 'test:long', why: 'tests that take longer' },
  { script: 'demo', why: 'runs from a checkout' },
  { script: 'example:wal', args: ['--crashes', '10000'], why: 'a log keeps its word' },
  { script: 'example:sqlite', args: ['--crashes', '1000'], why: 'a database keeps its word' },
  { script: 'crashes', why: 'popular packages on the simulated machine' },
  { script: 'check:addon', why: 'the addon under sanitizers' },
  { script: 'check:faults', why: 'errors injected into system calls' },
  { script: 'check:pins', why: 'every way of giving memory away, each Node.js' },
  { script: 'check:node-versions', why: 'Node.js 20, 22, 24, 26, by koffi and node:ffi' },
  { script: 'check:prebuilds', why: 'addons for arm64 and musl' },
  { script: 'check:package', why: 'installed from the tarball; size and dependencies' },
  { script: 'check:types', why: 'TypeScript 4.9 to 7, @types/node 20 to 26' },
  { script: 'check:compatibility', why: 'every installer, format, bundler, runtime, damage' },
  { script: 'check:kernels', why: 'the page of kernels is true' },
  { script: 'check:uml', why: 'a second real kernel' },
  { script: 'check:windows', why: 'the emulation on Wine' },
  { script: 'check:architectures', why: 'the emulation on other processors' },
  { script: 'check:machines', why: 'other kernels, booted' },
  { script: 'check:gvisor', why: 'another implementation, as it is known to be' },
  { script: 'check:c-programs', why: 'rules as C programs agree with the suite' },
  { script: 'check:file-systems', why: 'ext4, XFS, btrfs, tmpfs, overlays, FUSE' },
  { script: 'fuzz', args: ['--operations', '5000000'], why: 'Linux and the emulation' },
  { script: 'fuzz', args: ['--files', '--operations', '1000000'], why: 'FileHandle and AioFile' },
  { script: 'fuzz:simulated-fs', why: 'node:fs and the simulated machine' },
  { script: 'fuzz:seed', args: ['--operations', '2000000'], why: 'the kernel of 2007' },
  {
    script: 'fuzz:hostile',
    args: ['--steps', '1000000', '--backend', 'native'],
    why: 'programs that mean harm',
  },
  {
    script: 'fuzz:hostile',
    args: ['--steps', '1000000', '--backend', 'emulated'],
    why: 'the same, emulated',
  },
  { script: 'check:fuzz-mutations', why: 'the fuzzer of calls finds what it should' },
  { script: 'check:file-fuzz-mutations', why: 'the one over files finds what it should' },
  { script: 'check:fs-fuzz-mutations', why: 'the one over names, too' },
  { script: 'check:seed-fuzz-mutations', why: 'the one of 2007, too' },
  { script: 'check:hostile-mutations', why: 'and the one that means harm' },
  { script: 'torture', args: ['--seconds', '300'], why: 'worker threads that end anyhow' },
  { script: 'soak', why: 'nothing is left behind' },
  { script: 'stress:storage', args: ['--seconds', '300'], why: 'every byte is explained' },
  { script: 'stress:storage', args: ['--kills', '1000'], why: 'also after a kill' },
  { script: 'check:cp', why: 'the manners of cp(1)' },
  { script: 'check:loop', why: 'the event loop stays free' },
  { script: 'check:slow-disk', why: 'on a slow disk, too' },
  { script: 'check:report', why: 'pages of bench in a browser' },
  { script: 'check:trace', why: "traces in Chrome's viewer" },
  { script: 'check:history-page', why: 'pages of simulations in a browser' },
  { script: 'bench:guard', why: 'not slower than the commit before' },
];

/** Scripts that are part of a step. */
export const WITHIN: Readonly<Record<string, string>> = {
  'check:imports': 'check',
  'check:abi-values': 'check',
  'check:rules': 'check',
  'check:filehandle': 'check',
  'check:performance': 'check',
  'check:mechanisms': 'check',
  'check:guides': 'check',
  'check:links': 'check',
  'check:api': 'check',
  'check:docs': 'check',
  'check:kernel-of-today': 'check:machines',
};
