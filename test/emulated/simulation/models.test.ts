import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../scripts/package-root.ts';
import {
  everyCrash,
  MODELS,
  type ModelName,
  type Simulation,
  simulate,
} from '../../../src/emulated/index.ts';
import { openOn, read, sync, write } from './simulated.ts';

const SEEDS = 80;
const PAGE = 4096;

/** What is found after crashes of many seeds: each of them once, sorted. */
async function found(
  model: ModelName,
  program: (simulation: Simulation) => Promise<unknown>,
  look: (after: Simulation) => Promise<unknown>,
  seeds = SEEDS,
): Promise<string[]> {
  const seen = new Set<string>();
  for (let seed = 0; seed < seeds; seed++) {
    const simulation = simulate({ seed, model, kernel: { debug: true } });
    await program(simulation);
    seen.add(String(await look(simulation.crash())));
  }
  return [...seen].sort();
}

const contents =
  (...paths: string[]) =>
  async (after: Simulation): Promise<string> => {
    const all = await Promise.all(paths.map((path) => read(after, path)));
    return all
      .map((content) => (content === undefined ? 'none' : content === '' ? 'empty' : content))
      .join(', ');
  };

async function durable(simulation: Simulation, path: string, content: string): Promise<void> {
  await write(simulation, path, content);
  await sync(simulation, path);
}

async function replaceByRename(simulation: Simulation): Promise<void> {
  await durable(simulation, '/file', 'old');
  await write(simulation, '/temporary', 'new');
  await simulation.fs.promises.rename('/temporary', '/file');
}

async function replaceByTruncate(simulation: Simulation): Promise<void> {
  await durable(simulation, '/file', 'old');
  await write(simulation, '/file', 'new');
}

