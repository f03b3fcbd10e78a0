import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FILE_BYTES, WrittenFile } from '../../../scripts/stress/hostile/files.ts';
import { CanaryMemory } from '../../../scripts/stress/hostile/memory.ts';
import { MEMORY_KINDS } from '../../../scripts/stress/hostile/program.ts';
import { type Expected, type Request, Requests } from '../../../scripts/stress/hostile/requests.ts';
import { AlignedBufferPool } from '../../../src/index.ts';

const pool = new AlignedBufferPool(20_480);
const memoryOf = (kind: CanaryMemory['kind']): CanaryMemory => new CanaryMemory(kind, 16, pool, () => 0);

function poke(memory: CanaryMemory, at: number): void {
  new Uint8Array(memory.buffer)[memory.from + at]! ^= 0xff;
}

describe('CanaryMemory', () => {
  for (const kind of MEMORY_KINDS) {
    it(`notices a byte before, in and behind the part that views are made of (${kind})`, () => {
      for (const at of [-1, 0, 4000, 8191, 8192]) {
        const memory = memoryOf(kind);
        expect(memory.check()).toBeUndefined();
        poke(memory, at);
        expect(memory.check()).toMatch(`at ${at} of`);
      }
    });
  }

  it('allows a read what it was given, and nobody afterwards', () => {
    const memory = memoryOf('plain');
    const range = { from: memory.from + 512, to: memory.from + 1024 };
    memory.give(range);
    poke(memory, 512);
    poke(memory, 1023);
    expect(memory.check()).toBeUndefined();
    poke(memory, 1024);
    expect(memory.check()).toMatch('at 1024 of');
    poke(memory, 1024);
    memory.take(range);
    expect(memory.check()).toBeUndefined();
    poke(memory, 600);
    expect(memory.check()).toMatch('at 600 of');
  });

  it('waits with that for the last of the reads that share bytes', () => {
    const memory = memoryOf('plain');
    const one = { from: memory.from, to: memory.from + 1024 };
    const other = { from: memory.from + 512, to: memory.from + 2048 };
    memory.give(one);
    memory.give(other);
    memory.take(one);
    poke(memory, 1500);
    poke(memory, 100);
    expect(memory.check()).toBeUndefined();
  });

  it('notices what is written to it once it has another owner', () => {
    const memory = memoryOf('plain');
    const before = new Uint8Array(memory.buffer);
    const owned = memory.handOver('structuredClone')!;
    expect([before.length, memory.isGone, owned.check()]).toEqual([0, true, undefined]);
    owned.bytes[5000]! ^= 1;
    expect(owned.check()).toMatch('after structuredClone had given it to another owner (at 5000');
  });

  it('forgives what was lost by shrinking', () => {
    const memory = memoryOf('resizable');
    memory.resize(1);
    memory.resize(64);
    expect(memory.check()).toBeUndefined();
    expect(memory.isWhole(memory.from + 8192)).toBe(false);
  });
});

