/** The end of a program: everything is woken, answered, closed and let go, and then looked at. */
import type { ContextSteps } from './context-steps.ts';
import type { Course } from './course.ts';
import type { DescriptorSteps } from './descriptor-steps.ts';
import type { FileSteps } from './file-steps.ts';
import type { InstalledSteps } from './installed-steps.ts';
import type { MemorySteps } from './memory-steps.ts';
import type { SignalSteps } from './signal-steps.ts';
import type { StreamSteps } from './stream-steps.ts';

/** What a program was made of. */
export interface Parts {
  readonly course: Course;
  readonly memory: MemorySteps;
  readonly signals: SignalSteps;
  readonly contexts: ContextSteps;
  readonly descriptors: DescriptorSteps;
  readonly installed: InstalledSteps;
  readonly files: FileSteps;
  readonly streams: StreamSteps;
}

/** @param at - Is told where it is, for when it does not end. */
export async function endProgram(parts: Parts, at: (where: string) => void): Promise<void> {
  const { course, memory, signals, contexts, descriptors, installed, files, streams } = parts;
  const { world, requests } = course;
  const { kernel, events } = world;
  course.isEnding = true;
  for (const undo of course.undo.splice(0)) undo();
  // What was aborted ends although nobody wakes it.
  at('at the end, waiting for polls that were aborted');
  while (course.wrong === undefined && [...requests.live].some((request) => signals.wasAborted(request)))
    await new Promise((resolve) => setImmediate(resolve));
  at('at the end, with everything answered and woken');
  for (const event of events) kernel.eventfd_write(event, 1n);
  installed.answerAll();
  await course.allSettled();
  files.closeAll();
  await course.allSettled();
  await descriptors.end();
  installed.end();
  files.forget();
  for (const event of events) kernel.eventfd_read(event);
  await contexts.end();
  await streams.end();
  for (const one of memory.made) course.complain(one.check());
  course.complain(world.checkSoon() ?? world.remember(memory.made));
}
