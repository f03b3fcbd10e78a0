/** Where each rule comes from: which kernels were seen to follow it. */

/** Kernels that a rule was observed on, or what else it rests on. */
const SOURCES: readonly {
  readonly source: string;
  /** Numbers of rules by the first part of their ids. */
  readonly rules: Readonly<Record<string, string>>;
}[] = [
  {
    source: 'observed on Linux 6.18 and 6.1, x86-64',
    rules: {
      SETUP: '01 02 03 04 05 06 07 08 09 10 11 12 13 14 15',
      CAP: '01 02 05 06 07 08 09',
      SUBMIT: '01 02 03 04 05 06 07 08 09 10 11 20 21 22 23 25 26 27 28 29 30 31 32 33 34 35',
      BUF: '01 02 03 04 05 06 07 09',
      OFF: '01 02 03 04 05 06 07 08',
      FILE: '01 02 03 04 05 06 08 09 10 11 12 13 14',
      BLOCK: '01 02 04 05 06 07 08 09 10 11 12',
      DIO: '01 02 03 04 05',
      VEC: '01 02 03 04 05 06 08 09 10 11',
      RWF: '01 02 03 05 08 09 14',
      PRIO: '02 03',
      RESFD: '01 02 03 04 05 06 07 08',
      FSYNC: '01 02 03 04',
      POLL: '01 02 03 04 05 06 07 08 09 10 11 12 13',
      GET: '01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 21 22 23',
      PGET: '01 02 03 04 05 06 07',
      CANCEL: '01 02 03 04 05 06 07 09',
      DESTROY: '01 02 03 05 06 08',
      EXIT: '01 03 07',
      RING: '01 02 03 04 05 06 07 08 09 10 13 17',
    },
  },
  {
    source: 'observed on Linux 6.18, x86-64',
    rules: {
      CAP: '03 04',
      SUBMIT: '24',
      BUF: '08',
      FILE: '07 15 16',
      BLOCK: '03 13 14 15 16',
      DIO: '06',
      VEC: '07',
      RWF: '04 06 07 10 11 12 13 15',
      PRIO: '01 04',
      FSYNC: '05',
      POLL: '14',
      GET: '18 19 20',
      CANCEL: '08',
      DESTROY: '04 07',
      EXIT: '02 04 05 06 08',
      RING: '11 12 14 15 16',
      COMPAT: '01 02 03 04 05',
    },
  },
  {
    source: "known from reading the kernel's source, fs/aio.c",
    rules: {
      CAP: '10',
      FSYNC: '06',
      CANCEL: '10',
      DESTROY: '09',
    },
  },
  {
    source: 'the kernel of 2007: fs/aio.c of Linux 2.6.20',
    rules: {
      SEED: '01 02 03 04 05 06 07 08 09 10 11',
    },
  },
];

const BY_RULE: ReadonlyMap<string, string> = new Map(
  SOURCES.flatMap(({ source, rules }) =>
    Object.entries(rules).flatMap(([part, numbers]) =>
      numbers.split(' ').map((number) => [`${part}-${number}`, source] as const),
    ),
  ),
);

/** What a rule rests on. @returns `undefined` for a rule that has no entry here, which a check refuses. */
export function sourceOf(rule: string): string | undefined {
  return BY_RULE.get(rule);
}