/** What each rule means, by its name. */
const TESTS: Record<string, (model: ModelName) => Promise<void>> = {
  async 'nothing-but-syncs'(model) {
    const names = async (after: Simulation): Promise<string> => (await after.fs.promises.readdir('/')).join();
    const program = async (simulation: Simulation): Promise<void> => {
      await write(simulation, '/one', '');
      await write(simulation, '/two', '');
      await simulation.sleep(3_600_000);
    };
    expect(await found(model, program, names)).toEqual(['', 'one', 'one,two', 'two']);
  },

  async 'metadata-in-order'(model) {
    const program = async (simulation: Simulation): Promise<void> => {
      for (const name of ['/a', '/b', '/c']) await write(simulation, name, '');
      await simulation.fs.promises.rename('/a', '/d');
      await using file = await openOn(simulation, '/d', 'r+');
      await file.chmod(0o600);
      await file.truncate(100);
      await simulation.fs.promises.unlink('/c');
    };
    const look = async (after: Simulation): Promise<string> => {
      const names = await after.fs.promises.readdir('/');
      if (!names.includes('d')) return names.join();
      const { mode, size } = await after.fs.promises.stat('/d');
      return `${names.join()} ${(mode & 0o777).toString(8)} ${size}`;
    };
    expect(await found(model, program, look, 400)).toEqual(
      ['', 'a', 'a,b', 'a,b,c', 'b,c,d 644 0', 'b,c,d 600 0', 'b,c,d 600 100', 'b,d 600 100'].sort(),
    );
  },

  async 'sync-commits-all'(model) {
    const program = async (simulation: Simulation): Promise<void> => {
      await write(simulation, '/one', '');
      await simulation.fs.promises.rename('/one', '/two');
      await write(simulation, '/other', 'x');
      await sync(simulation, '/other', 'datasync');
      await write(simulation, '/late', '');
    };
    const names = async (after: Simulation): Promise<string> => (await after.fs.promises.readdir('/')).join();
    expect(await found(model, program, names)).toEqual(['late,other,two', 'other,two']);
    // One that has changed nothing but bytes that were there has no need of the journal.
    const overwrites = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'xxx');
      await write(simulation, '/one', '');
      await write(simulation, '/file', 'yyy', 'r+');
      await sync(simulation, '/file', 'datasync');
    };
    expect(await found(model, overwrites, names)).toEqual(['file', 'file,one']);
    expect(await found(model, overwrites, contents('/file'))).toEqual(['yyy']);
  },

  async 'commit-interval'(model) {
    const ms = MODELS[model].commitMs!;
    for (const [waits, all] of [
      [ms - 1000, ['', '/one']],
      [ms + 100, ['/one']],
    ] as const) {
      const program = async (simulation: Simulation): Promise<void> => {
        await write(simulation, '/one', '');
        await simulation.sleep(waits);
      };
      const look = async (after: Simulation): Promise<string> =>
        (await after.fs.promises.readdir('/')).map((name) => `/${name}`).join();
      expect(await found(model, program, look)).toEqual(all);
    }
  },

  async 'data-before-metadata'(model) {
    const program = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'x');
      await write(simulation, '/file', 'y'.repeat(3 * PAGE), 'a');
      await write(simulation, '/file', 'z', 'a');
      await simulation.sleep(6000);
    };
    const look = async (after: Simulation): Promise<string> => {
      const content = (await read(after, '/file'))!;
      expect(content).toMatch(/^xy*z?$/);
      return String(content.length);
    };
    expect(await found(model, program, look)).toEqual(
      [1, PAGE, 2 * PAGE, 3 * PAGE, 3 * PAGE + 2].map(String).sort(),
    );
  },

  async 'delayed-allocation'(model) {
    const program = async (simulation: Simulation): Promise<void> => {
      await write(simulation, '/file', 'content');
      await simulation.sleep(20_000);
    };
    expect(await found(model, program, contents('/file'))).toEqual(['content', 'empty']);
  },

  async 'replace-by-rename'(model) {
    expect(await found(model, replaceByRename, contents('/file'))).toEqual(['new', 'old']);
    // Where there was no file, nothing is replaced.
    const fresh = async (simulation: Simulation): Promise<void> => {
      await write(simulation, '/temporary', 'new');
      await simulation.fs.promises.rename('/temporary', '/file');
    };
    expect(await found(model, fresh, contents('/file'))).toEqual(['empty', 'new', 'none']);
  },

  async 'rename-carries-nothing'(model) {
    expect(await found(model, replaceByRename, contents('/file'))).toEqual(
      expect.arrayContaining(['empty', 'new', 'old']),
    );
  },

  async 'replace-by-truncate'(model) {
    const waits =
      (ms: number) =>
      async (simulation: Simulation): Promise<void> => {
        await replaceByTruncate(simulation);
        await simulation.sleep(ms);
      };
    // It may be found empty: the truncation has a commit of its own.
    expect(await found(model, replaceByTruncate, contents('/file'))).toEqual(['empty', 'new', 'old']);
    const { commitMs, closeAfterTruncate } = MODELS[model];
    const soon = commitMs! + (closeAfterTruncate === 'ordered' ? 100 : 2000);
    expect(await found(model, waits(soon), contents('/file'))).toEqual(['new']);
    // A file that had not been made empty takes longer.
    const fresh = async (simulation: Simulation): Promise<void> => {
      await write(simulation, '/file', 'new');
      await simulation.sleep(soon);
    };
    expect(await found(model, fresh, contents('/file'))).toEqual(['empty', 'new']);
  },

  async 'overwrites-tear'(model) {
    const program = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'x'.repeat(1024));
      await write(simulation, '/file', 'y'.repeat(1024), 'r+');
      await simulation.sleep(6000);
    };
    const [x, y] = ['x'.repeat(512), 'y'.repeat(512)];
    expect(await found(model, program, contents('/file'))).toEqual([x + x, x + y, y + x, y + y]);
  },

  async 'background-writeback'(model) {
    const ms = MODELS[model].writebackMs!;
    for (const [waits, sizes] of [
      [ms - 1000, ['0', '3']],
      [ms + 100, ['3']],
    ] as const) {
      const program = async (simulation: Simulation): Promise<void> => {
        await write(simulation, '/file', 'new');
        await simulation.sleep(waits);
      };
      const look = async (after: Simulation): Promise<number> => (await after.fs.promises.stat('/file')).size;
      expect(await found(model, program, look)).toEqual(sizes);
    }
  },

  async 'size-after-data'(model) {
    const program = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', '');
      await write(simulation, '/file', 'y'.repeat(3 * PAGE), 'r+');
    };
    const look = async (after: Simulation): Promise<string> => {
      const content = (await read(after, '/file'))!;
      const pages = content.match(/.{4096}/gs) ?? [];
      return pages
        .map((page) => (page === 'y'.repeat(PAGE) ? 'y' : page === '\0'.repeat(PAGE) ? '0' : '?'))
        .join('');
    };
    const all = await found(model, program, look);
    expect(all.every((pages) => /^([y0]*y)?$/.test(pages))).toBe(true);
    expect(all).toEqual(expect.arrayContaining(['', 'y', 'yyy', '0y']));
  },

  async 'no-directory-sync'(model) {
    const simulation = simulate({ seed: 1, model });
    await expect(sync(simulation, '/')).rejects.toMatchObject({ code: 'EPERM' });
    await durable(simulation, '/file', 'x');
    expect(await read(simulation.crash(), '/file')).toBe('x');
  },
};

