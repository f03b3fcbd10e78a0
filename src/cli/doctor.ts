/** `kaio doctor` among the other commands. */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { doctor } from '../command/doctor.ts';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('tell which kernel would be used and why, and what works here')
    .option('--json', 'print one JSON object')
    .option('--directory <dir>', 'whose direct I/O to tell: a file is made there, and removed', tmpdir())
    .action(doctor);
}
