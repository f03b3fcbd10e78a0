/** Ways of loading the package, and tools that merge it into an application or copy what that needs. Each reads natively. */
import { copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Group, NATIVE, type Row } from './row.ts';
import type { Project, Workshop } from './workshop.ts';

/** Writes a program that asks a tool into the project, and runs it. */
function build(project: Project, name: string, text: string): void {
  project.write(name, text);
  project.node(name);
}

function esbuild(workshop: Workshop, ...args: readonly string[]): void {
  const program = join(workshop.tool('esbuild', '0.28.2'), 'bin/esbuild');
  workshop.shared.run(program, ['--bundle', '--platform=node', '--log-level=warning', ...args]);
}

function jestPasses(workshop: Workshop, folder: string, nodeFlags: readonly string[] = []): 'passed' {
  const jest = join(workshop.tool('jest', '30.5.2'), 'bin/jest.js');
  const files = ['--testMatch', '**/*.test.*js'];
  workshop.shared.node(...nodeFlags, jest, '--rootDir', folder, '--watchman=false', ...files);
  return 'passed';
}

/** What the host has by that name would not be what was saved, nor be gone after the power was lost. */
const SAVES_ON_SIMULATION = `
  test('saves on the simulated machine', async () => {
    const simulation = simulate({ seed: 1 });
    use(simulation);
    await save('/saved-by-jest', 'text');
    expect(load('/saved-by-jest')).toBe('text');
    expect(simulation.fs.readdirSync('/')).toEqual(['saved-by-jest']);
    simulation.fs.fsyncSync(simulation.fs.openSync('/saved-by-jest', 'r'));
    use(simulation.crash());
    expect(load('/saved-by-jest')).toBe('text');
    use(undefined);
    expect(() => load('/saved-by-jest')).toThrow('ENOENT');
  });`;

/** As docs/simulation.md has it. */
function jestOnSimulation(
  workshop: Workshop,
  project: {
    readonly folder: string;
    readonly program: readonly [name: string, text: string];
    readonly test: readonly [name: string, text: string];
    readonly nodeFlags?: readonly string[];
  },
): 'passed' {
  for (const [name, text] of [project.program, project.test])
    workshop.shared.write(`${project.folder}/${name}`, text);
  return jestPasses(workshop, project.folder, project.nodeFlags);
}

