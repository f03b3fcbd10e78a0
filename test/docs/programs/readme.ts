import { alignedBuffer, open } from 'kaio';

await using file = await open('data.bin', 'w+', 0o666, { direct: 'prefer' });
await file.writeFully(alignedBuffer(64 * 4096).fill('x'), { position: 0, dsync: true });

// 64 reads in one system call, on the real kernel where there is one.
const blocks = Array.from({ length: 64 }, () => alignedBuffer(4096));
const reads = await Promise.all(blocks.map((block, index) => file.read(block, { position: index * 4096 })));
const bytes = reads.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
console.log(bytes, file.backend, file.direct);
