/** Making a program small that shows something. */

/**
 * The smallest program that still shows it, as far as its smaller ones go.
 *
 * @param smaller - Programs that are a little smaller than one, those that are much smaller first.
 * @param most - Programs to try at most.
 */
export async function smallestOf<Program>(
  program: Program,
  smaller: (program: Program) => Iterable<Program>,
  shows: (program: Program) => Promise<boolean>,
  most: number,
): Promise<Program> {
  let smallest = program;
  let tried = 0;
  for (;;) {
    let found: Program | undefined;
    for (const candidate of smaller(smallest)) {
      if (tried === most) return smallest;
      tried++;
      if (!(await shows(candidate))) continue;
      found = candidate;
      break;
    }
    if (found === undefined) return smallest;
    smallest = found;
  }
}
