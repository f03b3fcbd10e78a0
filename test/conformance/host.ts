/** What the host gives beside the kernel: pipes, sockets, memory files. Injected; a kernel alone has none. */

export interface Host {
  /** @returns The reading and the writing end. */
  pipe(nonblocking: boolean): readonly [number, number];
  /** @returns Two connected unix stream sockets. */
  socketpair(nonblocking: boolean): readonly [number, number];
  /** Any function of the C library, by name; negative answers are errnos. */
  call(name: string, ...words: readonly (number | bigint)[]): number;
}
