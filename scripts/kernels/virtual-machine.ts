/**
 * Boots a kernel of Debian's in QEMU, with a disk, and takes from the disk what it has left there. The kernel gets its modules in a first
 * root in memory. There is no network, no file server and no window: what goes in lies on the disk, and so does what comes out.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder, ForeignDebian, unpack } from './foreign-debian.ts';
import { ANSWERS, FIRST_PROGRAM } from './guest.ts';
import { systemPath } from './mounts.ts';
import { type Machine, QEMU_SYSTEM } from './targets.ts';

/** What a guest needs to find its disk and mount it, with all that these depend on. */
const MODULES = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'crc32c_generic', 'ext4', 'loop', 'fuse'];
const MEMORY_MIB = 2048;
const CONSOLE_LINES = 40;
const SMALLEST_KERNEL_BYTES = 3 << 20;
const KERNEL_NAMES = /^(vmlinu[xz].*|linux|bzImage|Image)$/;
const env = { ...process.env, PATH: systemPath() };

/** A kernel and the root in memory that it begins with. */
interface Boot {
  readonly kernel: string;
  readonly initrd: string;
}

/** The emulator, and how it finds its libraries and firmware, which are not this machine's. */
function emulator(qemu: string): readonly string[] {
  const root = join(cacheFolder(), 'qemu-system');
  const { suite, packages } = QEMU_SYSTEM;
  if (!existsSync(join(root, '.complete')))
    unpack(new ForeignDebian(suite, 'amd64').download(...packages), root);
  const libraries = ['usr/lib/x86_64-linux-gnu', 'usr/lib'].flatMap((name) => [
    join(root, name),
    ...subfolders(join(root, name)),
  ]);
  return [
    join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
    ...['--library-path', libraries.join(delimiter)],
    join(root, 'usr/bin', `qemu-system-${qemu}`),
    ...['-L', join(root, 'usr/share/qemu'), '-L', join(root, 'usr/share/seabios')],
  ];
}

/** Libraries of their own folder, such as those that alternatives would lead to. */
function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^(pulseaudio|blas|lapack|ceph)$/.test(entry.name))
    .map(({ name }) => join(folder, name));
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Unpacks a kernel, and makes the root in memory; once. */
function kernelOf({ architecture, kernel }: Machine, busybox: string): Boot {
  const home = join(cacheFolder(), `kernel-${kernel.suite}-${kernel.package}-${architecture}`);
  const boot = { kernel: join(home, 'kernel'), initrd: join(home, 'initrd') };
  const initrd = join(home, 'first-root');
  const mark = join(home, '.complete');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === FIRST_PROGRAM) return boot;
  rmSync(home, { recursive: true, force: true });
  const unpacked = join(home, 'unpacked');
  mkdirSync(unpacked, { recursive: true });
  const packages = new ForeignDebian(kernel.suite, architecture).downloadKernel(kernel.package);
  for (const one of packages) execFileSync('dpkg-deb', ['-x', one, unpacked]);
  const image = filesIn(unpacked).find(
    (path) => KERNEL_NAMES.test(path.split('/').at(-1)!) && statSync(path).size >= SMALLEST_KERNEL_BYTES,
  );
  if (image === undefined) throw new Error(`${packages.join(', ')} have no kernel`);
  copyFileSync(image, boot.kernel);
  if (!existsSync(join(unpacked, 'lib'))) symlinkSync('usr/lib', join(unpacked, 'lib'));
  for (const name of ['bin', 'modules', 'dev', 'proc', 'sys', 'root'])
    mkdirSync(join(initrd, name), { recursive: true });
  copyFileSync(busybox, join(initrd, 'bin/busybox'));
  chmodSync(join(initrd, 'bin/busybox'), 0o755);
  writeFileSync(join(initrd, 'init'), FIRST_PROGRAM, { mode: 0o755 });
  copyModules(unpacked, join(initrd, 'modules'));
  const names = execFileSync('find', ['.', '-print0'], { cwd: initrd });
  const archive = execFileSync('cpio', ['-o', '-0', '-H', 'newc', '-R', '0:0', '--quiet'], {
    cwd: initrd,
    input: names,
    maxBuffer: 1 << 30,
  });
  writeFileSync(boot.initrd, archive);
  rmSync(unpacked, { recursive: true });
  writeFileSync(mark, FIRST_PROGRAM);
  return boot;
}

