/** What the system calls of one kernel share. */
import type { Clock } from '../clock.ts';
import type { FileTable } from '../files/file-table.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { Profile } from '../profiles.ts';
import type { WorkQueue } from '../workqueue/aio-wq.ts';
import type { IoctxTable } from './ioctx-table.ts';
import type { Sysctl } from './sysctl.ts';

export interface KernelState {
  readonly profile: Profile;
  readonly possibleCpus: number;
  /** Makes the kernel's assertions about itself. */
  readonly debug: boolean;
  /** Every delay inside the kernel is measured with it. */
  readonly clock: Clock;
  readonly mm: AddressSpace;
  readonly sysctl: Sysctl;
  readonly table: IoctxTable;
  readonly files: FileTable;
  readonly work: WorkQueue;
}
