/** Every case of the suite. */
import type { Case } from './case.ts';
import { directCases } from './direct.ts';
import { ofTheirEra } from './eras.ts';
import { faultingStreamCases } from './faulting-streams.ts';
import { fileKindCases } from './file-kinds.ts';
import { ioCancelCases } from './io-cancel.ts';
import { ioDestroyCases } from './io-destroy.ts';
import { ioGeteventsCases } from './io-getevents.ts';
import { ioGeteventsWaitingCases } from './io-getevents-waiting.ts';
import { ioPgeteventsCases } from './io-pgetevents.ts';
import { ioSetupCases } from './io-setup.ts';
import { ioSubmitCases } from './io-submit.ts';
import { mappedRingCases } from './mapped-ring.ts';
import { notificationCases } from './notification.ts';
import { pipeAndSocketCases } from './pipe-and-socket.ts';
import { processLifeCases } from './process-life.ts';
import { ringMappingCases } from './ring-mapping.ts';
import { seedRunningCases } from './seed-running.ts';
import { seedSubmitCases } from './seed-submit.ts';
import { signalCases } from './signals.ts';
import { threadCases } from './threads.ts';
import { transferCases } from './transfers.ts';

const modern: readonly Case[] = [
  ...ioSetupCases,
  ...ioSubmitCases,
  ...transferCases,
  ...directCases,
  ...fileKindCases,
  ...notificationCases,
  ...pipeAndSocketCases,
  ...faultingStreamCases,
  ...ioGeteventsCases,
  ...ioGeteventsWaitingCases,
  ...ioPgeteventsCases,
  ...ioCancelCases,
  ...ioDestroyCases,
  ...mappedRingCases,
  ...ringMappingCases,
  ...signalCases,
  ...threadCases,
  ...processLifeCases,
];

/** Every case of the suite, in its order. */
export const ALL_CASES: readonly Case[] = [...ofTheirEra(modern), ...seedSubmitCases, ...seedRunningCases];