describe('Requests', () => {
  const content = Buffer.from(Uint8Array.from({ length: FILE_BYTES }, (_, index) => index % 251));

  function request(memory: CanaryMemory, more: Partial<Request> = {}): Request {
    const expected: Expected = { kind: 'content', content };
    return {
      what: 'a read',
      write: false,
      parts: [{ memory, range: { from: memory.from, to: memory.from + 4096 } }],
      position: 8192,
      expected,
      on: new Set(),
      mayFail: false,
      mayBeShort: false,
      isMixed: false,
      waits: false,
      ...more,
    };
  }

  function filled(memory: CanaryMemory, position: number): void {
    new Uint8Array(memory.buffer, memory.from, 4096).set(content.subarray(position, position + 4096));
  }

  it('judge bytes by their place', () => {
    const requests = new Requests();
    const memory = memoryOf('plain');
    const right = request(memory);
    requests.begin(right);
    filled(memory, 8192);
    expect(requests.succeed(right, 4096)).toBeUndefined();
    const wrong = request(memory);
    requests.begin(wrong);
    filled(memory, 8193);
    expect(requests.succeed(wrong, 4096)).toMatch('brought wrong bytes (at 0 of 4096');
  });

  it('complain of counts that cannot be', () => {
    for (const [count, complaint] of [
      [4097, 'moved 4097 bytes of a memory of 4096'],
      [4095, 'moved 4095 of 4096 bytes, although'],
      [-1, 'answered -1'],
      ['4096', 'answered 4096'],
    ] as const) {
      const requests = new Requests();
      const memory = memoryOf('plain');
      const one = request(memory);
      requests.begin(one);
      filled(memory, 8192);
      expect(requests.succeed(one, count)).toMatch(complaint);
    }
  });

  it('complain of a failure that nobody has caused, and only of that', () => {
    const requests = new Requests();
    const memory = memoryOf('plain');
    const signal = new AbortController().signal;
    const [alone, aborted, transferred] = [
      request(memory),
      request(memoryOf('plain'), { on: new Set([signal]) }),
      request(memoryOf('plain')),
    ];
    for (const one of [alone, aborted, transferred]) requests.begin(one);
    requests.taint(signal);
    requests.taintMemory(transferred.parts[0]!.memory);
    const error = Object.assign(new Error('no'), { code: 'EIO' });
    expect(requests.fail(aborted, error)).toBeUndefined();
    expect(requests.fail(transferred, error)).toBeUndefined();
    expect(requests.fail(alone, error)).toBe(
      'a read failed, although nobody did anything to it: Error EIO: no',
    );
    expect(requests.live.size).toBe(0);
  });

  it('say nothing of bytes that two of them have filled', () => {
    const requests = new Requests();
    const memory = memoryOf('plain');
    const one = request(memory);
    const other = request(memory, { position: 0 });
    requests.begin(one);
    requests.begin(other);
    filled(memory, 0);
    expect([requests.succeed(one, 4096), requests.succeed(other, 4096)]).toEqual([undefined, undefined]);
  });
});

describe('WrittenFile', () => {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-oracles-'));
  let file: WrittenFile;
  beforeAll(() => {
    file = new WrittenFile(join(directory, 'file'), 9);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('knows what was written, and notices when it is not there', () => {
    const data = Buffer.alloc(1000, 7);
    file.endWrite(file.beginWrite(512, 1000), 512, data);
    expect(file.check()).toMatch('does not hold at 512');
    const now = Buffer.from(file.content);
    writeFileSync(file.path, now);
    expect(file.check()).toBeUndefined();
    expect(file.endRead(file.beginRead(0, 4096))).toBe(true);
  });

  it('does not know what writes at the same time or a failed one leave, until it is written again', () => {
    const one = file.beginWrite(8192, 512);
    const other = file.beginWrite(8192, 512);
    const during = file.beginRead(8192, 512);
    file.endWrite(one, 8192, Buffer.alloc(512, 1));
    file.endWrite(other, 8192, Buffer.alloc(512, 2));
    expect(file.endRead(during)).toBe(false);
    expect(file.endRead(file.beginRead(8192, 512))).toBe(false);
    file.endWrite(file.beginWrite(8192, 512), 8192, Buffer.alloc(512, 3));
    expect(file.endRead(file.beginRead(8192, 512))).toBe(true);
    file.endWrite(file.beginWrite(8192, 512), 8192, undefined);
    expect(file.endRead(file.beginRead(8192, 512))).toBe(false);
  });

  it('does not know what two writes into one page leave there, and knows what lies beside one', () => {
    const at = 65_536;
    const one = file.beginWrite(at, 4096);
    const other = file.beginWrite(at, 512);
    file.endWrite(one, at, Buffer.alloc(4096, 1));
    file.endWrite(other, at, Buffer.alloc(512, 2));
    expect(file.endRead(file.beginRead(at + 512, 512))).toBe(false);
    file.endWrite(file.beginWrite(at, 4096), at, Buffer.alloc(4096, 3));
    expect(file.endRead(file.beginRead(at, 4096))).toBe(true);
    file.endWrite(file.beginWrite(at, 512), at, undefined);
    expect(file.endRead(file.beginRead(at, 512))).toBe(false);
    expect(file.endRead(file.beginRead(at + 512, 3584))).toBe(true);
  });
});
