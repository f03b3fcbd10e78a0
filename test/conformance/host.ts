/** What the host gives beside the kernel: pipes, sockets, memory files. Injected; a kernel alone has none. */

export interface Host {
  /** @returns The reading and the writing end. */
  pipe(nonblocking: boolean): readonly [number, number];
  /** @returns Two connected unix stream sockets. */
  socketpair(nonblocking: boolean): readonly [number, number];
  /** @returns A file whose reads wait until they are cancelled; no real kernel here has one. */
  cancellable?(): number;
  /** @returns A file that moves at most so many bytes in one call of its methods. */
  slow?(bytes: number, stream: boolean): number;
  /** Any function of the C library, by name; negative answers are errnos. */
  call(name: string, ...words: readonly (number | bigint)[]): number;
}
