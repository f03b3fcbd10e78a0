/**
 * The conformance suite, the doctor and the file layer on machines with kernels of their own: other releases, other sizes of pages, other
 * processors, with the real `io_submit` of each.
 *
 * `npm run check:machines`, or with the names of some (`-- arm64-16k`), or with `--may-be-missing` to pass over what has packages
 * that cannot be had; with `--native` without the emulation, where there is more than that. `--output FOLDER` keeps what each machine answered. They are emulated from the first instruction on: five to twelve minutes
 * each on an idle machine of two cores, and downloads of some 150 MB at the first time.
 *
 * It takes root and Debian's apt.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type FileLayer, wrongIn } from './file-layer.ts';
import { cacheFolder, ForeignDebian, PackagesMissing, unpack } from './foreign-debian.ts';
import { makeDisk } from './guest.ts';
import { isGood } from './judgement.ts';
import { MACHINES, type Machine, named } from './targets.ts';
import { run } from './virtual-machine.ts';

const DISK_MIB = 1536;
/** Of each case; these machines are some twenty times slower than the one that they run on. */
const CASE_SECONDS = 120;
const SECONDS = 1800;

interface Asked {
  /** Where answers are kept. */
  readonly output: string | undefined;
  readonly nativeOnly: boolean;
}

function read(folder: string, name: string): string {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

/** What a machine answered, said and judged. */
function judge(machine: Machine, answers: string, backends: readonly string[]): boolean {
  const where = `${machine.name} (${machine.what})`;
  let areGood = true;
  const expect = (holds: boolean, otherwise: string): void => {
    if (!holds) console.error(`${where}: ${otherwise}`);
    areGood &&= holds;
  };
  const { backend, reason } = JSON.parse(read(answers, 'doctor.json') || '{}') as {
    backend?: string;
    reason?: string;
  };
  const { chooses } = machine;
  expect(
    backend === chooses.backend && chooses.reason.test(reason ?? ''),
    `chooses ${backend}: ${reason}; ${read(answers, 'doctor.err')}`,
  );
  const layer = read(answers, 'file-layer.json');
  expect(layer.startsWith('{'), `the file layer: ${read(answers, 'file-layer.err')}`);
  if (layer.startsWith('{'))
    for (const wrong of wrongIn(JSON.parse(layer) as FileLayer)) expect(false, wrong);
  console.log(`${where}: up in ${read(answers, 'up')} s; chooses ${backend}: ${reason}`);
  for (const one of backends) {
    const report = read(answers, `${one}.json`);
    const text = report === '' ? read(answers, `${one}.err`) : report;
    areGood = isGood(`${where}, ${one}`, text, Number(read(answers, `${one}.seconds`))) && areGood;
  }
  return areGood;
}

async function check(machine: Machine, { output, nativeOnly }: Asked): Promise<boolean> {
  const { name, architecture, suite, koffi, chooses } = machine;
  const root = join(cacheFolder(), `root-${suite}-${architecture}`);
  unpack(new ForeignDebian(suite, architecture).download('nodejs', 'busybox-static'), root);
  const folder = mkdtempSync(join(tmpdir(), `kaio-${name}-`));
  try {
    const disk = join(folder, 'disk');
    const backends =
      chooses.backend === 'native' ? ['native', ...(nativeOnly ? [] : ['emulated'])] : ['emulated'];
    makeDisk(disk, root, join(cacheFolder(), `staging-${name}`), {
      koffi,
      backends,
      deadlineSeconds: CASE_SECONDS,
      mebibytes: DISK_MIB,
    });
    const answers = await run(machine, {
      disk,
      folder,
      busybox: join(root, 'usr/bin/busybox'),
      seconds: SECONDS,
    });
    if (output !== undefined) cpSync(answers, join(output, name), { recursive: true });
    return judge(machine, answers, backends);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkOrSkip(machine: Machine, asked: Asked): Promise<boolean> {
  try {
    return await check(machine, asked);
  } catch (error) {
    if (!(error instanceof PackagesMissing)) throw error;
    console.log(`${machine.name}: skipped: ${error.message}`);
    return true;
  }
}

const { values, positionals } = parseArgs({
  options: {
    'may-be-missing': { type: 'boolean', default: false },
    native: { type: 'boolean', default: false },
    output: { type: 'string' },
  },
  allowPositionals: true,
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
if (values.output !== undefined) mkdirSync(values.output, { recursive: true });
for (const machine of named(MACHINES, positionals)) {
  const asked: Asked = { output: values.output, nativeOnly: values.native };
  const good = await (values['may-be-missing'] ? checkOrSkip : check)(machine, asked);
  if (!good) process.exitCode = 1;
}
