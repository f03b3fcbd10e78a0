/** Patterns of ids of cases. */

/** Whether a pattern means a case: `*` stands for anything. */
export function means(pattern: string, id: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (!id.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = part === '' ? id.length : id.indexOf(part, at);
    if (found === -1) return false;
    at = part === '' ? found : found + part.length;
  }
  return at === id.length;
}
