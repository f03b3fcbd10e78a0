/** What nobody has seen work is tried in a child, once for each machine and version. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, it } from 'vitest';
import {
  type Combination,
  combinationHere,
  isSeen,
  type MachineFacts,
  nameOf,
} from '../../src/native/combination.ts';
import { type TrialSetting, tryOut } from '../../src/native/trial.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'kaio-trial-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A trial of a program, which counts how often it was started. */
function trialOf(text: string, changed: Partial<TrialSetting> = {}): TrialSetting {
  const program = join(home, 'program.mjs');
  const counter = `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(join(home, 'starts'))}, 'x');\n`;
  writeFileSync(program, `${counter}${text}`);
  const setting = { what: 'koffi 9.9.9 on Node.js 99', name: 'v99_koffi-9', timeoutMs: 30_000 };
  return { ...setting, program, folder: join(home, 'cache'), ...changed };
}

const starts = (): number => readFileSync(join(home, 'starts'), 'utf8').length;

describe('a trial', () => {
  it('that ends well lets the kernel be opened, and is remembered', () => {
    const trial = trialOf('');
    const first = tryOut(trial);
    assert.equal(first.refusal, undefined);
    assert.match(first.known, /^works: tried in a process of its own, remembered in .*v99_koffi-9$/);
    const second = tryOut(trial);
    assert.equal(second.refusal, undefined);
    assert.match(second.known, /^works: remembered in /);
    assert.equal(starts(), 1);
    assert.deepEqual(readdirSync(join(home, 'cache')), ['v99_koffi-9']);
    assert.equal(statSync(join(home, 'cache')).mode & 0o777, 0o700);
  });

  it.each(['SIGILL', 'SIGSEGV', 'SIGABRT'])(
    'that ends by %s refuses it, says so, and is remembered',
    (signal) => {
      const trial = trialOf(
        `process.kill(process.pid, '${signal}'); await new Promise(() => setInterval(() => {}, 1000));`,
      );
      for (const known of [/tried in a process of its own/, /^remembered in /]) {
        const answer = tryOut(trial);
        assert.match(answer.known, known);
        assert.match(
          answer.refusal!.reason,
          new RegExp(`^koffi 9.9.9 on Node.js 99: the process that tried it was ended by ${signal}`),
        );
        assert.match(answer.refusal!.remedy, /KAIO_BACKEND=native/);
      }
      assert.equal(starts(), 1);
    },
  );

  it('that only throws lets it be opened, which throws the same', () => {
    assert.equal(tryOut(trialOf('throw new Error("x");')).refusal, undefined);
  });

  it('that never ends is ended, and tried again the next time', () => {
    const trial = trialOf('setInterval(() => {}, 1000);', { timeoutMs: 1500 });
    for (let time = 1; time <= 2; time++) {
      assert.match(tryOut(trial).refusal!.reason, /had no answer within 1.5 s/);
      assert.equal(starts(), time);
    }
  });

  it('that somebody else ended is tried again the next time', () => {
    const trial = trialOf(
      "process.kill(process.pid, 'SIGKILL'); await new Promise(() => setInterval(() => {}, 1000));",
    );
    for (let time = 1; time <= 2; time++) {
      assert.match(tryOut(trial).refusal!.reason, /was ended by SIGKILL/);
      assert.equal(starts(), time);
    }
  });

  it.each(['', 'worksx', 'was ended by a full disk'])('believes no file that says %j', (text) => {
    const trial = trialOf('');
    tryOut(trial);
    writeFileSync(join(home, 'cache', 'v99_koffi-9'), text);
    assert.equal(tryOut(trial).refusal, undefined);
    assert.equal(starts(), 2);
  });

  it('begins none of its own, and does without preloads', () => {
    const text = `const { KAIO_TRIAL, NODE_OPTIONS } = process.env;
if (KAIO_TRIAL !== 'never' || NODE_OPTIONS !== undefined) process.kill(process.pid, 'SIGKILL');`;
    const before = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = '--no-warnings';
    try {
      assert.equal(tryOut(trialOf(text)).refusal, undefined);
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
  });

  it('is made each time where nothing can be remembered', () => {
    writeFileSync(join(home, 'cache'), 'a file');
    const trial = trialOf('');
    for (let time = 1; time <= 2; time++) {
      assert.equal(tryOut(trial).known, 'works: tried in a process of its own');
      assert.equal(starts(), time);
    }
  });

  it('refuses where there can be none', () => {
    const { refusal, known } = tryOut(trialOf('', { program: undefined }));
    assert.match(
      refusal!.reason,
      /^nobody has seen koffi 9.9.9 on Node.js 99 work, and no process of its own/,
    );
    assert.match(known, /^not tried: /);
  });
});

describe('a combination', () => {
  const seen: Combination = { arch: 'x64', node: 'v24.3.0', koffi: '3.3.4' };
  const machine: MachineFacts = { release: '6.18.0', cpu: 'flags : sse' };

  it('is seen on the processors and versions that the suite was run on', () => {
    assert.ok(isSeen(seen));
    assert.ok(isSeen({ ...seen, koffi: undefined }));
    for (const other of [{ arch: 'loong64' }, { node: 'v27.0.0' }, { node: 'v18.0.0' }, { koffi: '3.4.0' }])
      assert.ok(!isSeen({ ...seen, ...other }), JSON.stringify(other));
  });

  it.runIf(process.platform === 'linux')('is seen here', () => {
    assert.ok(isSeen(combinationHere()), JSON.stringify(combinationHere()));
  });

  it('has another name with another of its parts, and one that is a file’s', () => {
    const others = [{ arch: 'arm64' }, { node: 'v24.3.1' }, { koffi: '3.3.5' }];
    const machines = [{ release: '6.19.0' }, { cpu: 'flags : avx' }];
    const names = [
      nameOf(seen, machine),
      ...others.map((other) => nameOf({ ...seen, ...other }, machine)),
      ...machines.map((other) => nameOf(seen, { ...machine, ...other })),
    ];
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[\w.-]+$/);
    assert.match(nameOf({ ...seen, koffi: '../../x' }, machine), /^[\w.-]+$/);
  });
});

