/** `kaio conformance`: what this machine's kernel, or the emulation, does. */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { type CaseReport, runConformance } from '../../test/conformance/index.ts';
import { askAbiOracle, loadAddon } from '../native/index.ts';
import { selectKernel } from '../select.ts';
import { backendOption, type WithBackend } from './options.ts';

interface ConformanceOptions extends WithBackend {
  readonly json?: boolean;
  readonly rule?: string;
  readonly directory: string;
}

const NOT_CONFORMANT = 1;
const ENVIRONMENT_BROKEN = 2;

function print({ outcome, id, rule, title, detail }: CaseReport): void {
  if (outcome !== 'passed')
    console.log(`${outcome.padEnd(11)} ${id} (${rule}) ${title}\n            ${detail}`);
}

/** The tables against the C compiler's view of this very machine, where the addon brings it. */
function abi(): { compared: number; differences: readonly string[] } | undefined {
  const { addon } = loadAddon();
  if (addon === undefined) return undefined;
  const { compared, differences } = askAbiOracle(addon);
  const lines = differences.map(({ title, expected, actual }) => `${title}: ${expected}, not ${actual}`);
  return { compared, differences: lines };
}

async function conformance({
  json = false,
  rule,
  directory,
  ...preference
}: ConformanceOptions): Promise<void> {
  const { kernel } = selectKernel(preference);
  const report = await runConformance({
    kernel,
    directory,
    ...(rule === undefined ? {} : { rule }),
    ...(json ? {} : { onCase: print }),
  });
  if (report.cases.length === 0) throw new Error(`no case has the rule '${rule}'`);
  const { backend, passed, failed, unsupported, broken } = report;
  const oracle = abi();
  if (json) console.log(JSON.stringify({ ...report, abi: oracle }, undefined, 2));
  else {
    for (const line of oracle?.differences ?? []) console.log(`failed      abi ${line}`);
    if (oracle !== undefined)
      console.log(`abi: ${oracle.compared} values compared, ${oracle.differences.length} differ`);
    console.log(
      `${backend}, ${report.kernel}: ${passed} passed, ${failed} failed, ${unsupported} unsupported here, ${broken} broken`,
    );
  }
  if (failed > 0 || (oracle?.differences.length ?? 0) > 0) process.exitCode = NOT_CONFORMANT;
  else if (broken > 0) process.exitCode = ENVIRONMENT_BROKEN;
}

export function addConformance(program: Command): void {
  program
    .command('conformance')
    .description(
      'run the conformance suite; exit code 1: not conformant, 2: the environment stands in the way',
    )
    .addOption(backendOption())
    .option('--json', 'print one JSON object')
    .option('--rule <id>', 'only the cases of one rule, such as SETUP-03')
    .option('--directory <dir>', 'where to make files', tmpdir())
    .action(conformance);
}
