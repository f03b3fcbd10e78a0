/** Comparing types in a program. */

/** Whether the compiler takes two types for the same one; assignable both ways is less, for `any` is that to everything. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles if the types are as alike as the last argument says. */
export function same<A, B>(_one: A, _other: B, _verdict: Same<A, B>): void {}
