/** The program that runs this: Node.js, or another one with its interfaces. */

type Permission = { name: 'env'; variable: string } | { name: 'read'; path: string };

/** What of Deno's own interface is used. */
interface Deno {
  readonly permissions: { querySync(descriptor: Permission): { readonly state: string } };
}

/** Deno asks whoever sits at the terminal for a permission that is missing: what can be done without is not worth that. */
function isGranted(permission: Permission): boolean {
  const { Deno } = globalThis as { Deno?: Deno };
  return Deno === undefined || Deno.permissions.querySync(permission).state === 'granted';
}

/** An environment variable, as `process.env` has it. @returns `undefined` also where it may not be read. */
export function environmentVariable(name: string): string | undefined {
  return isGranted({ name: 'env', variable: name }) ? process.env[name] : undefined;
}

/** Whether a file that only makes things better may be looked at without asking anybody. */
export function mayRead(path: string): boolean {
  return isGranted({ name: 'read', path });
}
