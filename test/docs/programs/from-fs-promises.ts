import * as node from 'node:fs/promises';
import * as kaio from 'kaio';

async function wordCount(open: typeof node.open): Promise<number> {
  const file = await open('text.txt', 'w+');
  try {
    await file.writeFile('the quick brown fox\njumps over\nthe lazy dog\n');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.toString('utf8', 0, bytesRead).split(/\s+/).filter(Boolean).length;
  } finally {
    await file.close();
  }
}

console.log(await wordCount(node.open), await wordCount(kaio.open));

await using file = await kaio.open('text.txt');
const handle = await node.open('text.txt');
console.log(file instanceof Object.getPrototypeOf(handle).constructor);
await handle.close();
for await (const line of file.readLines()) console.log(line);