const FORMATS: readonly Row[] = [
  { title: 'import', expected: NATIVE, run: ({ shared }) => shared.node('app.mjs') },
  { title: 'require', expected: NATIVE, run: ({ shared }) => shared.node('app.cjs') },
  {
    title: 'tsx',
    expected: NATIVE,
    run: (workshop) => workshop.shared.node(join(workshop.tool('tsx', '4.23.15'), 'dist/cli.mjs'), 'app.ts'),
  },
  {
    title: 'ts-node',
    expected: NATIVE,
    run: (workshop) => {
      const project = workshop.shared;
      const compiler = workshop.tool('typescript', '5.9');
      const options = JSON.stringify({
        module: 'node16',
        moduleResolution: 'node16',
        types: [],
        strict: false,
      });
      const program = join(workshop.tool('ts-node', '10.9.2'), 'dist/bin.js');
      return project.node(
        program,
        '--transpile-only',
        '--compiler',
        compiler,
        '--compilerOptions',
        options,
        'app.ts',
      );
    },
  },
  {
    title: 'jest, without flags',
    expected: 'passed',
    run: (workshop) => {
      workshop.shared.write(
        'jest/read.test.js',
        `const { open } = require('kaio');
         test('reads natively', async () => {
           const file = await open(__filename);
           expect((await file.read(Buffer.alloc(10), 0, 10, 0)).bytesRead).toBe(10);
           expect(file.backend).toBe('native');
           await file.close();
         });`,
      );
      return jestPasses(workshop, 'jest');
    },
  },
  {
    title: 'jest, a program of CommonJS modules on the simulated machine',
    expected: 'passed',
    run: (workshop) =>
      jestOnSimulation(workshop, {
        folder: 'jest-simulated',
        program: [
          'save.js',
          `const { readFileSync } = require('node:fs');
           const { writeFile } = require('node:fs/promises');
           exports.save = (path, text) => writeFile(path, text);
           exports.load = (path) => readFileSync(path, 'utf8');`,
        ],
        test: [
          'save.test.js',
          `const { simulate } = require('kaio/emulated');
           const { fs, promises, use } = require('kaio/simulated');
           jest.doMock('node:fs', () => fs);
           jest.doMock('node:fs/promises', () => promises);
           const { save, load } = require('./save.js');
           ${SAVES_ON_SIMULATION}`,
        ],
      }),
  },
  {
    title: 'jest, a program of ECMAScript modules on the simulated machine',
    expected: 'passed',
    run: (workshop) =>
      jestOnSimulation(workshop, {
        folder: 'jest-simulated-modules',
        program: [
          'save.mjs',
          `import { readFileSync } from 'node:fs';
           import { writeFile } from 'node:fs/promises';
           export const save = (path, text) => writeFile(path, text);
           export const load = (path) => readFileSync(path, 'utf8');`,
        ],
        test: [
          'save.test.mjs',
          `import { jest } from '@jest/globals';
           const { simulate } = await import('kaio/emulated');
           const { fs, promises, use } = await import('kaio/simulated');
           jest.unstable_mockModule('node:fs', () => ({ ...fs, default: fs }));
           jest.unstable_mockModule('node:fs/promises', () => ({ ...promises, default: promises }));
           const { save, load } = await import('./save.mjs');
           ${SAVES_ON_SIMULATION}`,
        ],
        nodeFlags: ['--experimental-vm-modules', '--no-warnings'],
      }),
  },
  {
    title: 'publint',
    expected: 'no finding',
    run: (workshop) => {
      const program = join(workshop.tool('publint', '0.3.25'), 'src/cli.js');
      workshop.shared.run(process.execPath, [program, 'run', workshop.tarball, '--strict'], {
        everything: true,
      });
      return 'no finding';
    },
  },
  {
    title: 'are-the-types-wrong',
    expected: 'no finding',
    run: (workshop) => {
      const program = join(workshop.tool('@arethetypeswrong/cli', '0.18.5'), 'dist/index.js');
      workshop.shared.run(process.execPath, [program, workshop.tarball], { everything: true });
      return 'no finding';
    },
  },
];

