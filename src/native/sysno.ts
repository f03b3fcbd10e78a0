/**
 * System call numbers of the AIO calls, of `statx` that tells what direct I/O needs, and of `ioctl`, by `process.arch`.
 *
 * Source: each architecture's `uapi/asm/unistd.h`. The generic table (arm64, riscv64, loong64) orders them differently
 * from x86. `io_pgetevents` is the variant that takes the word-sized timespec.
 */
export interface AioSysno {
  readonly io_setup: number;
  readonly io_destroy: number;
  readonly io_getevents: number;
  readonly io_submit: number;
  readonly io_cancel: number;
  readonly io_pgetevents: number;
  readonly statx: number;
  readonly ioctl: number;
}

const GENERIC: AioSysno = {
  io_setup: 0,
  io_destroy: 1,
  io_submit: 2,
  io_cancel: 3,
  io_getevents: 4,
  io_pgetevents: 292,
  statx: 291,
  ioctl: 29,
};

const consecutive = (io_setup: number, io_pgetevents: number, statx: number, ioctl: number): AioSysno => ({
  io_setup,
  io_destroy: io_setup + 1,
  io_getevents: io_setup + 2,
  io_submit: io_setup + 3,
  io_cancel: io_setup + 4,
  io_pgetevents,
  statx,
  ioctl,
});

/** By `process.arch`; an architecture that is missing here has no native kernel. */
export const SYSNO: Readonly<Record<string, AioSysno>> = {
  x64: consecutive(206, 333, 332, 16),
  arm64: GENERIC,
  riscv64: GENERIC,
  loong64: GENERIC,
  ia32: consecutive(245, 385, 383, 54),
  arm: consecutive(243, 399, 397, 54),
  ppc64: consecutive(227, 388, 383, 54),
  s390x: consecutive(243, 382, 379, 54),
};