describe.each(Object.values(MODELS))('the model $name', ({ name, rules, metadata, appends }) => {
  it.each(rules)('$name: $says', async (rule) => {
    await TESTS[rule.name]!(name);
    expect(rule.source.length).toBeGreaterThan(10);
  });

  it('keeps what was synced, whatever else is lost, also after an O_DSYNC', async () => {
    const program = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'one');
      await write(simulation, '/file', 'two', 'a');
      await sync(simulation, '/file', 'datasync');
      if (fs.constants.O_DSYNC === undefined) return;
      const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_DSYNC;
      await using file = await openOn(simulation, '/synced', flags);
      await file.write(Buffer.from('content'), 0, 7, 0);
    };
    expect(await found(name, program, contents('/file'))).toEqual(['onetwo']);
    if (fs.constants.O_DSYNC !== undefined)
      expect(await found(name, program, contents('/synced'))).toEqual(['content']);
  });

  it.runIf(appends !== 'apart')('finds no file longer without the names that came before', async () => {
    const program = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'x');
      await write(simulation, '/name', '');
      await write(simulation, '/file', 'y', 'a');
    };
    expect(await found(name, program, contents('/name', '/file'))).toEqual([
      'empty, x',
      'empty, xy',
      'none, x',
    ]);
  });

  it('lets a write that was cut off not come back', async () => {
    const program = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'old');
      await using file = await openOn(simulation, '/file', 'r+');
      await file.write('0123456789', 0);
      await file.truncate(4);
      await file.datasync();
    };
    expect(await found(name, program, contents('/file'))).toEqual(['0123']);
    if (metadata === 'apart') return;
    // By another file's sync, which covers the truncation and not the write.
    const other = async (simulation: Simulation): Promise<void> => {
      await durable(simulation, '/file', 'old');
      await using file = await openOn(simulation, '/file', 'r+');
      await file.write('0123456789', 0);
      await file.truncate(0);
      await durable(simulation, '/other', 'x');
    };
    expect(await found(name, other, contents('/file'))).toEqual(['empty']);
  });
});

describe('programs on the models', () => {
  const survives = async (model: ModelName, program: (simulation: Simulation) => Promise<void>) => {
    const simulation = simulate({ seed: 5, model });
    await durable(simulation, '/file', 'old');
    let failure: unknown;
    await everyCrash(
      simulation,
      () => program(simulation),
      async (after) => {
        const content = await read(after, '/file');
        if (content !== 'old' && content !== 'new') throw new Error(`it is ${content}`);
      },
      { outcomes: 12 },
    ).catch((error: unknown) => {
      failure = error;
    });
    return failure === undefined;
  };
  const rename = async (simulation: Simulation): Promise<void> => {
    await write(simulation, '/temporary', 'new');
    await simulation.fs.promises.rename('/temporary', '/file');
  };
  const synced = async (simulation: Simulation): Promise<void> => {
    await durable(simulation, '/temporary', 'new');
    await simulation.fs.promises.rename('/temporary', '/file');
  };

  it('temporary file and rename without a sync: sound on ext4 only', async () => {
    const sound = [];
    for (const model of Object.keys(MODELS) as ModelName[])
      if (await survives(model, rename)) sound.push(model);
    expect(sound).toEqual(['ext4-ordered']);
  });

  it('the same with a sync of the file: sound everywhere', async () => {
    for (const model of Object.keys(MODELS) as ModelName[]) expect(await survives(model, synced)).toBe(true);
  });

  it('to write over a file, or to make it empty first: sound nowhere', async () => {
    for (const model of Object.keys(MODELS) as ModelName[])
      expect(await survives(model, (simulation) => write(simulation, '/file', 'new'))).toBe(false);
  });

  it('have their rules in docs/crash-models.md, as they are', () => {
    const page = fs.readFileSync(join(packageRoot(), 'docs/crash-models.md'), 'utf8');
    for (const { name, rules } of Object.values(MODELS)) {
      const section = page.split(`\n### ${name}\n`)[1]?.split('\n#')[0];
      const rows = (section ?? '').split('\n').filter((line) => line.startsWith('| `'));
      expect(rows).toEqual(rules.map((rule) => `| \`${rule.name}\` | ${rule.says} | ${rule.source} |`));
    }
  });

  it('refuses what it does not know', () => {
    for (const options of [{ model: 'ext3' }, { model: 'toString' }, { model: 'xfs', strictNames: true }]) {
      expect(() => simulate({ seed: 1, ...options } as never)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
      );
    }
  });
});
