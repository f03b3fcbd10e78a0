/** koffi's binaries, which npm installs for the machine that it runs on, for others. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { cacheFolder } from './foreign-debian.ts';

const { koffi } = (
  JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    devDependencies: { koffi: string };
  }
).devDependencies;

/** koffi's binary for another processor. @returns The folder that has it in `node_modules`. */
export function foreignKoffi(cpu: string): string {
  const folder = join(cacheFolder(), `koffi-${cpu}`);
  if (!existsSync(join(folder, 'node_modules', '@koromix'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    execFileSync(
      'npm',
      ['install', '--no-audit', '--no-fund', `--cpu=${cpu}`, '--os=linux', '--libc=glibc', `koffi@${koffi}`],
      { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
    );
  }
  return folder;
}
