/**
 * What lies in a guest: a root with Node.js, this package with what its command needs, and the guest's first programs. Both are shell
 * scripts for busybox, which is all that is there beside Node.js.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { foreignKoffi } from './foreign-koffi.ts';
import { systemPath } from './mounts.ts';

/** Where the package lies in the guest. */
const HOME = 'kaio';
/** What the guest leaves there is what it answers. */
export const ANSWERS = 'answers';
/** Files are made there. */
const FOLDER = '/files';
/** What of the package is copied: as compiled, without tests of its own. */
const PARTS = ['package.json', 'dist/src', 'dist/test/conformance', 'dist/scripts/kernels'];
/** What the command imports beside the package's own dependencies. */
const TOOLS = ['commander', 'cli-progress', 'cli-table3', 'xmlbuilder', 'koffi'];

/** The first program of the first root, which is in memory: loads modules, and goes on on the disk. */
export const FIRST_PROGRAM = `#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs devtmpfs /dev
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
for module in /modules/*; do $busybox insmod $module || echo "insmod $module fails"; done
tries=0
while [ ! -e /dev/vda ] && [ $tries -lt 300 ]; do $busybox sleep 0.1; tries=$((tries + 1)); done
$busybox mount -t ext4 /dev/vda /root || $busybox poweroff -f
$busybox mount --move /dev /root/dev
$busybox mount --move /proc /root/proc
$busybox mount --move /sys /root/sys
exec $busybox switch_root /root /usr/bin/busybox sh /${HOME}/second
`;

/** The first program on the disk. A case starts \`sleep\` by its name (EXIT-08). */
function secondProgram(backends: readonly string[], deadlineSeconds: number): string {
  const kaio = `node /${HOME}/dist/src/cli/cli.js`;
  const suites = backends.map(
    (backend) => `echo conformance, ${backend}
began=$(cut -d. -f1 /proc/uptime)
${kaio} conformance --backend ${backend} --directory ${FOLDER} --deadline ${deadlineSeconds} --json >${backend}.json 2>${backend}.err
echo $(($(cut -d. -f1 /proc/uptime) - began)) >${backend}.seconds`,
  );
  return `mkdir -p /busy /dev/pts /dev/shm ${FOLDER} /${ANSWERS}
/usr/bin/busybox --install -s /busy
[ -e /bin/sh ] || ln -s /usr/bin/busybox /bin/sh
[ -e /bin/sleep ] || ln -s /usr/bin/busybox /bin/sleep
export PATH=/usr/sbin:/usr/bin:/busy HOME=/root LANG=C.UTF-8 TMPDIR=${FOLDER}
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
ulimit -n 4096
ip link set lo up
cd /${ANSWERS}
cut -d. -f1 /proc/uptime >up
echo doctor
${kaio} doctor --json --directory ${FOLDER} >doctor.json 2>doctor.err
echo file layer
node /${HOME}/dist/scripts/kernels/file-layer.js ${FOLDER} >file-layer.json 2>file-layer.err
${suites.join('\n')}
dmesg | tail -100 >dmesg
echo done >done
cd /
sync
mount -o remount,ro /
poweroff -f
`;
}

/** Names of packages, with all that they depend on and that is here. */
function withDependencies(names: readonly string[]): string[] {
  const found = new Set<string>();
  const add = (name: string): void => {
    const folder = join(packageRoot(), 'node_modules', name);
    if (found.has(name) || !existsSync(folder)) return;
    found.add(name);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies?: Readonly<Record<string, string>>;
    };
    for (const one of Object.keys(dependencies)) add(one);
  };
  for (const name of names) add(name);
  return [...found];
}

/** Puts this package, as it is compiled, into a folder. @param koffi - For which processor, as npm calls it. */
function copyPackage(to: string, koffi: string | undefined): void {
  const root = packageRoot();
  for (const part of [...PARTS, 'prebuilds'])
    if (existsSync(join(root, part))) cpSync(join(root, part), join(to, part), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  for (const name of withDependencies([...Object.keys(dependencies), ...TOOLS]))
    cpSync(join(root, 'node_modules', name), join(to, 'node_modules', name), { recursive: true });
  if (koffi === undefined) return;
  const binaries = 'node_modules/@koromix';
  cpSync(join(foreignKoffi(koffi), binaries), join(to, binaries), { recursive: true });
}

/**
 * Makes the image of a guest's disk.
 *
 * @param root - A root with Node.js and busybox; it stays as it is.
 * @param staging - A folder on the same file system as the root, made anew.
 */
export function makeDisk(
  image: string,
  root: string,
  staging: string,
  options: {
    readonly koffi: string | undefined;
    readonly backends: readonly string[];
    readonly deadlineSeconds: number;
    readonly mebibytes: number;
  },
): void {
  rmSync(staging, { recursive: true, force: true });
  execFileSync('cp', ['-al', root, staging]);
  const home = join(staging, HOME);
  mkdirSync(home, { recursive: true });
  copyPackage(home, options.koffi);
  writeFileSync(join(home, 'second'), secondProgram(options.backends, options.deadlineSeconds));
  // As every kernel of this folder's machines knows it.
  execFileSync('mkfs.ext4', ['-qF', '-b', '4096', '-d', staging, image, `${options.mebibytes}m`], {
    env: { ...process.env, PATH: systemPath() },
  });
  rmSync(staging, { recursive: true });
}
