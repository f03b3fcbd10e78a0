/** Opening a file, reading it and closing it, over and over: what each engine opens with. */
import * as fs from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from '../../src/index.ts';
import { FILES_KEPT_OPEN, type NodeEngine } from '../job.ts';
import type { Session, Work } from './engine.ts';
import { openFlags } from './flags.ts';
import { runLanes } from './lanes.ts';

/** What is asked of a file, whoever opened it. */
interface Opened {
  read(block: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

type Opener = (path: string) => Promise<Opened>;

function kaioOpener(backend: 'native' | 'emulated', { mode }: Work): Opener {
  const direct = mode === 'direct' ? 'require' : false;
  return (path) => open(path, 'r', 0o666, { backend, direct });
}

/** The three calls with their callbacks. */
function readByCallbacks(path: string, flags: number, block: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, (refused, fd) => {
      if (refused !== null) reject(refused);
      else
        fs.read(fd, block, 0, block.length, 0, (failed, bytes) => {
          fs.close(fd, (wrong) => {
            const error = failed ?? wrong;
            if (error) reject(error);
            else resolve(bytes);
          });
        });
    });
  });
}

function readBySync(path: string, flags: number, block: Buffer): number {
  const fd = fs.openSync(path, flags);
  try {
    return fs.readSync(fd, block, 0, block.length, 0);
  } finally {
    fs.closeSync(fd);
  }
}

async function readByOpener(opener: Opener, path: string, block: Buffer): Promise<number> {
  const file = await opener(path);
  try {
    return (await file.read(block, 0, block.length, 0)).bytesRead;
  } finally {
    await file.close();
  }
}

/** @throws Error for an engine that opens no files. */
export async function openSmallFiles(engine: NodeEngine, work: Work): Promise<Session> {
  const { blockSize, blocks, path, rw } = work;
  const flags = openFlags(work);
  const pathOf = (position: number): string => join(path, String(position / blockSize));
  const opener = openerOf(engine, work);
  const kept: Opened[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(kept.map((file) => file.close()));
  };
  if (rw === 'open.kept') {
    const files = fs.readdirSync(path).length;
    try {
      while (kept.length < FILES_KEPT_OPEN) kept.push(await opener(join(path, String(kept.length % files))));
    } catch (error) {
      await close();
      throw error;
    }
  }
  const read =
    engine === 'fs.callbacks'
      ? (block: Buffer, position: number) => readByCallbacks(pathOf(position), flags, block)
      : engine === 'fs.sync'
        ? async (block: Buffer, position: number) => readBySync(pathOf(position), flags, block)
        : (block: Buffer, position: number) => readByOpener(opener, pathOf(position), block);
  return { run: (phase) => runLanes(phase, blocks, read, (count) => count), close };
}

function openerOf(engine: NodeEngine, work: Work): Opener {
  switch (engine) {
    case 'file':
      return kaioOpener('native', work);
    case 'emulation.file':
      return kaioOpener('emulated', work);
    case 'fs.promises':
    case 'fs.callbacks':
    case 'fs.sync':
      return (path) => openHandle(path, openFlags(work));
    default:
      throw new Error(`${engine} opens no files`);
  }
}
