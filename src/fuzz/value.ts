/** Arguments as data, for programs that are printed and read again. */

/** Plain data stands for itself, and what is no data for something that is made at the call. */
export type Value<Made> =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Value<Made>[]
  | { readonly [key: string]: Value<Made> }
  | Made;
