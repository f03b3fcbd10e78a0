/**
 * Packages of Debian for another processor or suite, by an apt of its own: its lists, status and cache lie in a folder of the cache, and
 * nothing of this machine's apt changes. What is downloaded are packages, from the mirror that this machine's own apt is set up for, and apt
 * checks each against the archive's signature.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const FOLDERS = ['lists/partial', 'cache', 'etc/apt.conf.d', 'etc/preferences.d', 'state'];
/** What nobody reads in a root made for one program. */
const USELESS = ['doc', 'man', 'locale', 'lintian', 'info', 'bug', 'nodejs/corepack'];

/** Packages cannot be had at present: no mirror answers, or a suite that is in motion cannot have them installed. */
export class PackagesMissing extends Error {}

/** Where what is downloaded stays. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kaio-kernels');
}

/** The mirror of this machine's apt, which knows it once it has its lists. @throws PackagesMissing where there is none. */
function mirror(): string {
  let site = knownMirror();
  if (site === undefined) {
    aptGet(['-qq', 'update']);
    site = knownMirror();
  }
  if (site === undefined) throw new PackagesMissing('this machine’s apt knows no mirror of Debian');
  return site;
}

function knownMirror(): string | undefined {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'];
  const text = execFileSync('apt-get', args, { encoding: 'utf8' });
  const site = text.split('\n').find((line) => line !== '' && !line.includes('security'));
  return site?.replace(/\/$/, '');
}

/** @throws PackagesMissing where it fails, having said why. */
function aptGet(args: readonly string[]): void {
  const { status, error } = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new PackagesMissing(`apt-get ${args.at(-1)} fails`);
}

export class ForeignDebian {
  readonly #home: string;
  readonly #architecture: string;

  constructor(suite: string, architecture: string) {
    this.#architecture = architecture;
    this.#home = join(cacheFolder(), `${suite}-${architecture}`);
    for (const folder of FOLDERS) mkdirSync(join(this.#home, folder), { recursive: true });
    writeFileSync(join(this.#home, 'status'), '');
    const source = `deb [arch=${architecture} signed-by=${KEYRING}] ${mirror()} ${suite} main\n`;
    writeFileSync(join(this.#home, 'etc', 'sources.list'), source);
  }

  /**
   * Downloads packages with all that they depend on, as if nothing were installed.
   *
   * @returns The files, in a folder of their own.
   * @throws PackagesMissing.
   */
  download(...packages: readonly string[]): string[] {
    const archives = join(this.#home, 'packages', packages.join('-'));
    const mark = join(archives, '.complete');
    if (!existsSync(mark)) {
      mkdirSync(join(archives, 'partial'), { recursive: true });
      this.#apt('update');
      this.#apt(
        ...['-o', `Dir::Cache::archives=${archives}`, 'install', '-y', '--download-only'],
        ...['--no-install-recommends', ...packages],
      );
      writeFileSync(mark, '');
    }
    return packagesIn(archives);
  }

  /**
   * Downloads a kernel, of which others only need what boots it and its modules: the packages behind a name such as `linux-image-arm64-16k`,
   * which itself is empty and depends on the newest.
   *
   * @returns The files, in a folder of their own.
   * @throws PackagesMissing.
   */
  downloadKernel(name: string): string[] {
    const folder = join(this.#home, 'kernels', name);
    const mark = join(folder, '.complete');
    if (!existsSync(mark)) {
      mkdirSync(folder, { recursive: true });
      this.#apt('update');
      // Since Linux 7 an image has its kernel and modules in packages of their own.
      const images = this.#dependencies(name).filter((one) => /^linux-image-\d/.test(one));
      const parts = images.flatMap((image) =>
        this.#dependencies(image).filter((one) => /^linux-(binary|modules)-\d/.test(one)),
      );
      if (images.length === 0) throw new PackagesMissing(`${name} leads to no kernel`);
      for (const one of parts.length > 0 ? parts : images) this.#download(one, folder);
      writeFileSync(mark, '');
    }
    return packagesIn(folder);
  }

  #download(name: string, folder: string): void {
    const { status } = spawnSync('apt-get', ['-qq', ...this.#options(), 'download', name], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new PackagesMissing(`apt-get download ${name} fails`);
  }

  #dependencies(name: string): string[] {
    const args = [...this.#options(), 'depends', '--important', name];
    const { stdout } = spawnSync('apt-cache', args, { encoding: 'utf8' });
    return [...stdout.matchAll(/^ *\|?Depends: (\S+)$/gm)].map(([, one]) => one!);
  }

  #apt(...args: readonly string[]): void {
    aptGet(['-qq', ...this.#options(), ...args]);
  }

  #options(): string[] {
    const at = (name: string): string => join(this.#home, name);
    const settings = {
      'Dir::State': at('state'),
      'Dir::State::Lists': at('lists'),
      'Dir::State::Status': at('status'),
      'Dir::Cache': at('cache'),
      'Dir::Etc': at('etc'),
      'Dir::Etc::SourceList': at('etc/sources.list'),
      'Dir::Etc::Parts': at('etc/apt.conf.d'),
      'APT::Architecture': this.#architecture,
      'APT::Architectures': this.#architecture,
      'APT::Sandbox::User': 'root',
      'Acquire::Languages': 'none',
    };
    return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  }
}

function packagesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(folder, name));
}

/** Unpacks packages into a folder that becomes the root of a program; once. */
export function unpack(packages: readonly string[], root: string): void {
  const mark = join(root, '.complete');
  if (existsSync(mark)) return;
  rmSync(root, { recursive: true, force: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  for (const one of packages) {
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', one], { maxBuffer: 1 << 30 });
    execFileSync('tar', ['-x', '-C', root, '--keep-directory-symlink'], { input: tar });
  }
  for (const name of ['proc', 'sys', 'dev', 'tmp', 'root', 'etc', 'kaio'])
    mkdirSync(join(root, name), { recursive: true });
  for (const name of USELESS) rmSync(join(root, 'usr', 'share', name), { recursive: true, force: true });
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(mark, '');
}
