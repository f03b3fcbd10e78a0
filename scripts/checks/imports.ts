/**
 * Holds the directions between rooms (`import-rules.ts`), and that nothing goes in circles: neither values, nor types, nor the addon's C.
 *
 * `npm run check:imports`; another folder than the package's own can be given.
 */
import { packageRoot } from '../package-root.ts';
import { importFaults } from './import-faults.ts';
import { readSourceTree } from './source-tree.ts';

const tree = readSourceTree(process.argv[2] ?? packageRoot());
const faults = importFaults(tree);

for (const fault of faults) console.log(fault);
console.log(`${tree.size} files: ${faults.length} imports against the rules of the rooms, or circles`);
if (faults.length > 0) process.exitCode = 1;
