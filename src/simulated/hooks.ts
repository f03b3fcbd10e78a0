/** Module hooks for versions of Node that ask them in a thread of their own. */
import { fileURLToPath } from 'node:url';
import { type Chosen, chooserOf } from './chosen.ts';

interface HookData {
  readonly chosen: Chosen;
  /** The URL of what takes the place of a module. */
  readonly modules: Readonly<Record<string, string>>;
}

let modules: HookData['modules'] = {};
let isChosen: (path: string | undefined) => boolean = () => false;

export function initialize(data: HookData): void {
  modules = data.modules;
  isChosen = chooserOf(data.chosen);
}

export async function resolve(
  specifier: string,
  context: { readonly parentURL?: string },
  next: (specifier: string, context: unknown) => Promise<unknown>,
): Promise<unknown> {
  const url = modules[specifier];
  const { parentURL } = context;
  const path = parentURL?.startsWith('file:') ? fileURLToPath(parentURL) : undefined;
  return url !== undefined && isChosen(path)
    ? { url, format: 'module', shortCircuit: true }
    : next(specifier, context);
}
