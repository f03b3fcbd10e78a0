/** Reading imports out of TypeScript. */
import { initSync, parse } from 'es-module-lexer';

initSync();

/** One place where a file imports another. */
export interface Import {
  /** The module's name as it is written. */
  readonly specifier: string;
  /** What is taken of it, by the names it has there; `*` for all, none for an import that only runs it. */
  readonly names: readonly string[];
}

const REQUIRES = [
  /\b(?:require|resolve)\??\.?(?:\.resolve)?\(\s*(['"])([^'"\n]+)\1/g,
  /createRequire\([^()]*\)\(\s*(['"])([^'"\n]+)\1/g,
];

/** What a TypeScript source imports: statically, dynamically, as types, and by `require`. */
export function importsOf(source: string): Import[] {
  // The lexer is one for JavaScript. It copes with `import type` and with types; `export type { } from` it overlooks.
  const script = source.replace(/\bexport type (?=[{*])/g, 'export ');
  const imports: Import[] = [];
  for (const { n: specifier, ss, s, se, d } of parse(script)[0]) {
    if (specifier === undefined) continue;
    const names =
      d === -1 ? namesInClause(script.slice(ss, s)) : namesAround(script.slice(0, ss), script.slice(se));
    imports.push({ specifier, names });
  }
  for (const pattern of REQUIRES)
    for (const match of source.matchAll(pattern)) imports.push({ specifier: match[2]!, names: ['*'] });
  return imports;
}

/** Of `import a, { b as c } from '` and its like. */
function namesInClause(statement: string): string[] {
  const clause = statement
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    .replace(/^\s*(?:import|export)\s+(?:type\s+(?!,|from\b))?/, '')
    .replace(/\s*\bfrom\s*['"]$/, '');
  if (/^\s*(?:import\s*)?['"]/.test(clause)) return [];
  const braces = /\{([^}]*)\}/.exec(clause);
  const names = namesInBraces(braces?.[1] ?? '', /\s+as\s+/);
  const rest = clause.replace(/\{[^}]*\}/, '');
  if (rest.includes('*')) names.unshift('*');
  else if (/[\w$]/.test(rest)) names.unshift('default');
  return names;
}

/** Of `const { a: b } = await import('...')` and `import('...').a`; all, where it cannot be told. */
function namesAround(before: string, after: string): string[] {
  const property = /^\s*\)?\s*\.\s*([\w$]+)/.exec(after)?.[1];
  if (property !== undefined && property !== 'then') return [property];
  const pattern = /\{([^{}]*)\}\s*=\s*(?:await\s*)?\(?\s*$/.exec(before)?.[1];
  return pattern === undefined ? ['*'] : namesInBraces(pattern, /\s*:\s*/);
}

function namesInBraces(list: string, renaming: RegExp): string[] {
  return list
    .split(',')
    .map((one) => one.trim().replace(/^type\s+(?!as\b)/, ''))
    .filter((one) => one !== '')
    .map((one) => one.split(renaming)[0]!);
}
