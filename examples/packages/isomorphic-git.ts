/** isomorphic-git: each step is a commit of a new file. */
import git from 'isomorphic-git';
import type { Subject } from './subject.ts';

const DIR = '/repository';
const CONTENT_BYTES = 3000;

const contentOf = (number: number): string => `${number} `.padEnd(CONTENT_BYTES, `${number}`);

export const isomorphicGit: Subject = {
  name: 'isomorphic-git',
  promise: 'none is made',
  begin: (fs) => git.init({ fs, dir: DIR, defaultBranch: 'main' }),
  async step(fs, number) {
    const filepath = `file${number}`;
    await fs.promises.writeFile(`${DIR}/${filepath}`, contentOf(number));
    await git.add({ fs, dir: DIR, filepath });
    // The time is the step's, or the host's clock would be in the history.
    const author = { name: 'a', email: 'a@example.org', timestamp: number, timezoneOffset: 0 };
    await git.commit({ fs, dir: DIR, message: `step ${number}`, author });
  },
  async find(fs) {
    const log = await git.log({ fs, dir: DIR, ref: 'main' });
    const newest = log.length;
    for (const [index, { oid, commit }] of log.entries()) {
      const number = newest - index;
      if (commit.message !== `step ${number}\n`)
        throw new Error(`${commit.message} where step ${number} should be`);
      // Every object is read: its name is the digest of its content, which isomorphic-git compares.
      for (let file = 1; file <= number; file++) {
        const { blob } = await git.readBlob({ fs, dir: DIR, oid, filepath: `file${file}` });
        if (Buffer.from(blob).toString() !== contentOf(file))
          throw new Error(`file${file} has another content`);
      }
    }
    return newest;
  },
};
