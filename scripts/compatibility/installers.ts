/** Package managers: nothing is compiled (there is no compiler in PATH), and each ends well. */
import { existsSync } from 'node:fs';
import { EMULATED_WITH_ADDON, type Group, NATIVE, type Row } from './row.ts';
import type { Project, Workshop } from './workshop.ts';

interface Installer {
  readonly name: string;
  readonly remark?: string;
  /** Installs what is in `package.json`. */
  readonly install: (project: Project, workshop: Workshop) => void;
  /** Runs a program; by Node.js where it says nothing else. */
  readonly run?: (project: Project) => string;
}

const program = (project: Project): string => project.node('app.cjs');

/** Yarn 4 takes nothing of npm's settings over. */
function yarnSettings(project: Project, settings: Readonly<Record<string, string | boolean>>): void {
  const registry = project.npm('config', 'get', 'registry');
  const all = {
    ...settings,
    enableGlobalCache: false,
    enableTelemetry: false,
    npmRegistryServer: registry,
    unsafeHttpWhitelist: ['*'],
  };
  project.write('.yarnrc.yml', JSON.stringify(all));
  project.write('yarn.lock', '');
}

const yarn4 =
  (settings: Readonly<Record<string, string | boolean>>) =>
  (project: Project, workshop: Workshop): void => {
    yarnSettings(project, settings);
    const yarn = `${workshop.tool('@yarnpkg/cli-dist', '4.18.1')}/bin/yarn.js`;
    project.run(process.execPath, [yarn, 'install'], { env: { YARN_ENABLE_IMMUTABLE_INSTALLS: 'false' } });
  };

const INSTALLERS: readonly Installer[] = [
  {
    name: 'npm',
    install: (project) => void project.npm('install', '--no-audit', '--no-fund'),
  },
  {
    name: 'npm --ignore-scripts',
    install: (project) =>
      void project.run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
        everything: true,
      }),
  },
  {
    name: 'pnpm',
    remark: 'asks to approve the install script of koffi, which is not needed',
    install: (project, workshop) => {
      project.write('pnpm-workspace.yaml', 'strictDepBuilds: false\n');
      const pnpm = `${workshop.tool('pnpm', '10')}/bin/pnpm.cjs`;
      project.run(process.execPath, [pnpm, 'install', '--store-dir', project.path('store')]);
    },
  },
  {
    name: 'Yarn 1',
    install: (project, workshop) => {
      const registry = project.npm('config', 'get', 'registry');
      const yarn = `${workshop.tool('yarn', '1.22.22')}/bin/yarn.js`;
      const cache = project.path('cache');
      project.run(process.execPath, [yarn, 'install', '--registry', registry, '--cache-folder', cache]);
    },
  },
  { name: 'Yarn 4, node_modules', install: yarn4({ nodeLinker: 'node-modules', enableScripts: false }) },
  {
    name: 'Yarn 4, node_modules, scripts enabled',
    install: yarn4({ nodeLinker: 'node-modules', enableScripts: true }),
  },
  {
    name: "Yarn 4, Plug'n'Play",
    install: yarn4({ nodeLinker: 'pnp', enableScripts: false }),
    run: (project) => project.node('--require', './.pnp.cjs', 'app.cjs'),
  },
  {
    name: "Yarn 4, Plug'n'Play, scripts enabled",
    install: yarn4({ nodeLinker: 'pnp', enableScripts: true }),
    run: (project) => project.node('--require', './.pnp.cjs', 'app.cjs'),
  },
  {
    name: 'Bun',
    install: (project, workshop) => {
      const registry = project.npm('config', 'get', 'registry');
      const bun = `${workshop.tool('@oven/bun-linux-x64', '1.4.5')}/bin/bun`;
      project.run(bun, ['install'], { env: { BUN_CONFIG_REGISTRY: registry } });
    },
  },
];

function row({ name, remark, install, run = program }: Installer, koffi: boolean): Row {
  return {
    title: koffi ? name : `${name}, without koffi`,
    expected: koffi ? NATIVE : EMULATED_WITH_ADDON,
    ...(remark === undefined || !koffi ? {} : { remark }),
    run: (workshop) => {
      const dependencies = { kaio: `file:${workshop.tarball}`, ...(koffi ? { koffi: '^3.3.0' } : {}) };
      const project = workshop.project({ dependencies });
      install(project, workshop);
      if (existsSync(project.path('node_modules/kaio/build'))) throw new Error('something was compiled');
      return run(project);
    },
  };
}

export const installers: Group = {
  title: 'Installers',
  rows: INSTALLERS.flatMap((installer) => [row(installer, true), row(installer, false)]),
};
