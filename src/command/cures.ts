/** What `kaio doctor` advises: for each way of doing without, the command that cures it. */

/** What of the report is looked at. */
export interface Symptoms {
  readonly backend: string;
  readonly reason: string;
  readonly platform: string;
  readonly aio_nr: string | number;
  readonly aio_max_nr: string | number;
  readonly ffi: string | number;
  readonly addon: string;
  readonly ring: string | number;
  readonly direct: string;
  readonly direct_reason: string;
  readonly directory: string;
}

interface Cure {
  /** Whether that is what is wrong. */
  readonly fits: (symptoms: Symptoms) => boolean;
  readonly command: string;
  readonly why: string;
}

/** So many contexts as usual, beside those that others have. */
const WANTED_EVENTS = 1024;

/** Machines that the package has an addon for. */
const PACKED_FOR = /^linux (x64|arm64)\b/;

const onLinux = ({ platform }: Symptoms): boolean => platform.startsWith('linux');
const isFull = ({ aio_nr, aio_max_nr }: Symptoms): boolean =>
  typeof aio_nr === 'number' && typeof aio_max_nr === 'number' && aio_max_nr - aio_nr < WANTED_EVENTS;

const CURES: readonly Cure[] = [
  {
    fits: ({ reason }) => /KAIO_(BACKEND|FFI) asks for/.test(reason),
    command: 'unset KAIO_BACKEND KAIO_FFI',
    why: 'they ask for what is used, or for what is not there',
  },
  {
    fits: ({ reason }) => /the process that tried it|nobody has seen/.test(reason),
    command: 'KAIO_BACKEND=native kaio doctor',
    why: 'tries koffi in this process: if it ends well, set KAIO_TRIAL=never',
  },
  {
    fits: (one) => onLinux(one) && /Cannot find (module|package) 'koffi'/.test(String(one.ffi)),
    command: 'npm install koffi',
    why: 'or run on Node.js 26.9 or later, which needs no package',
  },
  {
    fits: ({ reason, ffi }) =>
      /koffi's binary|native koffi module|ERR_DLOPEN_FAILED|invalid ELF|wrong ELF/i.test(`${reason} ${ffi}`),
    command: 'npm install koffi --include=optional',
    why: 'on this machine: its binary is missing, damaged or for another',
  },
  {
    fits: ({ reason, ffi }) =>
      /addons|ERR_DLOPEN_DISABLED/.test(`${reason} ${ffi}`) && /disabled/.test(`${reason} ${ffi}`),
    command: 'node --allow-addons ...',
    why: 'the permission model forbids addons, koffi among them',
  },
  {
    fits: ({ reason }) => /EPERM/.test(reason),
    command: 'docker run --security-opt seccomp=FILE',
    why: 'FILE allows io_setup, io_submit, io_getevents, io_destroy, io_cancel',
  },
  {
    fits: (one) => /EAGAIN/.test(one.reason) || isFull(one),
    command: 'sysctl -w fs.aio-max-nr=1048576',
    why: 'as root, on the host: nearly all of it is taken',
  },
  {
    fits: ({ addon }) => addon.includes('KAIO_ADDON=0'),
    command: 'unset KAIO_ADDON',
    why: 'worker threads need the addon, and so do pins',
  },
  {
    fits: (one) => onLinux(one) && /damaged|another version of kaio|built for|not kaio's/.test(one.addon),
    command: 'npm install kaio --force',
    why: 'on this machine: the addon is damaged, or for another',
  },
  {
    fits: (one) => onLinux(one) && /'node-gyp-build'/.test(one.addon),
    command: 'npm install kaio --force',
    why: 'what kaio depends on is not installed: node-gyp-build finds the addon',
  },
  {
    fits: (one) => PACKED_FOR.test(one.platform) && /No native build/i.test(one.addon),
    command: 'npm install kaio --force',
    why: 'its folder prebuilds/ is missing; in a checkout of kaio: npm run build:addon',
  },
  {
    fits: (one) => onLinux(one) && !PACKED_FOR.test(one.platform) && /No native build/i.test(one.addon),
    command: 'npm run build:addon',
    why: 'in a checkout of kaio, copied to prebuilds/: none is packed for this machine',
  },
  {
    fits: (one) => onLinux(one) && one.direct.startsWith('no: ') && one.direct_reason !== 'not tried',
    command: 'kaio doctor --directory DIR',
    why: 'of ext4, XFS, btrfs or a disk: this folder has no direct I/O',
  },
];

/** Commands, with the reason behind `#`, in the order in which they matter. Empty where nothing is done without. */
export function curesOf(symptoms: Symptoms): string[] {
  return CURES.filter(({ fits }) => fits(symptoms)).map(({ command, why }) => `${command}  # ${why}`);
}
