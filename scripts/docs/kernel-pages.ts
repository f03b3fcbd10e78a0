/** `docs/kernels.md` and `docs/gvisor.md`, as text. */
import { DONE } from '../kernels/file-layer.ts';
import { ASKED, type Column, type Counts, reasonsIn, type RuleRecord } from './kernel-records.ts';

const MADE = '<!-- Made by `npm run docs:kernels`; do not edit. -->';

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

function counted({ passed, failed, unsupported, broken }: Counts): string[] {
  return [passed, failed, unsupported, broken].map(String);
}

/** Why something was not asked, as numbers into a list of its own. */
class Notes {
  readonly #reasons: readonly string[];

  constructor(columns: readonly Column[]) {
    this.#reasons = reasonsIn(columns);
  }

  refer(reasons: readonly string[]): string {
    return reasons.map((reason) => ` [${this.#reasons.indexOf(reason) + 1}]`).join('');
  }

  list(): string[] {
    return this.#reasons.map((reason, index) => `${index + 1}. ${reason}`);
  }
}

function cell(value: RuleRecord | undefined, notes: Notes): string {
  if (value === undefined) return '?';
  const { passed, otherwise, reasons } = value;
  const why = notes.refer(reasons);
  if (otherwise > 0) return `otherwise${why}`;
  if (passed > 0) return reasons.length === 0 ? 'yes' : `in part${why}`;
  return reasons.length === 0 ? '-' : `not asked${why}`;
}

export function kernelsPage(columns: readonly Column[]): string {
  const kernels = columns.filter(({ kind }) => kind === 'kernel');
  const fileSystems = columns.filter(({ kind }) => kind === 'file system');
  return [
    '# Which rule holds on which kernel',
    '',
    MADE,
    '',
    'What the conformance suite was answered on each kernel and file system, rule by rule (`docs/internals/rules.md` says what they are). **yes**: every',
    'case of the rule passed. **in part**: those that could be asked passed. **otherwise**: it does what such kernels do instead, and the cases of',
    'that passed. **not asked**: the question makes no sense there, for the reason noted below. **-**: a rule of other kernels.',
    '',
    '`npm run docs:kernels -- --record` runs all of this again, which takes an hour and more, or the columns that are named; `npm run check:kernels` holds that',
    'this page is what was recorded. Another implementation has a page of its own: [gVisor](gvisor.md).',
    '',
    '## Kernels',
    '',
    'Linux itself was asked where a processor can have it; `emulated` is the emulation on that machine. The machines are booted by QEMU without',
    'the help of the processor (`npm run check:machines`), from packages of Debian. By `npm run check:architectures` the emulation is asked',
    'under QEMU’s emulators of user space too: s390x, i386, armhf, arm64, riscv64, ppc64el.',
    '',
    ...table(
      [
        'kernel',
        'which',
        'page',
        'passed',
        'failed',
        'unsupported',
        'broken',
        'emulated',
        'the automatic choice',
      ],
      kernels.map(({ title, kernel, counts, pageBytes, emulated, chooses }) => [
        title,
        kernel,
        pageBytes === undefined ? '' : `${pageBytes / 1024} KiB`,
        ...counted(counts),
        emulated === undefined
          ? ''
          : `${emulated.passed} passed, ${emulated.failed + emulated.broken} failed`,
        chooses ?? '',
      ]),
    ),
    '',
    ...ruleTable(
      kernels,
      ASKED.map(({ id }) => id),
    ),
    '',
    '## File systems',
    '',
    'On the kernel of the first column, by loop devices (`npm run check:file-systems -- --output FOLDER`). Only the rules are listed that are not answered',
    'the same on all of them; what each answers where the rules leave it to it, with sources, is in `test/conformance/file-systems.ts`.',
    '',
    ...table(
      ['file system', 'passed', 'failed', 'unsupported', 'broken'],
      fileSystems.map(({ title, counts }) => [title, ...counted(counts)]),
    ),
    '',
    ...ruleTable(fileSystems, differing(fileSystems)),
    '',
    '## What the file layer does there',
    '',
    "A file of 24 MiB, opened with `direct: 'prefer'` and with `direct: false`, written and read by 96 requests of 256 KiB, 32 at once; every byte was compared.",
    '`kernel`: `io_submit` had them all. `pool`: the thread pool, and why; a request that the kernel was asked for with NOWAIT, and had not, is counted',
    'by both. The last columns are the longest time for which the event loop was held, in milliseconds: of direct transfers and of buffered ones. It counts',
    'whatever else the machine did, and is left out for machines that are emulated, whose JavaScript takes as long.',
    '',
    ...layerTables(columns),
    '',
    '## Why not',
    '',
    ...new Notes([...kernels, ...fileSystems]).list(),
    '',
  ].join('\n');

  function ruleTable(some: readonly Column[], ids: readonly string[]): string[] {
    const notes = new Notes([...kernels, ...fileSystems]);
    return table(
      ['rule', ...some.map(({ name }) => name)],
      ids.map((id) => [id, ...some.map(({ rules }) => cell(rules[id], notes))]),
    );
  }
}

