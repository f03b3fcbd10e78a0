/**
 * What kaio publishes through `node:diagnostics_channel`. Nothing is built while nobody listens.
 *
 * - `kaio:context:open` `{ context, kernel, queueDepth }`
 * - `kaio:context:close` `{ context }`: everything is given back.
 * - `kaio:submit` `{ kernel, requests, accepted }`: one `io_submit`, its answer as the kernel gave it.
 * - `kaio:complete` `{ kernel, syscall, fd, res }`: one event.
 * - `kaio:threadpool` `{ fd, operation, reason }`: an operation went to the thread pool instead.
 */
import { channel } from 'node:diagnostics_channel';

export const contextOpenChannel = channel('kaio:context:open');
export const contextCloseChannel = channel('kaio:context:close');
export const submitChannel = channel('kaio:submit');
export const completeChannel = channel('kaio:complete');
export const threadPoolChannel = channel('kaio:threadpool');
