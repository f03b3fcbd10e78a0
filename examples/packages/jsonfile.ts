/** jsonfile: each step writes a document over the one before. */
import jsonfile from 'jsonfile';
import type { Subject } from './subject.ts';

const PATH = '/store.json';
const ENTRIES = 300;

interface Store {
  readonly step: number;
  readonly entries: readonly number[];
}

export const jsonFile: Subject = {
  name: 'jsonfile',
  promise: 'none is made',
  begin: async () => {},
  step: (fs, step) =>
    jsonfile.writeFile(PATH, { step, entries: Array.from({ length: ENTRIES }, () => step) }, { fs }),
  async find(fs) {
    const { step, entries } = (await jsonfile.readFile(PATH, { fs })) as Store;
    if (entries.length !== ENTRIES || entries.some((one) => one !== step))
      throw new Error('entries of another step');
    return step;
  },
};
