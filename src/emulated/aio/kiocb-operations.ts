/** The functions of this kernel that a request is handed to. */
import { aio_complete } from './aio-complete.ts';
import type { KiocbOperations } from './aio-kiocb.ts';
import { aio_answer, aio_run_iocb, kick_iocb } from './aio-run.ts';

export const KIOCB_OPERATIONS: KiocbOperations = {
  run: aio_run_iocb,
  kick: kick_iocb,
  answer: aio_answer,
  complete: aio_complete,
};
