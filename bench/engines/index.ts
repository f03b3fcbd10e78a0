/** Engines by name. */
import type { NodeEngine } from '../job.ts';
import { openCalls } from './calls.ts';
import { openContext } from './context.ts';
import type { OpenEngine } from './engine.ts';
import { openFile } from './file.ts';
import { openFsCallbacks, openFsPromises, openFsSync } from './node-fs.ts';

export const OPEN_ENGINE: Readonly<Record<NodeEngine, OpenEngine>> = {
  calls: openCalls,
  context: (work) => openContext('native', work),
  'context.threads': (work) => openContext('native', work, { submitThreads: 4 }),
  file: (work) => openFile('native', work),
  emulation: (work) => openContext('emulated', work),
  'emulation.descriptor': (work) => openContext('emulated', work, { carrier: 'descriptor' }),
  'emulation.handle': (work) => openContext('emulated', work, { carrier: 'FileHandle' }),
  'emulation.file': (work) => openFile('emulated', work),
  'fs.promises': openFsPromises,
  'fs.callbacks': openFsCallbacks,
  'fs.sync': openFsSync,
};
