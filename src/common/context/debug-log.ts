/** `NODE_DEBUG=kaio`: what the diagnostics channels tell, on standard error, as Node's own modules do it. */
import { subscribe } from 'node:diagnostics_channel';
import { debugLog } from '../debug.ts';
import type { DiagnosticsMessages } from './channels.ts';

type Lines = {
  readonly [Name in keyof DiagnosticsMessages]: (message: DiagnosticsMessages[Name]) => string;
};

const LINES: Lines = {
  'kaio:context:open': ({ kernel, queueDepth }) =>
    `context opened on the ${kernel.name} kernel (${kernel.release}), queue depth ${queueDepth}`,
  'kaio:context:close': () => 'context closed',
  'kaio:submit': ({ kernel, requests, accepted }) => `io_submit(${requests}) = ${accepted} (${kernel.name})`,
  'kaio:complete': ({ kernel, syscall, fd, res }) => `${syscall}(fd ${fd}) = ${res} (${kernel.name})`,
  'kaio:threadpool': ({ fd, operation, reason }) =>
    `${operation}(fd ${fd}) goes to the thread pool: ${reason}`,
};

let begun = false;

/** Begins to log when the environment asks for it. Costs one look at the environment in a process. */
export function logWhenAsked(): void {
  if (begun) return;
  begun = true;
  const log = debugLog();
  if (log === undefined) return;
  for (const [name, line] of Object.entries(LINES))
    subscribe(name, (message) => log('%s', line(message as never)));
}