describe.runIf(process.platform === 'linux')('a program', () => {
  /** What a program of its own says that selects a kernel. */
  function selected(environment: Readonly<Record<string, string>>): { backend: string; reason: string } {
    const index = pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href;
    const text = `import { selectKernel } from '${index}'; const { backend, reason } = selectKernel(); console.log(JSON.stringify({ backend, reason }));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
      encoding: 'utf8',
      env: { ...process.env, XDG_CACHE_HOME: home, KAIO_BACKEND: '', ...environment },
    });
    assert.ok(stdout.startsWith('{'), stderr);
    return JSON.parse(stdout);
  }

  it('that tries always chooses as one that does not, and remembers', () => {
    const plain = selected({ KAIO_TRIAL: 'never' });
    assert.deepEqual(selected({ KAIO_TRIAL: 'always' }), plain);
    assert.equal(readdirSync(join(home, 'kaio')).length, 1);
  });

  it('goes on with the emulation where the trial has ended by a fault, and says why', () => {
    selected({ KAIO_TRIAL: 'always' });
    const [name] = readdirSync(join(home, 'kaio'));
    writeFileSync(join(home, 'kaio', name!), 'was ended by SIGILL\n');
    const { backend, reason } = selected({ KAIO_TRIAL: 'always' });
    assert.equal(backend, 'emulated');
    assert.match(reason, /the process that tried it was ended by SIGILL/);
    const forced = selected({ KAIO_TRIAL: 'always', KAIO_BACKEND: 'native' });
    assert.equal(forced.backend, 'native');
  });
});
