/** Which file system a descriptor is on, told by Linux in `/proc/self/mountinfo`. */
import { readFile } from 'node:fs/promises';
import { descriptorFlags } from './descriptor-flags.ts';

/** A line of mountinfo. */
export interface Mount {
  readonly id: number;
  /** `major:minor` of its files' `st_dev`; of btrfs another. */
  readonly device: string;
  readonly point: string;
  /** `ext4`, `overlay`, `fuse.sshfs`. */
  readonly type: string;
  /** What is mounted: a device, or a name. */
  readonly source: string;
  /** Those of the file system itself (`data=journal`), not of this mount of it. */
  readonly options: readonly string[];
}

/** @param text - `/proc/self/mountinfo`, whose fields proc_pid_mountinfo(5) tells. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ');
    if (after === undefined) continue;
    const [id, , device, , point] = before!.split(' ');
    const [type, source = '', options = ''] = after.split(' ');
    if (id === undefined || device === undefined || point === undefined || type === undefined) continue;
    mounts.push({
      id: Number(id),
      device,
      point: unescaped(point),
      type,
      source: unescaped(source),
      options: options.split(',').map(unescaped),
    });
  }
  return mounts;
}

/** Blanks, tabs, line ends and backslashes are written in octal. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

export async function mounts(): Promise<Mount[]> {
  try {
    return parseMounts(await readFile('/proc/self/mountinfo', 'latin1'));
  } catch {
    // Another platform, or no procfs.
    return [];
  }
}

/** @returns `undefined` where it is not known: another platform, no procfs, a mount of another namespace. */
export async function mountOf(fd: number): Promise<Mount | undefined> {
  const id = descriptorFlags(fd)?.mountId;
  return id === undefined ? undefined : (await mounts()).find((mount) => mount.id === id);
}

/** The value of an option, `upperdir` for example. */
export function optionOf(mount: Mount, name: string): string | undefined {
  const prefix = `${name}=`;
  return mount.options.find((option) => option.startsWith(prefix))?.slice(prefix.length);
}
