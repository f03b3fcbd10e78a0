import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, it } from 'vitest';
import { CLI, type Ended, run } from '../support/kaio.ts';

const dist = dirname(dirname(CLI));
const COMMAND = join(dist, 'command/kaio.js');
const index = pathToFileURL(join(dist, 'index.js')).href;

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts: number;
  readonly pid: number;
  readonly tid: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

let directory: string;
let output: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kaio-test-'));
  output = join(directory, 'trace.json');
});
afterEach(() => rmSync(directory, { recursive: true }));

function traced(program: string): Ended & { events: TraceEvent[] } {
  writeFileSync(join(directory, 'program.mjs'), program);
  const args = ['trace', '-o', output, '--', process.execPath, join(directory, 'program.mjs')];
  const ended = run(process.execPath, [COMMAND, ...args], {
    env: { ...process.env, KAIO_BACKEND: 'emulated' },
  });
  return { ...ended, events: JSON.parse(readFileSync(output, 'utf8')).traceEvents };
}

const READS = `
  import { AioContext, open, selectKernel } from '${index}';
  import { openSync } from 'node:fs';
  const { kernel } = selectKernel();
  const context = new AioContext({ kernel });
  const fd = openSync(process.execPath, 'r');
  await Promise.all([0, 1, 2, 3].map((at) => context.read(fd, new Uint8Array(100), at)));
  await context.close();
  const file = await open(process.argv[1] + '.out', 'w');
  await file.write(Buffer.alloc(9));
  await file.close();`;

describe('kaio trace', () => {
  it('writes batches, requests in flight, the thread pool and the delay of the loop', () => {
    const { status, stderr, events } = traced(`${READS}
      // However late they are: the loop turns between them.
      for (let turns = 0; turns < 30; turns++) await new Promise((resolve) => setTimeout(resolve, 10));`);
    assert.equal(status, 0, stderr);
    const named = (name: RegExp): TraceEvent[] => events.filter((event) => name.test(event.name));
    const accepted = named(/^io_submit$/).map(({ args }) => Number(args?.accepted));
    assert.equal(
      accepted.reduce((sum, one) => sum + one, 0),
      4,
    );
    const inFlight = named(/^requests in flight/);
    assert.deepEqual(inFlight.at(-1)?.args, { emulated: 0 });
    assert.ok(inFlight.some(({ args }) => args?.emulated === 4));
    assert.ok(named(/^thread pool: /).every(({ args }) => typeof args?.reason === 'string'));
    assert.ok(named(/^thread pool: /).length > 0);
    assert.ok(named(/^loop delay/).length > 0);
    assert.ok(
      named(/^context$/).some(({ ph }) => ph === 'b') && named(/^context$/).some(({ ph }) => ph === 'e'),
    );
    // What is thread 0 of process 0 to viewers is nobody's.
    const threads = named(/^thread_name$/).map(({ pid, tid, args }) => [tid - pid, args?.name]);
    assert.deepEqual(threads, [[0, 'main']]);
    // As the Trace Event Format has it: microseconds that go on, and phases that it knows.
    for (const { ph, ts, pid, tid } of events) {
      assert.match(ph, /^[MiCbe]$/);
      for (const number of [ts, pid, tid]) assert.equal(typeof number, 'number');
    }
  });

  it('passes the status on, and keeps what was written before the end', () => {
    const { status, events } = traced(`${READS} process.exit(7);`);
    assert.equal(status, 7);
    assert.ok(events.some(({ name }) => name === 'io_submit'));
  });

  it('asks for a program, and says which cannot be started', () => {
    const none = run(process.execPath, [COMMAND, 'trace', '-o', output]);
    assert.match(none.stderr, /^kaio: say which program to trace/);
    const wrong = run(process.execPath, [COMMAND, 'trace', '-o', output, '--', '/nowhere/node']);
    assert.match(wrong.stderr, /^kaio: .*ENOENT/);
    assert.deepEqual([none.status, wrong.status, existsSync(output)], [1, 1, false]);
  });
});

describe('the command of the library', () => {
  it('has doctor, and names the package of the others', () => {
    const { status, stdout } = run(process.execPath, [COMMAND, 'doctor', '--json', '--directory', directory]);
    assert.equal(status, 0);
    assert.ok(Array.isArray(JSON.parse(stdout).cures));
    // In the repository the others lie beside it.
    const { stdout: help } = run(process.execPath, [COMMAND, 'bench', '--help']);
    assert.match(help, /^Usage: kaio bench/);
    const packed = join(directory, 'dist/src');
    cpSync(dist, packed, { recursive: true, filter: (path) => path !== join(dist, 'cli') });
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    const other = run(process.execPath, [join(packed, 'command/kaio.js'), 'bench']);
    assert.equal(other.status, 1);
    assert.match(
      other.stderr,
      /there is no command 'bench' in this package[\s\S]*npm install --save-dev kaio-cli/,
    );
    assert.equal(run(process.execPath, [COMMAND, '--help']).status, 0);
  });
});
