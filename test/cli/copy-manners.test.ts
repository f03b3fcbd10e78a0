/** `kaio cp` beside cp(1), its oracle: the same arrangement twice, and what has become of it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { CLI, run } from '../support/kaio.ts';
import { type Aspect, MANNERS, type Manner } from './copy-manners.ts';

type Outcome = Partial<Record<Aspect, unknown>>;

const NOBODY = 65534;
const root = mkdtempSync(join(tmpdir(), 'kaio-manners-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Both programs as a function of the shell, so that names need not be UTF-8. */
const PROGRAMS = {
  cp: 'copy() { cp "$@"; }; copyNoGuess() { cp -T "$@"; }',
  kaio: `copy() { "${process.execPath}" "${CLI}" cp "$@"; }; copyNoGuess() { copy "$@"; }`,
} as const;
type Program = keyof typeof PROGRAMS;

/** Words of either program's messages, and the kind of error that they mean. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/are the same file/, 'same file'],
  [/dangling symlink|link to a file that does not exist/, 'link to nothing'],
  [/omitting directory|overwrite directory|but a directory/, 'directory'],
  [/No such file|ENOENT/, 'ENOENT'],
  [/Not a directory|ENOTDIR/, 'ENOTDIR'],
  [/Permission denied|EACCES/, 'EACCES'],
  [/Operation not permitted|EPERM/, 'EPERM'],
  [/No such device or address|ENXIO/, 'ENXIO'],
  [/Text file busy|ETXTBSY/, 'ETXTBSY'],
  [/No space left|ENOSPC/, 'ENOSPC'],
  [/Too many levels|ELOOP/, 'ELOOP'],
  [/File name too long|ENAMETOOLONG/, 'ENAMETOOLONG'],
  [/Read-only file system|EROFS/, 'EROFS'],
  [/./, 'other'],
];

function shell(script: string, cwd: string, as?: number): { status: number | null; stderr: string } {
  const who = as === undefined ? {} : { uid: as, gid: as };
  const env = { ...process.env, LC_ALL: 'C' };
  // The last command of a table's line may be one that looks, not the copy: its status is kept aside.
  return run('sh', ['-c', `umask 022; ${script}`], { cwd, env, ...who });
}

function attributesOf(path: string): string[] {
  const script =
    'import os, sys; print(*[n + "=" + os.getxattr(sys.argv[1], n).hex() for n in sorted(os.listxattr(sys.argv[1]))])';
  return run('python3', ['-c', script, path]).stdout.trim().split(' ').filter(Boolean);
}

function typeOf(entry: Dirent | ReturnType<typeof lstatSync>): string {
  if (entry === undefined) return 'nothing';
  if (entry.isSymbolicLink()) return 'link';
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other';
}

/** Every name below a folder, and what is there. */
function filesBelow(directory: string): string[] {
  return readdirSync(Buffer.from(directory), {
    recursive: false,
    withFileTypes: true,
    encoding: 'buffer',
  } as never)
    .map((entry: unknown) => entry as { name: Buffer } & Dirent)
    .flatMap((entry) => {
      const name = entry.name.toString('latin1');
      const below = entry.isDirectory() ? filesBelow(join(directory, name)) : [];
      return [`${name}: ${typeOf(entry)}`, ...below.map((one) => `${name}/${one}`)];
    })
    .sort();
}

function find(directory: string): string {
  for (const folder of ['d', 'e', 'm', '.']) {
    const path = join(directory, folder, 'destination');
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return path;
  }
  return join(directory, 'destination');
}

/** To the microsecond, or to all that the kernel keeps. */
type Times = 'modified' | 'nanoseconds';

/** Only `--preserve` sets times; those that are arranged to the nanosecond are compared so. */
function timesComparedIn({ arrange, command = '' }: Manner): Times | undefined {
  if (!/ -(-preserve|p) /.test(command)) return undefined;
  return /\.\d{9} /.test(arrange) ? 'nanoseconds' : 'modified';
}

function timesOf(source: bigint | undefined, copy: bigint, times: Times): Outcome {
  const apart = source === undefined ? undefined : source > copy ? source - copy : copy - source;
  return { [times]: apart !== undefined && apart < (times === 'modified' ? 1000n : 1n) };
}

function look(
  directory: string,
  before: bigint | undefined,
  { sparse, times }: { sparse: boolean; times: Times | undefined },
): Outcome {
  const files = filesBelow(directory);
  const path = find(directory);
  const own = lstatSync(path, { throwIfNoEntry: false });
  const outcome: Outcome = { files, type: typeOf(own) };
  if (own?.isSymbolicLink()) outcome.type = `link to ${readlinkSync(path)}`;
  const stat = own === undefined ? undefined : statOf(path);
  if (stat === undefined || !stat.isFile()) return outcome;
  const source = statOf(join(directory, 'source'));
  return {
    ...outcome,
    content: createHash('sha256').update(readFileSync(path)).digest('hex'),
    mode: (stat.mode & 0o7777n).toString(8),
    owner: `${stat.uid}:${stat.gid}`,
    links: stat.nlink,
    'inode kept': before === undefined ? undefined : stat.ino === before,
    // Where nothing is said about holes, file systems differ by how they were used before.
    blocks: sparse ? stat.blocks : stat.blocks * 512n >= stat.size,
    ...(times === undefined ? {} : timesOf(source?.mtimeNs, stat.mtimeNs, times)),
    attributes: hasPython ? attributesOf(path) : [],
  };
}

