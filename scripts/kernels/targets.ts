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
