import { AioContext, open, selectKernel } from 'kaio';

const { kernel, backend, reason } = selectKernel();
console.log(`kernel AIO: ${backend} (${reason})`);

console.log(`in use: ${kernel.limits.aio_nr()} of ${kernel.limits.aio_max_nr()}`);

// Files take what they need of it by themselves. A queue of your own may find no room: say what it takes.
try {
  await using context = new AioContext({ kernel, queueDepth: 1024 });
  console.log(`room for ${context.queueDepth} requests`);
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  console.log(`no room: ${(error as Error).message}`);
}

await using file = await open('/etc/hostname');
console.log(file.backend === backend);
