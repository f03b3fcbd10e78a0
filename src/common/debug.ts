/** `NODE_DEBUG=kaio`: lines on standard error, as Node's own modules write them. */
import { environmentVariable } from './runtime.ts';

/** What writes a line, as `util.format()` has it. @returns `undefined` unless the environment asks for it. */
export function debugLog(): ((format: string, ...values: unknown[]) => void) | undefined {
  if (!environmentVariable('NODE_DEBUG')) return undefined;
  const log = process.getBuiltinModule('node:util').debuglog('kaio');
  return log.enabled ? log : undefined;
}
