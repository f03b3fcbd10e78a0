/** What the emulated kernel can do, and why not the rest. */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
} from '../common/abi/constants.ts';
import { allFeatures, type Supports } from '../common/supports.ts';
import type { Profile } from './profiles.ts';

export function supports(profile: Profile, possibleCpus: number): Supports {
  return {
    opcodes: [
      IOCB_CMD_PREAD,
      IOCB_CMD_PWRITE,
      IOCB_CMD_FSYNC,
      IOCB_CMD_FDSYNC,
      IOCB_CMD_POLL,
      IOCB_CMD_PREADV,
      IOCB_CMD_PWRITEV,
    ],
    aio_flags: IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO,
    rw_flags: profile.rw_flags,
    possibleCpus,
    features: {
      ...allFeatures(),
      'blocking-wait': 'a thread that waits cannot see the end of operations begun on the thread pool',
      'runs-in-submit': 'requests run on the thread pool, or inside io_getevents',
      'holds-files':
        'a descriptor of the host cannot be held open; a request whose descriptor was closed ends with EBADF',
      'polls-descriptors': 'plain Node.js cannot watch pipes, sockets and devices for readiness',
      'io_pgetevents-signals': 'JavaScript cannot change the signal mask of a thread',
      signals: 'signals reach JavaScript on the event loop and interrupt no call',
      threads: 'a kernel belongs to the thread that made it',
      'open-flags': 'plain Node.js cannot read the flags a descriptor was opened with',
      'process-lifetime': 'contexts live in the JavaScript heap and end with it',
    },
  };
}
