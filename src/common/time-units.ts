/** Units of time, in which kernels count, in those of JavaScript. */
export const NSEC_PER_MSEC = 1_000_000;