/** Modules, unpacked and in the order in which they can be loaded. Those that are built in are none. */
function copyModules(unpacked: string, to: string): void {
  const [version] = readdirSync(join(unpacked, 'lib/modules'));
  execFileSync('depmod', ['-b', unpacked, version!], { env });
  const done = new Set<string>();
  for (const name of MODULES)
    for (const path of modulesFor(name, unpacked, version!)) {
      if (done.has(path)) continue;
      done.add(path);
      const file = join(
        to,
        `${String(done.size).padStart(3, '0')}-${path.split('/').at(-1)!.split('.')[0]}.ko`,
      );
      const reader = path.endsWith('.xz')
        ? ['xz', '-dc']
        : path.endsWith('.zst')
          ? ['zstd', '-qdc']
          : ['cat'];
      writeFileSync(file, execFileSync(reader[0]!, [...reader.slice(1), path], { maxBuffer: 1 << 28 }));
    }
}

function modulesFor(name: string, unpacked: string, version: string): string[] {
  let text: string;
  try {
    text = execFileSync(
      'modprobe',
      ['-d', unpacked, '-S', version, '--ignore-install', '--show-depends', name],
      { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
  } catch (error) {
    // Not every kernel has each of them, by that name.
    if (error instanceof Error && 'status' in error && error.status === 1) return [];
    throw error;
  }
  return [...text.matchAll(/^insmod (\S+)/gm)].map(([, path]) => path!);
}

/**
 * Boots a machine with a disk, and waits until it turns itself off.
 *
 * @param folder - Of its own: the console is written there, and the folder of answers.
 * @returns The folder of answers.
 * @throws Error with the end of the console, where it was not done in time or left nothing.
 */
export async function run(
  machine: Machine,
  { disk, folder, busybox, seconds }: { disk: string; folder: string; busybox: string; seconds: number },
): Promise<string> {
  const { kernel, initrd } = kernelOf(machine, busybox);
  const log = join(folder, 'console');
  const [program, ...args] = [
    ...emulator(machine.qemu),
    ...machine.hardware,
    ...['-accel', 'tcg,thread=multi', '-m', String(MEMORY_MIB), '-smp', '2'],
    ...['-kernel', kernel, '-initrd', initrd],
    ...['-append', `console=${machine.console} quiet loglevel=4 panic=-1`],
    ...['-drive', `if=none,id=disk,file=${disk},format=raw,cache=writeback,aio=threads`],
    ...['-device', `${machine.disk},drive=disk`],
    ...['-nographic', '-no-reboot', '-nodefaults', '-serial', `file:${log}`],
  ];
  const messages = openSync(join(folder, 'emulator'), 'w');
  const guest = spawn(program!, args, { stdio: ['ignore', messages, messages] });
  closeSync(messages);
  const kill = (): boolean => guest.kill('SIGKILL');
  process.once('exit', kill);
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    kill();
  }, seconds * 1000);
  await new Promise((resolve, reject) => {
    guest.once('exit', resolve);
    guest.once('error', reject);
  });
  clearTimeout(deadline);
  process.off('exit', kill);
  execFileSync('debugfs', ['-R', `rdump /${ANSWERS} ${folder}`, disk], { env, stdio: 'ignore' });
  const answers = join(folder, ANSWERS);
  if (existsSync(join(answers, 'done'))) return answers;
  const said = [log, join(folder, 'emulator')].map((path) =>
    existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(-CONSOLE_LINES).join('\n') : '',
  );
  throw new Error(`${machine.name} was not done${isLate ? ` within ${seconds} s` : ''}\n${said.join('\n')}`);
}
