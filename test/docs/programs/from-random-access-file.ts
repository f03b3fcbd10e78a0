import Hypercore from 'hypercore';
import { RandomAccessFile } from 'kaio/random-access';

const storage = (name: string): RandomAccessFile => new RandomAccessFile(name, { directory: 'core' });

const core = new Hypercore(storage, { valueEncoding: 'utf-8' });
await core.append(['hello', 'world']);
await core.close();

const again = new Hypercore(storage, { valueEncoding: 'utf-8' });
await again.ready();
console.log(again.length, await again.get(0), await again.get(1));
await again.close();

// The same without hypercore: bytes at any place, by callbacks.
const file = new RandomAccessFile('bytes.bin', { truncate: true });
file.write(100, Buffer.from('kaio'), () => {
  file.read(100, 4, (error, bytes) => {
    console.log(error, String(bytes));
    file.unlink();
  });
});
