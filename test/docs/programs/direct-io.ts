import { alignedBuffer, open } from 'kaio';

const PAGE_BYTES = 4096;
const PAGES = 64;

await using file = await open('pages.bin', 'w+', 0o666, { direct: 'prefer', unaligned: 'copy' });

// One aligned buffer for all pages: a part of it that begins at a page is aligned as well.
const content = alignedBuffer(PAGES * PAGE_BYTES);
for (let page = 0; page < PAGES; page++) content.fill(page, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
await file.writeFully(content, { position: 0 });

const reads = Array.from({ length: PAGES }, async (_, page) => {
  const buffer = alignedBuffer(PAGE_BYTES);
  const { bytesRead } = await file.read(buffer, { position: page * PAGE_BYTES });
  return bytesRead === PAGE_BYTES && buffer[0] === page && buffer[PAGE_BYTES - 1] === page;
});
const right = (await Promise.all(reads)).filter(Boolean).length;
console.log(`${right} pages are right`);

// Across the border of two pages: neither the place nor the length is a multiple of anything.
const { buffer } = await file.read(Buffer.alloc(6), { position: 2 * PAGE_BYTES - 3 });
console.log([...buffer]);
