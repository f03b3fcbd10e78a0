/** The three sides that programs run on. */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from '../index.ts';
import type { Side } from './machine.ts';
import { Places } from './places.ts';
import { SIDES, type SideName } from './program.ts';

/** @param small - A directory where there is little room, or undefined. */
export function openSides(directory: string, small: string | undefined): Side[] {
  return SIDES.map((name) => {
    const own = join(directory, name);
    mkdirSync(own);
    const ownSmall = small === undefined ? own : join(small, name);
    if (small !== undefined) mkdirSync(ownSmall);
    return { name, open: opener(name), places: new Places(own, ownSmall) };
  });
}

function opener(name: SideName): Side['open'] {
  if (name === 'FileHandle') return openHandle;
  return (path, flags, mode) =>
    open(path, flags, mode, { backend: name }) as Promise<unknown> as Promise<FileHandle>;
}
