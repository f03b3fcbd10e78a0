/** How a simulation is made. */
import { invalidArgValue, outOfRange, validateInteger } from '../../common/validate.ts';
import type { DiskOptions } from '../simulated/disk.ts';
import { DEFAULT_FAULTS, type Faults, validateFaults } from '../simulated/faults.ts';
import { DEFAULT_LATENCIES, type Latencies, type Latency, validateLatency } from '../simulated/latency.ts';
import { type ModelName, modelOf } from '../simulated/models.ts';
import type { Seed } from '../simulated/random.ts';
import type { SimulatedKernelOptions } from './simulated-kernel.ts';

/** How a simulation is made. */
export interface SimulateOptions {
  /** Everything that chance decides follows from it: an integer, or its decimal digits. */
  readonly seed: Seed;
  /** What may go wrong. Default: nothing but crashes. */
  readonly faults?: Partial<Faults>;
  /** How long operations take; one for all kinds, or some of them. Default: like an NVMe drive. */
  readonly latency?: Latency | Partial<Latencies>;
  /** What O_DIRECT is aligned to: a power of two. Default 512. */
  readonly sectorBytes?: number;
  /**
   * What reaches the disk as a whole or not at all: a power of two of at least `sectorBytes`. Drives with physical sectors of 4096 bytes
   * often have logical ones of 512. Default: `sectorBytes`.
   */
  readonly tornBytes?: number;
  /** Room for the content of files, used up in pages of 4096. Default: no limit. */
  readonly capacityBytes?: number;
  /**
   * Whether a new name is durable only when its directory was synced, as POSIX has it. By default the sync of the file itself
   * covers its name too, and those of the directories above, as on ext4, XFS and btrfs. Default false.
   */
  readonly strictNames?: boolean;
  /**
   * What the file system keeps in a crash beyond what was synced. `'posix'`: nothing. The others have the rules of a real one, as far as
   * they are known (docs/crash-models.md). Default `'posix'`.
   */
  readonly model?: ModelName;
  /** Entries of the trace that are kept at least. Default 10,000. */
  readonly traceEntries?: number;
  /** How the kernel is made. */
  readonly kernel?: SimulatedKernelOptions;
}

const SECTOR_BYTES = 512;
const MOST_SECTOR_BYTES = 65536;
const TRACE_ENTRIES = 10_000;

/** Options that were looked at. */
export interface Judged {
  readonly disk: DiskOptions;
  readonly capacityBytes: number;
  readonly traceEntries: number;
}

/** @throws TypeError `ERR_INVALID_ARG_VALUE`, RangeError `ERR_OUT_OF_RANGE`. */
export function judgeOptions(options: SimulateOptions): Judged {
  const {
    sectorBytes = SECTOR_BYTES,
    tornBytes = sectorBytes,
    capacityBytes = Number.POSITIVE_INFINITY,
    strictNames = false,
    traceEntries = TRACE_ENTRIES,
  } = options;
  const faults = { ...DEFAULT_FAULTS, ...options.faults };
  validateFaults(faults);
  for (const [name, bytes, least] of [
    ['options.sectorBytes', sectorBytes, 1],
    ['options.tornBytes', tornBytes, sectorBytes],
  ] as const) {
    validateInteger(name, bytes, least, MOST_SECTOR_BYTES);
    if ((bytes & (bytes - 1)) !== 0) throw outOfRange(name, 'a power of two', bytes);
  }
  if (!(capacityBytes >= 0)) throw outOfRange('options.capacityBytes', '>= 0', capacityBytes);
  validateInteger('options.traceEntries', traceEntries, 1, Number.MAX_SAFE_INTEGER);
  const latency = latenciesOf(options.latency);
  const model = modelOf(options.model ?? 'posix');
  if (strictNames && model.metadata === 'ordered')
    throw invalidArgValue('options.strictNames', strictNames, `means nothing with '${model.name}'`);
  const disk = { faults, latency, sectorBytes, tornBytes, strictNames, model };
  return { disk, capacityBytes, traceEntries };
}

function latenciesOf(latency: SimulateOptions['latency']): Latencies {
  if (latency === undefined) return DEFAULT_LATENCIES;
  const latencies: Latencies =
    'kind' in latency
      ? { read: latency, write: latency, sync: latency, metadata: latency }
      : { ...DEFAULT_LATENCIES, ...latency };
  for (const [name, one] of Object.entries(latencies) as [string, Latency][]) {
    validateLatency(`options.latency.${name}`, one);
  }
  return latencies;
}
