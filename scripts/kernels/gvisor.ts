/**
 * gVisor, another implementation of the interface, as Debian packages it: what the automatic choice makes of it, the emulation in it, and
 * the conformance suite on its own AIO, judged by what it is known to do otherwise (`gvisor.json`, each with its source). Whatever fails
 * beside that, and whatever no longer does, is an error.
 *
 * `npm run check:gvisor`; `--output FOLDER` keeps the reports. It takes root and Debian's apt, and some four minutes: most of them are those of
 * cases that wait there for ever.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Report } from '../../test/conformance/index.ts';
import { packageRoot } from '../package-root.ts';
import { cacheFolder, ForeignDebian, PackagesMissing, unpack } from './foreign-debian.ts';
import { knownOfGvisor } from './gvisor-expectations.ts';
import { isGood } from './judgement.ts';
import { GVISOR } from './targets.ts';

const MOST_BYTES = 1 << 26;
const root = packageRoot();

function runsc(): string {
  const home = join(cacheFolder(), 'gvisor');
  unpack(new ForeignDebian(GVISOR.suite, 'amd64').download(GVISOR.package), home);
  return join(home, 'usr/bin/runsc');
}

/** Runs kaio's command in a sandbox over this machine's files. Its standard output is a pipe: it writes to files at places of its own. */
function kaio(program: string, args: readonly string[]): { stdout: string; stderr: string; seconds: number } {
  const began = performance.now();
  const command = [process.execPath, join(root, 'dist/src/cli/cli.js'), ...args];
  const { stdout, stderr } = spawnSync(program, [...GVISOR.options, 'do', ...command], {
    encoding: 'utf8',
    maxBuffer: MOST_BYTES,
  });
  return { stdout, stderr, seconds: Math.round((performance.now() - began) / 1000) };
}

/** @returns Whether all is as it is known to be. */
function check(program: string, output: string | undefined): boolean {
  const doctor = JSON.parse(kaio(program, ['doctor', '--json']).stdout) as {
    backend: string;
    reason: string;
  };
  const { backend, reason } = doctor;
  console.log(`gVisor: chooses ${backend}: ${reason}`);
  const chooses = backend === 'emulated' && GVISOR.reason.test(reason);
  if (!chooses) console.error('gVisor: that is not what it has to choose');
  const emulated = kaio(program, ['conformance', '--backend', 'emulated', '--json']);
  const isEmulationGood = isGood('gVisor, emulated', emulated.stdout || emulated.stderr, emulated.seconds);
  const native = kaio(program, ['conformance', '--backend', 'native', '--json']);
  if (!native.stdout.startsWith('{')) throw new Error(`gVisor, native: no report\n${native.stderr}`);
  if (output !== undefined) {
    mkdirSync(join(output, 'gvisor'), { recursive: true });
    writeFileSync(join(output, 'gvisor', 'native.json'), native.stdout);
    writeFileSync(join(output, 'gvisor', 'emulated.json'), emulated.stdout);
    writeFileSync(join(output, 'gvisor', 'doctor.json'), JSON.stringify(doctor));
  }
  const { report, met, stale } = knownOfGvisor().judgeAll(JSON.parse(native.stdout) as Report);
  console.log(`gVisor, native: ${met} cases end as they are known to, ${stale} do not`);
  return isGood('gVisor, native', JSON.stringify(report), native.seconds) && isEmulationGood && chooses;
}

function main(): void {
  const { values } = parseArgs({
    options: { 'may-be-missing': { type: 'boolean', default: false }, output: { type: 'string' } },
  });
  try {
    if (!check(runsc(), values.output)) process.exitCode = 1;
  } catch (error) {
    if (!(values['may-be-missing'] && error instanceof PackagesMissing)) throw error;
    console.log(`gVisor: skipped: ${error.message}`);
  }
}

main();
