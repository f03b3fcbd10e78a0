/** Compiles the C program of each rule without a warning, and runs it on the kernel of this machine: some 20 seconds. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { C_RULES, cProgram } from '../../test/conformance/c-programs.ts';

const FLAGS = ['-std=gnu11', '-Wall', '-Wextra', '-Wpedantic', '-Werror'];
const TIMEOUT_MS = 20_000;

const chosen = process.argv.length > 2 ? process.argv.slice(2) : C_RULES;
const home = mkdtempSync(join(tmpdir(), 'kaio-c-'));
try {
  for (const rule of chosen) {
    const source = cProgram(rule);
    if (source === undefined) throw new Error(`there is no program for '${rule}'`);
    const [path, program] = [join(home, `${rule}.c`), join(home, rule)];
    writeFileSync(path, source);
    execFileSync(process.env.CC ?? 'cc', [...FLAGS, '-o', program, path], { stdio: 'inherit' });
    const { status, stdout, stderr } = spawnSync(program, [], { encoding: 'utf8', timeout: TIMEOUT_MS });
    if (status === 0 && stdout.startsWith('ok: ')) continue;
    console.error(`${rule} ended with ${status}:\n${stdout}${stderr}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
console.log(
  `C programs: ${chosen.length} rules compiled and asked${process.exitCode === undefined ? ', all as the suite has it' : ''}`,
);
