/** 32 writers, each of whom writes and syncs: with kaio, and with fs.promises doing the same. */
import { constants, mkdtempSync, rmSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { open } from 'kaio';
import { Tickets } from './tickets.ts';

const { values } = parseArgs({
  options: {
    writers: { type: 'string', default: '32' },
    tickets: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '5' },
    // Not tmpdir(), which may be in memory, where a sync costs nothing.
    directory: { type: 'string', default: '.' },
    direct: { type: 'boolean', default: false },
  },
});
const [writers, tickets, rounds] = [values.writers, values.tickets, values.rounds].map(Number) as [
  number,
  number,
  number,
];
if (![writers, tickets, rounds].every((count) => Number.isInteger(count) && count > 0))
  throw new RangeError('writers, tickets and rounds are whole numbers above 0');

/** @returns Tickets given out in a second. */
async function measure(store: Tickets): Promise<number> {
  const began = performance.now();
  const writer = async (counter: number): Promise<void> => {
    for (let given = 0; given < tickets; given++) await store.next(counter);
  };
  await Promise.all(Array.from({ length: writers }, (_, counter) => writer(counter)));
  return Math.round((writers * tickets * 1000) / (performance.now() - began));
}

const directory = mkdtempSync(join(values.directory, 'kaio-tickets-'));
try {
  const { direct } = values;
  await using file = await open(join(directory, 'kaio'), 'w+', 0o666, { direct: direct ? 'require' : false });
  const flags = constants.O_RDWR | constants.O_CREAT | (direct ? constants.O_DIRECT : 0);
  const handle = await openHandle(join(directory, 'fs'), flags);
  const ours = await Tickets.open(file, writers);
  const theirs = await Tickets.open(handle, writers);
  console.log(
    `${writers} writers, ${tickets} times a write and a datasync each, ${direct ? 'direct' : 'buffered'}`,
  );
  for (let round = 1; round <= rounds; round++) {
    const [kaio, node] = [await measure(ours), await measure(theirs)];
    console.log(
      `round ${round}: kaio ${kaio} a second, fs.promises ${node} a second: ${(kaio / node).toFixed(1)}`,
    );
  }
  console.log('by the thread pool, of kaio:', file.context.stats.threadPool);
  await handle.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
