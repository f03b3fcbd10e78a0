/** Machines of other kinds, one line each: what the checks of this folder run on them. */

/** A processor whose programs this machine can run: by itself, or by an emulator of user space. */
export interface Architecture {
  /** As Debian calls it. */
  readonly name: string;
  /** The suite of Debian whose Node.js is new enough. */
  readonly suite: string;
  /** The program of QEMU's; none where x86-64 runs it. */
  readonly qemu?: string;
  /** As npm calls it, where koffi is to be had and the kernel is the real one: the native suite is run too. */
  readonly native?: string;
  /** What is special about it. */
  readonly what: string;
}

export const ARCHITECTURES: readonly Architecture[] = [
  { name: 's390x', suite: 'sid', qemu: 's390x', what: 'big-endian, 64 bits' },
  { name: 'i386', suite: 'trixie', native: 'ia32', what: '32 bits, on the host’s own kernel' },
  { name: 'armhf', suite: 'trixie', qemu: 'arm', what: '32 bits' },
  { name: 'arm64', suite: 'trixie', qemu: 'aarch64', what: '64 bits' },
  { name: 'riscv64', suite: 'trixie', qemu: 'riscv64', what: '64 bits' },
  { name: 'ppc64el', suite: 'sid', qemu: 'ppc64le', what: '64 bits' },
];

/** A machine of its own, with a kernel of its own: QEMU is all of it. */
export interface Machine {
  readonly name: string;
  /** Debian's name of the processor. */
  readonly architecture: string;
  /** Where its Node.js comes from. */
  readonly suite: string;
  /** What leads to the newest package of that kernel. */
  readonly kernel: { readonly suite: string; readonly package: string };
  /** The program of QEMU's, `qemu-system-` and this. */
  readonly qemu: string;
  readonly hardware: readonly string[];
  readonly console: string;
  /** Its virtual disk. */
  readonly disk: string;
  /** As npm calls the processor, where there is a koffi for it. */
  readonly koffi?: string;
  /** What the automatic choice has to end in there, and the reason that it gives. */
  readonly chooses: { readonly backend: 'native' | 'emulated'; readonly reason: RegExp };
  /** What is special about it. */
  readonly what: string;
}

const NATIVE = { backend: 'native', reason: /^a probe request has gone through the kernel$/ } as const;
/** Without the flaws of hardware that QEMU does not have either, for which the kernel asks it otherwise. */
const PSERIES = 'pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off';

/** A processor of the second generation of x86-64, as Debian's Node.js is built for. */
const X64 = {
  architecture: 'amd64',
  suite: 'trixie',
  qemu: 'x86_64',
  hardware: ['-M', 'q35', '-cpu', 'qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+x2apic'],
  console: 'ttyS0',
  disk: 'virtio-blk-pci',
  koffi: 'x64',
  chooses: NATIVE,
} as const;

const RISCV64 = {
  architecture: 'riscv64',
  suite: 'trixie',
  kernel: { suite: 'trixie', package: 'linux-image-riscv64' },
  qemu: 'riscv64',
  console: 'ttyS0',
  disk: 'virtio-blk-pci',
  koffi: 'riscv64',
} as const;

export const MACHINES: readonly Machine[] = [
  {
    ...X64,
    name: 'x64-5.10',
    kernel: { suite: 'bullseye', package: 'linux-image-amd64' },
    what: 'the oldest kernel with long-term support',
  },
  {
    ...X64,
    name: 'x64-newest',
    kernel: { suite: 'trixie-backports', package: 'linux-image-amd64' },
    what: 'the newest kernel',
  },
  {
    name: 'arm64-16k',
    architecture: 'arm64',
    suite: 'trixie',
    kernel: { suite: 'trixie', package: 'linux-image-arm64-16k' },
    qemu: 'aarch64',
    // `max` of QEMU 7 computed wrong results; this one has not been seen to.
    hardware: ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a76'],
    console: 'ttyAMA0',
    disk: 'virtio-blk-pci',
    koffi: 'arm64',
    chooses: NATIVE,
    what: 'pages of 16 KiB',
  },
  {
    name: 'ppc64el-64k',
    architecture: 'ppc64el',
    suite: 'sid',
    kernel: { suite: 'sid', package: 'linux-image-powerpc64le-64k' },
    qemu: 'ppc64',
    hardware: ['-M', PSERIES, '-cpu', 'power9', '-vga', 'none'],
    console: 'hvc0',
    disk: 'virtio-blk-pci',
    koffi: 'ppc64',
    chooses: NATIVE,
    what: 'pages of 64 KiB',
  },
  {
    ...RISCV64,
    name: 'riscv64',
    hardware: ['-M', 'virt', '-cpu', 'rva23s64'],
    chooses: NATIVE,
    what: 'a processor of the profile RVA23',
  },
  {
    ...RISCV64,
    name: 'riscv64-plain',
    hardware: ['-M', 'virt', '-cpu', 'rv64'],
    chooses: { backend: 'emulated', reason: /needs a processor of the profile RVA23/ },
    what: 'a processor as most boards have it',
  },
  {
    name: 's390x',
    architecture: 's390x',
    suite: 'sid',
    kernel: { suite: 'sid', package: 'linux-image-s390x' },
    qemu: 's390x',
    hardware: ['-M', 's390-ccw-virtio', '-cpu', 'max'],
    console: 'ttysclp0',
    disk: 'virtio-blk-ccw',
    chooses: { backend: 'emulated', reason: /there is no koffi for s390x/ },
    what: 'big-endian',
  },
  {
    name: 'armhf',
    architecture: 'armhf',
    suite: 'trixie',
    kernel: { suite: 'trixie', package: 'linux-image-armmp-lpae' },
    qemu: 'arm',
    hardware: ['-M', 'virt,highmem=off', '-cpu', 'cortex-a15'],
    console: 'ttyAMA0',
    disk: 'virtio-blk-device',
    koffi: 'arm',
    chooses: NATIVE,
    what: '32 bits',
  },
];

/** The suite whose QEMU boots all of them, and its packages. */
export const QEMU_SYSTEM = {
  suite: 'trixie',
  packages: ['x86', 'arm', 'ppc', 'riscv', 's390x'].map((name) => `qemu-system-${name}`),
} as const;

/** Another implementation of the interface, and how it is started. Later packages of it end by themselves (0.0~20240729.0-7, of sid). */
export const GVISOR = {
  suite: 'trixie',
  package: 'runsc',
  options: ['--network=none', '--platform=systrap', '--ignore-cgroups'],
  reason: /its AIO takes flags that Linux refuses/,
} as const;

/** The suite whose QEMU is new enough, and the package of its emulators of user space, which are linked statically. */
export const QEMU_USER = { suite: 'bookworm-backports', package: 'qemu-user' } as const;

/** Those that are named, or all. @throws Error for a name that there is not. */
export function named<T extends { readonly name: string }>(
  list: readonly T[],
  names: readonly string[],
): readonly T[] {
  const unknown = names.find((name) => !list.some((one) => one.name === name));
  if (unknown !== undefined)
    throw new Error(`there is no '${unknown}': ${list.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? list : list.filter(({ name }) => names.includes(name));
}
