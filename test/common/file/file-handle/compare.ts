/** Making each call on a FileHandle and on an AioFile of each kernel. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { open as openHandle, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from '../../../../src/open.ts';
import type { BackendPreference } from '../../../../src/select.ts';
import { type AnyFile, type Call, type Outcome, outcomeOf, prepare } from './calls.ts';

/** Opens a file, makes the call, closes. */
async function made(
  call: Call,
  directory: string,
  openFile: (path: string, flags: string) => Promise<AnyFile>,
): Promise<Outcome> {
  // A folder each: Windows lets no file be made where one was removed that is still open somewhere.
  const path = join(mkdtempSync(join(directory, 'made-')), 'subject');
  if (call.folder) mkdirSync(path);
  else prepare(call, path);
  const file = await openFile(path, call.flags ?? 'r+');
  try {
    return await outcomeOf(call, file, path);
  } finally {
    await file.close();
  }
}

export interface Comparison {
  readonly call: Call;
  readonly fileHandle: Outcome;
  readonly aioFile: Outcome;
}

/** The call on both. */
export async function compare(call: Call, backend: BackendPreference): Promise<Comparison> {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-compare-'));
  try {
    const fileHandle = await made(call, directory, openHandle);
    const aioFile = await made(
      call,
      directory,
      (path, flags) => open(path, flags, 0o666, { backend }) as unknown as Promise<AnyFile>,
    );
    return { call, fileHandle, aioFile };
  } finally {
    // A file system in user space hears of the last close later, and keeps the file by another name until then.
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  }
}