function statOf(path: string): ReturnType<typeof bigStat> | undefined {
  try {
    return bigStat(path);
  } catch {
    return undefined;
  }
}

function bigStat(path: string) {
  return statSync(path, { bigint: true });
}

const has = (program: string): boolean => run('sh', ['-c', `command -v ${program} || true`]).stdout !== '';
const hasPython = has('python3');

/** Why an arrangement cannot be made here. */
function missing(
  { needs = [], as }: Manner,
  available: Readonly<Record<string, boolean>>,
): string | undefined {
  const absent = [...needs, ...(as === undefined ? [] : [as])].filter((need) => !available[need]);
  return absent.length === 0 ? undefined : `${absent.join(', ')} is missing here`;
}

/**
 * The whole table takes a minute and more: `npm run check:cp` goes through it, and other runs through a quarter, another each
 * day.
 */
const QUARTERS = 4;
const today = Math.floor(Date.now() / 86_400_000) % QUARTERS;
const isToday = (index: number): boolean => process.env.KAIO_MANNERS === 'all' || index % QUARTERS === today;

const linux = process.platform === 'linux';
const isRoot = process.getuid?.() === 0;
const gnu = linux && run('sh', ['-c', 'cp --version || true']).stdout.includes('GNU coreutils');

/** Others may have no way to this folder, or to that of Node.js. */
function nobodyCanRun(): boolean {
  try {
    return run(process.execPath, [CLI, '--version'], { uid: NOBODY, gid: NOBODY }).status === 0;
  } catch {
    return false;
  }
}

function availability(): Readonly<Record<string, boolean>> {
  const place = mkdtempSync(join(root, 'probe-'));
  const mounts = shell('mount -t tmpfs none .', place).status === 0;
  if (mounts) run('umount', [place]);
  return {
    mount: mounts,
    chattr: shell(': > f && chattr +i f && chattr -i f', place).status === 0,
    python3:
      hasPython &&
      shell(`: > f; python3 -c 'import os; os.setxattr("f", "user.k", b"v")'`, place).status === 0,
    proc: existsSync('/proc/version'),
    'config.gz': existsSync('/proc/config.gz'),
    nobody: nobodyCanRun(),
  };
}

function outcomeOf(program: Program, manner: Manner): Outcome & { stderr: string } {
  const { arrange, command = 'copy source destination', as, clean, title } = manner;
  const directory = mkdtempSync(join(root, `${program}-`));
  run('chmod', ['755', root, directory]);
  if (as !== undefined) {
    mkdirSync(join(directory, 'd'));
    run('chown', [String(NOBODY), join(directory, 'd')]);
  }
  const arranged = shell(arrange, directory);
  assert.equal(arranged.status, 0, `${title}: ${arranged.stderr}`);
  try {
    const before = statOf(find(directory))?.ino;
    const script = `${PROGRAMS[program]}; status=99; copies() { "$@"; status=$?; }\n${command.replace(/\bcopy(NoGuess)? /g, 'copies copy$1 ')}\nexit $status`;
    const { status, stderr } = shell(script, directory, as === undefined ? undefined : NOBODY);
    const kind = status === 0 ? 'none' : KINDS.find(([words]) => words.test(stderr))?.[1];
    return {
      status,
      kind,
      ...look(directory, before, {
        sparse: arrange.includes('truncate'),
        times: timesComparedIn(manner),
      }),
      stderr,
    };
  } finally {
    if (clean !== undefined) shell(clean, directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

describe.skipIf(!gnu || !isRoot)('kaio cp beside cp(1), as root with that of GNU', () => {
  const available = gnu && isRoot ? availability() : {};
  it.for(MANNERS.filter((_, index) => isToday(index)).map((manner) => [manner.title, manner] as const))(
    '%s',
    ([, manner], { skip }) => {
      const absence = missing(manner, available);
      if (absence !== undefined) skip(absence);
      const { stderr: theirWords, ...theirs } = outcomeOf('cp', manner);
      const { stderr: ourWords, ...ours } = outcomeOf('kaio', manner);
      const aspects = new Set([...Object.keys(theirs), ...Object.keys(ours)] as Aspect[]);
      const found = [...aspects].filter((aspect) => {
        try {
          assert.deepEqual(ours[aspect], theirs[aspect]);
          return false;
        } catch {
          return true;
        }
      });
      const told = JSON.stringify(
        { theirs, theirWords, ours, ourWords },
        (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
        2,
      );
      assert.deepEqual(found.sort(), Object.keys(manner.differs ?? {}).sort(), told);
      const said = / is overwritten in place: .*neither the old nor the new content$/m.test(ourWords);
      assert.equal(
        said,
        ours.status === 0 && ours['inode kept'] === true,
        `it is said when it goes in place: ${told}`,
      );
      if (ours.status !== 0)
        assert.equal(ourWords.trimEnd().split('\n').at(-1)?.startsWith('kaio: '), true, ourWords);
    },
  );
});
