import { readFile } from 'node:fs/promises';
import { open, replaceFile } from 'kaio';

const RECORD_BYTES = 512;

await using log = await open('commits.log', 'w+');
// The file is new: its name is durable when the folder has been synced.
await using folder = await open('.');
await folder.sync();

async function commit(number: number): Promise<number> {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeUInt32LE(number);
  await log.writeFully(record, { position: number * RECORD_BYTES, dsync: true });
  return number;
}

// 100 commits at once: each resolves when it is durable, and they share their syncs.
const acknowledged = await Promise.all(Array.from({ length: 100 }, (_, number) => commit(number)));
console.log(`${acknowledged.length} commits, ${(await log.stat()).size} bytes`);

await replaceFile('settings.json', JSON.stringify({ lastCommit: acknowledged.at(-1) }));
console.log(await readFile('settings.json', 'utf8'));
