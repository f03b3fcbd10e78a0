import { parquetReadObjects } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer/src/node.js';
import { asyncBufferFromFile } from 'kaio/parquet';

const id = Array.from({ length: 10_000 }, (_, row) => row);
parquetWriteFile({
  filename: 'rows.parquet',
  columnData: [{ name: 'id', data: id, type: 'INT32' }],
  rowGroupSize: 1000,
});

await using file = await asyncBufferFromFile('rows.parquet', { direct: 'prefer' });
const rows = await parquetReadObjects({ file, rowStart: 4500, rowEnd: 4502 });
console.log(rows);
