/** Where the rows of the table are tried: the package as it is packed, projects that have it installed, and the tools that are named. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../package-root.ts';

const TIMEOUT_MS = 180_000;
const NPM_FLAGS = ['--no-audit', '--no-fund', '--silent'];
/** Of koffi, with all that a project then has. */
const KOFFI = 'koffi';

/** Prints which kernel reads, how many bytes came, and whether the addon is there. */
const BODY = `async function main() {
  const file = await open(process.execPath);
  const { bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
  const { addon, reason } = loadAddon();
  console.log(file.backend, bytesRead, addon === undefined ? 'without the addon: ' + reason : 'with the addon');
  await file.close();
}
main();
`;
const PROGRAMS: Readonly<Record<string, string>> = {
  'app.mjs': `import { open } from 'kaio';\nimport { loadAddon } from 'kaio/native';\n${BODY}`,
  'app.cjs': `const { open } = require('kaio');\nconst { loadAddon } = require('kaio/native');\n${BODY}`,
  'app.ts': `import { open } from 'kaio';\nimport { loadAddon } from 'kaio/native';\n${BODY.replace('{ addon, reason } = loadAddon()', '{ addon, reason } = loadAddon() as { addon?: object; reason?: string }')}`,
};

export interface Running {
  readonly env?: NodeJS.ProcessEnv;
  /** All programs of this machine instead of Node.js and a shell. */
  readonly everything?: boolean;
}

/** A folder with the programs, and in most cases the package. */
export class Project {
  readonly directory: string;
  readonly #bin: string;

  constructor(directory: string, bin: string, manifest: object = {}) {
    this.directory = directory;
    this.#bin = bin;
    mkdirSync(directory, { recursive: true });
    this.write(
      'package.json',
      JSON.stringify({ name: 'project', private: true, license: 'MIT', ...manifest }),
    );
    for (const [name, text] of Object.entries(PROGRAMS)) this.write(name, text);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** What the program printed, without blanks at the ends. @throws Error with all of it where it fails. */
  run(command: string, args: readonly string[], { env = {}, everything = false }: Running = {}): string {
    const path = everything ? process.env.PATH : this.#bin;
    const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
      cwd: this.directory,
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { HOME: this.directory, TMPDIR: tmpdir(), CI: '1', PATH: path, ...registry(), ...env },
    });
    if (error !== undefined) throw error;
    if (status === 0) return stdout.trim();
    throw new Error(`${command} ${args.join(' ')} ended with ${status ?? signal}:\n${stdout}${stderr}`);
  }

  node(...args: readonly string[]): string {
    return this.run(process.execPath, args);
  }

  npm(...args: readonly string[]): string {
    return this.run(process.execPath, [npmProgram(), ...args]);
  }
}

/** Found in all of PATH, and run with the little that projects have of it. */
function npmProgram(): string {
  return realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
}

/** What the environment says of registries, which package managers take over. */
function registry(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) =>
    /^npm_config_|_CAFILE$|_CA_CERTS$|_proxy$/i.test(name),
  );
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

export class Workshop {
  readonly #home = mkdtempSync(join(tmpdir(), 'kaio-compatibility-'));
  /** Of programs: Node.js and a shell, and so no compiler, no make, no Python. */
  readonly bin = join(this.#home, 'bin');
  readonly tarball: string;
  #projects = 0;
  #shared: Project | undefined;

  constructor() {
    // Other users try it too.
    chmodSync(this.#home, 0o755);
    mkdirSync(this.bin);
    symlinkSync(process.execPath, join(this.bin, 'node'));
    for (const program of ['sh', 'uname'])
      for (const folder of ['/bin', '/usr/bin'])
        if (existsSync(join(folder, program)) && !existsSync(join(this.bin, program)))
          symlinkSync(join(folder, program), join(this.bin, program));
    execFileSync('npm', ['pack', '--pack-destination', this.#home], { cwd: packageRoot(), stdio: 'ignore' });
    this.tarball = join(this.#home, readdirSync(this.#home).find((name) => name.endsWith('.tgz'))!);
  }

  /** Empty but for the programs. */
  project(manifest?: object): Project {
    return new Project(join(this.#home, `project-${++this.#projects}`), this.bin, manifest);
  }

  /** One that npm has installed the package in, with koffi: for all who only use it. */
  get shared(): Project {
    if (this.#shared === undefined) {
      this.#shared = this.project();
      this.#shared.npm('install', ...NPM_FLAGS, this.tarball, KOFFI);
    }
    return this.#shared;
  }

  /** A copy of {@link shared} that may be damaged. */
  copy(): Project {
    const project = this.project();
    cpSync(this.shared.directory, project.directory, { recursive: true, verbatimSymlinks: true });
    return project;
  }

  /** Installs a tool, once. @returns Its folder. */
  tool(name: string, version: string): string {
    const home = join(this.#home, 'tools', `${name}-${version}`.replaceAll('/', '-'));
    if (!existsSync(home)) {
      mkdirSync(home, { recursive: true });
      writeFileSync(join(home, 'package.json'), '{ "private": true }');
      const flags = [...NPM_FLAGS, '--ignore-scripts'];
      execFileSync('npm', ['install', ...flags, `${name}@${version}`], { cwd: home, stdio: 'ignore' });
    }
    return join(home, 'node_modules', name);
  }

  /** The version of an installed tool. */
  versionOf(folder: string): string {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
  }

  dispose(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
