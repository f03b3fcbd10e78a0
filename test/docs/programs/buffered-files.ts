import { open } from 'kaio';

const LINES = 1000;

await using file = await open('lines.txt', 'w+');
await file.writeFile(Array.from({ length: LINES }, (_, line) => `line ${String(line).padStart(3, '0')}\n`));

// All of it has just been written, and so is in the page cache. Eight readers, each with a read under way at any time.
let next = 0;
let right = 0;
async function reader(): Promise<void> {
  for (let line = next++; line < LINES; line = next++) {
    const { buffer } = await file.read(Buffer.alloc(9), { position: line * 9 });
    if (String(buffer) === `line ${String(line).padStart(3, '0')}\n`) right++;
  }
}
await Promise.all(Array.from({ length: 8 }, reader));

const { submitted, batches } = file.context.stats;
console.log(`${right} reads are right`);
console.log(file.backend, { submitted, batches });
