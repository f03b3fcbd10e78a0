/** What the answer to a case depends on, as data. */
import { describe, expect, it } from 'vitest';
import { ALL_CASES } from '../conformance/cases.ts';
import { CONDITIONS, conditionAgainst, type Machine } from '../conformance/conditions.ts';
import { means } from '../conformance/case-ids.ts';
import { FILE_SYSTEMS, fileSystemAt, imitated } from '../conformance/file-systems.ts';

const X64: Machine = { arch: 'x64', wordBytes: 8, kernelWordBytes: 8, release: [6, 18] };

describe('conditions', () => {
  it('each mean some case, tell why and from where, and make a difference somewhere', () => {
    for (const { cases, reason, source, ...dependsOn } of CONDITIONS) {
      for (const pattern of cases)
        expect(
          ALL_CASES.some(({ id }) => means(pattern, id)),
          pattern,
        ).toBe(true);
      expect(reason.length * source.length).toBeGreaterThan(0);
      expect(Object.keys(dependsOn).length).toBeGreaterThan(0);
    }
  });

  it('are all kept on x86-64 with Linux 6.18, and by an emulation', () => {
    const emulation: Machine = { ...X64, arch: 's390x', release: undefined };
    for (const { id } of ALL_CASES) {
      // What only a kernel of 32 bits is asked.
      if (id === 'iocb/wider-than-words') continue;
      expect(conditionAgainst(id, X64), id).toBe(undefined);
      expect(conditionAgainst(id, emulation), id).toBe(undefined);
    }
  });

  it.each([
    ['resfd/polls-itself', { release: [5, 10] }, /locks up/],
    ['resfd/polls-itself', { release: [6, 0] }, /locks up/],
    ['resfd/polls-itself', { release: [6, 1] }, undefined],
    ['fork/child', { release: [7, 2] }, undefined],
    ['fork/child', { release: [7, 3] }, /EFAULT/],
    ['fork/child', { release: [8, 0] }, /EFAULT/],
    ['io_submit/nr-long', { wordBytes: 4 }, /32 bits/],
    ['preadv/base-kernel-empty', { wordBytes: 4 }, /32 bits/],
    ['preadv/none', { wordBytes: 4 }, undefined],
    ['preadv/none', { wordBytes: 4, kernelWordBytes: 4 }, /do not fit into its words/],
    ['iocb/wider-than-words', {}, /words of 64 bits/],
    ['iocb/wider-than-words', { wordBytes: 4, kernelWordBytes: 4 }, undefined],
    ['transfer/half-mapped-read', { arch: 'arm', wordBytes: 4 }, /96 of 100/],
    ['transfer/half-mapped-write', { arch: 'riscv64' }, /without end/],
    ['iocb/buffer-past-user', { arch: 'arm64' }, /known for x86-64/],
  ] as const)('%s on %j: %s', (id, machine, reason) => {
    const told = conditionAgainst(id, { ...X64, ...machine });
    if (reason === undefined) expect(told).toBe(undefined);
    else expect(told).toMatch(reason);
  });
});

describe('file systems', () => {
  const line = (point: string, type: string, options = 'rw'): string =>
    `36 35 98:0 / ${point} rw,noatime shared:1 - ${type} /dev/root ${options}`;
  const at = (path: string, ...lines: string[]): ReturnType<typeof fileSystemAt> =>
    fileSystemAt(path, lines.join('\n'));

  it('have a source each', () => {
    for (const { source } of FILE_SYSTEMS) expect(source).not.toBe('');
  });

  it('are found by the innermost and last mount', () => {
    const [root, tmp] = [line('/', 'ext4'), line('/tmp', 'tmpfs')];
    expect(at('/tmp/kaio', root, tmp).name).toBe('tmpfs');
    expect(at('/tmpfile', root, tmp).name).toBe('ext4');
    expect(at('/tmp', root, tmp, line('/tmp', 'xfs')).name).toBe('xfs');
    expect(at('/', root, tmp).name).toBe('ext4');
  });

  it('answer otherwise than ext4 where that is known, and with an option', () => {
    expect(at('/x', line('/', 'ext4', 'rw,data=journal')).answers).toMatchObject({
      halfMappedDirect: 'part',
      nowaitExtending: 'EOPNOTSUPP',
      halfMappedWrite: 'part',
    });
    expect(at('/x', line('/', 'btrfs')).answers!.halfMappedWrite).toBe('EFAULT');
    expect(at('/x', line('/', 'fuse.bindfs')).answers!.noappend).toBe('end');
  });

  it('are the upper one of an overlay', () => {
    const lines = [line('/', 'overlay', 'rw,lowerdir=/a,upperdir=/up/b'), line('/up', 'tmpfs')];
    expect(at('/x', ...lines)).toMatchObject({
      name: 'overlay on tmpfs',
      answers: { farWrite: 'inside', nowaitExtending: 'refused' },
    });
  });

  it('are not asked where nobody has looked; an emulation has answers of its own', () => {
    const unknown = at('/x', line('/', 'bcachefs'));
    expect(unknown.answers).toBe(undefined);
    expect(imitated(unknown).answers!.halfMappedWrite).toBe('part');
    expect(imitated(at('/x', line('/', 'btrfs'))).answers).toMatchObject({
      halfMappedWrite: 'part',
      farWrite: 'inside',
    });
  });
});
