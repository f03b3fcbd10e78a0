/**
 * Programs on the simulated machine as they are: what chosen packages import as `node:fs` is the simulation of the current test.
 *
 * @example
 * ```ts
 * import { simulate } from 'kaio/emulated';
 * import { register, use } from 'kaio/simulated';
 *
 * register({ packages: ['write-file-atomic'] });
 * const { default: writeFileAtomic } = await import('write-file-atomic');
 *
 * const simulation = simulate({ seed: 1 });
 * use(simulation);
 * const after = await simulation.crashDuring(() => writeFileAtomic('/settings', 'new'));
 * ```
 *
 * @module kaio/simulated
 */
import Module from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Chosen, chooserOf } from './simulated/chosen.ts';
import { facadeModule, facadeOf, isFs } from './simulated/facade.ts';

export { fs, promises } from './simulated/facade.ts';
export { during, use } from './simulated/current.ts';

/** Which modules see the simulation. */
export type RegisterOptions = Chosen;

type Load = (
  request: string,
  parent: { readonly filename?: string | null } | undefined,
  isMain: boolean,
) => unknown;
type Loader = { _load: Load };
type Resolved = { url: string; format?: string; shortCircuit?: boolean };
type Resolve = (
  specifier: string,
  context: { parentURL?: string | undefined; conditions?: readonly string[] },
  next: (specifier: string, context: unknown) => Resolved,
) => Resolved;

/**
 * From now on, what the chosen packages import or require as `fs`, `node:fs`, `fs/promises` or `node:fs/promises` is the simulation
 * that {@link use} or {@link during} says, and the host's own where neither does.
 *
 * @remarks To be called before they are loaded: what a module has imported already stays. It can be called again, for more. It holds
 * for this thread. By Node's module hooks, and for `require` by its loader.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no list of names.
 */
export function register(options: RegisterOptions): void {
  const isChosen = chooserOf(options);
  hookRequire((filename) => isChosen(filename));
  const { registerHooks } = Module as unknown as { registerHooks?: (hooks: { resolve: Resolve }) => void };
  if (registerHooks !== undefined) {
    registerHooks({
      resolve: (specifier, context, next) =>
        isFs(specifier) && !isRequire(context.conditions) && isChosen(pathOf(context.parentURL))
          ? { url: facadeModule(specifier), format: 'module', shortCircuit: true }
          : next(specifier, context),
    });
    return;
  }
  // Older versions ask hooks in a thread of their own, which is told by data.
  Module.register(new URL('./simulated/hooks.js', import.meta.url), {
    data: { chosen: options, modules: Object.fromEntries(NAMES.map((name) => [name, facadeModule(name)])) },
  });
}

const NAMES = ['fs', 'node:fs', 'fs/promises', 'node:fs/promises'];

function hookRequire(isChosen: (filename: string | undefined) => boolean): void {
  const loader = Module as unknown as Loader;
  const load = loader._load;
  const loadChosen: typeof load = function (this: unknown, request, parent, isMain) {
    return isFs(request) && isChosen(parent?.filename ?? undefined)
      ? facadeOf(request)
      : load.call(this, request, parent, isMain);
  };
  loader._load = loadChosen;
}

function isRequire(conditions: readonly string[] | undefined): boolean {
  return conditions?.includes('require') === true;
}

function pathOf(url: string | undefined): string | undefined {
  return url?.startsWith('file:') ? fileURLToPath(url) : undefined;
}