const BUNDLERS: readonly Row[] = [
  {
    title: 'esbuild, ES module',
    expected: NATIVE,
    run: (workshop) => {
      esbuild(workshop, 'app.mjs', '--format=esm', '--minify', '--outfile=out/esbuild.mjs');
      return workshop.shared.node('out/esbuild.mjs');
    },
  },
  {
    title: 'esbuild, CommonJS',
    expected: NATIVE,
    run: (workshop) => {
      esbuild(workshop, 'app.cjs', '--format=cjs', '--outfile=out/esbuild.cjs');
      return workshop.shared.node('out/esbuild.cjs');
    },
  },
  {
    title: 'rolldown',
    expected: NATIVE,
    run: (workshop) => {
      const tool = join(workshop.tool('rolldown', '1.2.19'), 'dist/index.mjs');
      build(
        workshop.shared,
        'rolldown.mjs',
        `import { rolldown } from '${tool}';
         const bundle = await rolldown({ input: 'app.mjs', platform: 'node' });
         await bundle.write({ file: 'out/rolldown.mjs', codeSplitting: false });`,
      );
      return workshop.shared.node('out/rolldown.mjs');
    },
  },
  ...(['es', 'cjs'] as const).map(
    (format): Row => ({
      title: `rollup, ${format === 'es' ? 'ES module' : 'CommonJS'}`,
      remark: 'with its plugins commonjs and node-resolve',
      expected: NATIVE,
      run: (workshop) => {
        const file = `out/rollup.${format === 'es' ? 'mjs' : 'cjs'}`;
        const [tool, resolve, commonjs] = [
          join(workshop.tool('rollup', '4.68.8'), 'dist/es/rollup.js'),
          join(workshop.tool('@rollup/plugin-node-resolve', '16'), 'dist/es/index.js'),
          join(workshop.tool('@rollup/plugin-commonjs', '29'), 'dist/es/index.js'),
        ];
        build(
          workshop.shared,
          `rollup-${format}.mjs`,
          `import { rollup } from '${tool}';
           import resolve from '${resolve}';
           import commonjs from '${commonjs}';
           const bundle = await rollup({ input: 'app.mjs', plugins: [resolve({ preferBuiltins: true }), commonjs()] });
           await bundle.write({ file: '${file}', format: '${format}' });`,
        );
        return workshop.shared.node(file);
      },
    }),
  ),
  {
    title: 'webpack 5',
    expected: NATIVE,
    run: (workshop) => {
      build(
        workshop.shared,
        'webpack.cjs',
        `const webpack = require('${workshop.tool('webpack', '5.113.0')}');
         const output = { path: __dirname + '/out', filename: 'webpack.cjs' };
         webpack({ mode: 'production', target: 'node', context: __dirname, entry: './app.mjs', output }, (error, stats) => {
           if (error) throw error;
           if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString());
         });`,
      );
      return workshop.shared.node('out/webpack.cjs');
    },
  },
  {
    title: 'vite, for a server',
    expected: NATIVE,
    run: (workshop) => {
      build(
        workshop.shared,
        'vite.mjs',
        `import { build } from '${join(workshop.tool('vite', '8.3.8'), 'dist/node/index.js')}';
         await build({
           root: '.', logLevel: 'warn', configFile: false, ssr: { noExternal: true },
           build: { ssr: 'app.mjs', outDir: 'out/vite', rolldownOptions: { output: { entryFileNames: 'vite.mjs' } } },
         });`,
      );
      return workshop.shared.node('out/vite/vite.mjs');
    },
  },
  {
    title: 'bun build',
    remark: 'run by Node.js',
    expected: NATIVE,
    run: (workshop) => {
      const bun = join(workshop.tool('@oven/bun-linux-x64', '1.4.5'), 'bin/bun');
      workshop.shared.run(bun, ['build', 'app.mjs', '--target=node', '--outfile=out/bun.mjs']);
      return workshop.shared.node('out/bun.mjs');
    },
  },
  {
    title: '@vercel/nft',
    remark: "only what it traces is copied: koffi's binaries and the addon among it",
    expected: NATIVE,
    run: (workshop) => {
      const { shared } = workshop;
      build(
        shared,
        'nft.mjs',
        `import { nodeFileTrace } from '${join(workshop.tool('@vercel/nft', '1.11.5'), 'out/index.js')}';
         import { writeFileSync } from 'node:fs';
         const { fileList } = await nodeFileTrace(['app.mjs'], { base: '.' });
         writeFileSync('traced.json', JSON.stringify([...fileList]));`,
      );
      const deployment = workshop.project();
      const traced = JSON.parse(
        shared.run(process.execPath, ['-p', 'JSON.stringify(require("./traced.json"))']),
      );
      for (const path of traced as string[]) {
        mkdirSync(dirname(deployment.path(path)), { recursive: true });
        copyFileSync(shared.path(path), deployment.path(path));
      }
      return deployment.node('app.mjs');
    },
  },
  {
    title: 'single executable',
    remark: 'merged by esbuild first; koffi and kaio lie in `node_modules` beside it',
    expected: NATIVE,
    run: (workshop) => {
      const project = workshop.shared;
      esbuild(workshop, 'app.cjs', '--format=cjs', '--outfile=out/single.cjs');
      project.write(
        'single.json',
        JSON.stringify({
          main: 'out/single.cjs',
          output: 'out/single.blob',
          disableExperimentalSEAWarning: true,
        }),
      );
      project.node('--experimental-sea-config', 'single.json');
      cpSync(process.execPath, project.path('single'), { dereference: true });
      const postject = join(workshop.tool('postject', '1.0.0-alpha.6'), 'dist/cli.js');
      const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
      project.node(postject, 'single', 'NODE_SEA_BLOB', 'out/single.blob', '--sentinel-fuse', fuse);
      return project.run(project.path('single'), []);
    },
  },
];

export const formats: Group = { title: 'Formats', rows: FORMATS };
export const bundlers: Group = { title: 'Bundlers and deployers', rows: BUNDLERS };