function differing(columns: readonly Column[]): string[] {
  return ASKED.map(({ id }) => id).filter(
    (id) => new Set(columns.map(({ rules }) => JSON.stringify(rules[id]))).size > 1,
  );
}

function layerTables(columns: readonly Column[]): string[] {
  const known = columns.filter(({ layer }) => layer !== undefined);
  return [
    ...table(
      ['where', 'direct', 'alignment', 'how that is known', 'hold, direct', 'hold, buffered'],
      known.map(({ name, kind, layer }) => {
        const { direct, alignment, reason, longestHoldMs } = layer!;
        const holds = kind === 'file system' ? longestHoldMs.map(String) : ['', ''];
        return [name, direct ? 'yes' : 'no', direct ? alignment : '', reason, ...holds];
      }),
    ),
    '',
    ...(['prefer', 'buffered'] as const).flatMap((way) => [
      way === 'prefer' ? "With `direct: 'prefer'`:" : 'With `direct: false`:',
      '',
      ...table(
        ['where', ...DONE],
        known.map(({ name, layer }) => [name, ...DONE.map((done) => layer!.going[way][done])]),
      ),
      '',
    ]),
  ].slice(0, -1);
}

export function gvisorPage(columns: readonly Column[]): string {
  const gvisor = columns.filter(({ name }) => name === 'gvisor');
  const notes = new Notes(gvisor);
  const [column] = gvisor;
  if (column === undefined) return '';
  const { counts, emulated, chooses, rules } = column;
  const known = Object.values(rules).filter((one) => one.known > 0).length;
  const whole = Object.values(rules).filter((one) => one.passed > 0 && one.reasons.length === 0).length;
  return [
    '# gVisor, judged',
    '',
    MADE,
    '',
    'gVisor is another implementation of Linux, with AIO of its own. This is what the conformance suite says of the one that Debian packages (`runsc`',
    '0.0~20240729.0 of trixie, platform systrap, which calls itself Linux 4.4.0), by `npm run check:gvisor`: an example of what the suite is for.',
    '',
    `The automatic choice there: ${chooses}. The emulation: ${emulated!.passed} passed, ${emulated!.failed + emulated!.broken} failed.`,
    '',
    `Its own AIO, of ${ASKED.length} rules: ${whole} hold in every case, ${known} do not or not in every case. By cases: ${counts.passed} passed, ${counts.failed + counts.broken} failed for reasons that are not`,
    `known, ${counts.unsupported} end otherwise for reasons that are, or cannot be asked. What is known is in \`scripts/kernels/gvisor.json\`, an expectations file`,
    '([conformance](conformance.md)): an entry that no longer holds fails the check, so that this page cannot go stale unseen.',
    '',
    '**yes**: every case passed. **no**: none did. **in part**: some did. **not asked**: it cannot be asked there.',
    '',
    ...table(
      ['rule', 'what it says', 'holds', 'cases that do not', 'why'],
      ASKED.filter(({ id }) => {
        const { passed, reasons } = rules[id]!;
        return passed > 0 || reasons.length > 0;
      }).map(({ id, summary }) => {
        const { passed, known: without, reasons } = rules[id]!;
        return [
          id,
          summary.replaceAll('|', '\\|'),
          holds(rules[id]!),
          passed + without === 0 ? '' : String(without),
          notes.refer(reasons).trim(),
        ];
      }),
    ),
    '',
    '## Why',
    '',
    ...notes.list(),
    '',
  ].join('\n');
}

function holds({ passed, known, reasons }: RuleRecord): string {
  if (known > 0) return passed > 0 ? 'in part' : 'no';
  if (passed === 0) return 'not asked';
  return reasons.length > 0 ? 'in part' : 'yes';
}
