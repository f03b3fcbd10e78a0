/**
 * The conformance suite on other processors: other byte orders and words than this machine's.
 *
 * `npm run check:architectures`, or with the names of some (`-- s390x i386`), or with `--may-be-missing` to pass over what
 * has packages that cannot be had. The emulation is asked under QEMU's emulator of user space, whose kernel calls do not include AIO; where this
 * machine runs the programs by itself, the native kernel too. All of it takes some 8 minutes on an idle machine of two cores, one of them
 * a minute, and at the first time the downloads: 60 MB each.
 *
 * It takes root, Linux 6.7 for the emulators (binfmt_misc in a namespace of its own), and Debian's apt.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../package-root.ts';
import { cacheFolder, ForeignDebian, PackagesMissing, unpack } from './foreign-debian.ts';
import { foreignKoffi } from './foreign-koffi.ts';
import { isGood } from './judgement.ts';
import { ARCHITECTURES, type Architecture, named, QEMU_USER } from './targets.ts';

/** A program that has ended. */
interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

const MOST_BYTES = 1 << 28;
const DEADLINE_SECONDS = 120;
/** What the header of its programs looks like: class, byte order and machine are compared (elf(5), binfmt_misc). */
const ELF: Readonly<Record<string, readonly [bits: 32 | 64, isLittle: boolean, machine: number]>> = {
  s390x: [64, false, 22],
  arm: [32, true, 40],
  aarch64: [64, true, 183],
  riscv64: [64, true, 243],
  ppc64le: [64, true, 21],
};

function bytesText(bytes: readonly number[]): string {
  return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** The line that registers an emulator: 20 bytes of a header, and which bits of them count. */
function registration(qemu: string, interpreter: string): string {
  const [bits, isLittle, machine] = ELF[qemu]!;
  const half = (value: number): number[] =>
    isLittle ? [value & 0xff, value >> 8] : [value >> 8, value & 0xff];
  const ident = [0x7f, 0x45, 0x4c, 0x46, bits / 32, isLittle ? 1 : 2, 1];
  const magic = [...ident, ...Array<number>(9).fill(0), ...half(2), ...half(machine)];
  // A program or a shared object: the last bit of the type does not count; nor does the system, which compilers fill in differently.
  const mask = [...ident.map(() => 0xff), ...Array<number>(9).fill(0), ...half(0xfffe), ...half(0xffff)];
  return `:kaio:M::${bytesText(magic)}:${bytesText(mask)}:${interpreter}:FP`;
}

/** What runs in namespaces of its own: the folder is this package's, read by all and written by none of them. */
const INSIDE = `
set -eu
mount --make-rprivate /
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --rbind /sys "$ROOT/sys"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount --bind "$PACKAGE" "$ROOT/kaio"
if [ -n "$KOFFI" ]; then mount --bind "$KOFFI/node_modules/@koromix" "$ROOT/kaio/node_modules/@koromix"; fi
if [ -n "$REGISTER" ]; then
  mkdir -p "$ROOT/tmp/binfmt"
  mount -t binfmt_misc binfmt_misc "$ROOT/tmp/binfmt"
  printf %s "$REGISTER" >"$ROOT/tmp/binfmt/register"
fi
export TMPDIR=/tmp HOME=/root LANG=C.UTF-8
unset NODE_EXTRA_CA_CERTS NODE_OPTIONS
exec chroot "$ROOT" "$@"
`;

function emulator(qemu: string): string {
  const root = join(cacheFolder(), 'qemu-user');
  unpack(new ForeignDebian(QEMU_USER.suite, 'amd64').download(QEMU_USER.package), root);
  return join(root, 'usr', 'bin', `qemu-${qemu}`);
}

function asking(cli: string, backend: string): string[] {
  return [cli, 'conformance', '--backend', backend, '--json', '--deadline', String(DEADLINE_SECONDS)];
}

/** Runs a program. @returns What it said, and the seconds it took. */
function timed(command: string, args: readonly string[], variables: NodeJS.ProcessEnv): Ran {
  const began = performance.now();
  const env = { ...process.env, ...variables };
  const { stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8', maxBuffer: MOST_BYTES });
  return { stdout, stderr, seconds: Math.round((performance.now() - began) / 1000) };
}

/** Runs the suite there. @returns Whether nothing failed. */
function checkArchitecture({ name, suite, qemu, native, what }: Architecture): boolean {
  const debian = new ForeignDebian(suite, name);
  const root = join(cacheFolder(), `root-${suite}-${name}`);
  unpack(debian.download('nodejs', 'busybox-static'), root);
  const environment = {
    ROOT: root,
    PACKAGE: packageRoot(),
    KOFFI: native === undefined ? '' : foreignKoffi(native),
    REGISTER: qemu === undefined ? '' : registration(qemu, emulator(qemu)),
  };
  let areGood = true;
  for (const backend of native === undefined ? ['emulated'] : ['emulated', 'native']) {
    const ran = timed(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', '--kill-child'],
        // A namespace of users has emulators of its own.
        ...(qemu === undefined ? [] : ['--user', '--map-root-user']),
        ...['bash', '-c', INSIDE, 'bash', '/usr/bin/node', ...asking('/kaio/dist/src/cli/cli.js', backend)],
      ],
      environment,
    );
    const text = ran.stdout.startsWith('{') ? ran.stdout : `${ran.stdout}${ran.stderr}`;
    areGood = isGood(`${name} (${what}), ${backend}`, text, ran.seconds) && areGood;
  }
  return areGood;
}

/** @param mayBeMissing - Whether a target whose packages cannot be had is told and passed over. */
function check(target: Architecture, mayBeMissing: boolean): boolean {
  try {
    return checkArchitecture(target);
  } catch (error) {
    if (!(error instanceof PackagesMissing && mayBeMissing)) throw error;
    console.log(`${target.name}: skipped: ${error.message}`);
    return true;
  }
}

const { values, positionals } = parseArgs({
  options: { 'may-be-missing': { type: 'boolean', default: false } },
  allowPositionals: true,
});
const good = named(ARCHITECTURES, positionals).map((target) => check(target, values['may-be-missing']));
if (good.includes(false)) process.exitCode = 1;
