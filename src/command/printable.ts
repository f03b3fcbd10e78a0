/** Text that a terminal shows and never obeys. */
import { isUtf8 } from 'node:buffer';

/** Controls, line and paragraph separators, and what turns the direction of writing. */
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
/** The same, but for the ends of lines. */
const OBEYED_IN_A_LINE = /[^\P{Cc}\n]|[\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapeOf(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0)!;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** On one line, with escapes as in JavaScript. Of bytes that are not UTF-8 all beyond ASCII are escaped. */
export function printable(text: string | Buffer): string {
  if (typeof text === 'string') return text.replace(OBEYED, escapeOf);
  if (isUtf8(text)) return printable(text.toString('utf8'));
  return printable(text.toString('latin1')).replace(/[^\p{ASCII}]/gu, escapeOf);
}

function withNames(text: string, names: readonly string[]): string {
  return names.reduce(
    (told, name) => (name === '' ? told : told.replaceAll(name, () => printable(name))),
    text,
  );
}

/** The same for text of several lines, which stay lines. @param names - In the text, where ends of lines do not count. */
export function printableLines(text: string, names: readonly string[] = []): string {
  return withNames(text, names).replace(OBEYED_IN_A_LINE, escapeOf);
}

/** The first line of what an error says. Names of files in it may hold ends of lines, which do not count. */
export function errorLine(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const names = ['path', 'dest'].flatMap((key) => {
    const name: unknown = Reflect.get(error, key);
    return typeof name === 'string' ? [name] : [];
  });
  return printable(withNames(error.message, names).split('\n')[0]!);
}
