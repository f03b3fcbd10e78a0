/** The ABI: numbers, layouts, encoders, decoders, and preparation helpers. */
export * from './constants.ts';
export * from './errno.ts';
export * from './layout.ts';
export * from './prep.ts';
export * from './structs.ts';
