/** The order in which changes of a disk happened, whatever they change. Only which is earlier means anything. */

let last = 0;

/** The next number. */
export function nextOrder(): number {
  last++;
  return last;
}

/** That of the change that happened last. */
export function orderNow(): number {
  return last;
}
