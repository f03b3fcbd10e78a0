/** Runs one program, and judges what becomes of it. */
import { ContextSteps } from './context-steps.ts';
import { Course } from './course.ts';
import { DescriptorSteps } from './descriptor-steps.ts';
import { FileSteps } from './file-steps.ts';
import { InstalledSteps } from './installed-steps.ts';
import { ListenerSteps } from './listener-steps.ts';
import { MemorySteps } from './memory-steps.ts';
import { Places } from './places.ts';
import type { Program, Step } from './program.ts';
import { endProgram } from './program-end.ts';
import { RequestSteps } from './request-steps.ts';
import { SignalSteps } from './signal-steps.ts';
import { StreamSteps } from './stream-steps.ts';
import { waitFor } from './waits.ts';
import { collectGarbage, type World } from './world.ts';

/** The outcome of a program: what is wrong, if anything. */
export interface Outcome {
  readonly steps: number;
  readonly wrong: string | undefined;
}

export class Run {
  steps = 0;
  readonly #course: Course;
  readonly #memory: MemorySteps;
  readonly #signals: SignalSteps;
  readonly #contexts: ContextSteps;
  readonly #descriptors: DescriptorSteps;
  readonly #installed: InstalledSteps;
  readonly #files: FileSteps;
  readonly #streams: StreamSteps;
  readonly #requests: RequestSteps;
  readonly #listeners: ListenerSteps;
  #where = 'before the first step';

  constructor(world: World) {
    const course = new Course(world, (step) => this.#step(step));
    const memory = new MemorySteps(course);
    const signals = new SignalSteps(course);
    const contexts = new ContextSteps(course);
    const descriptors = new DescriptorSteps(course);
    const installed = new InstalledSteps(course);
    const files = new FileSteps(course, memory, signals, contexts, descriptors);
    const places = new Places(course, files, descriptors, installed);
    this.#course = course;
    this.#memory = memory;
    this.#signals = signals;
    this.#contexts = contexts;
    this.#descriptors = descriptors;
    this.#installed = installed;
    this.#files = files;
    this.#streams = new StreamSteps(course, files);
    this.#requests = new RequestSteps(course, memory, signals, contexts, places);
    this.#listeners = new ListenerSteps(course);
  }

  /** What it is at, for when it does not end. */
  get state(): string {
    const { requests, pending } = this.#course;
    const live = [...requests.live].map(({ what }) => what);
    return `${this.#where}; not settled: ${live.length > 0 ? live.join(', ') : `${pending.size} promises`}`;
  }

  async run(program: Program): Promise<Outcome> {
    for (const [index, step] of program.entries()) {
      if (this.#course.wrong !== undefined) break;
      this.#where = `at step ${index + 1} (${step.do})`;
      await this.#step(step);
    }
    this.#where = 'after the last step';
    await endProgram(
      {
        course: this.#course,
        memory: this.#memory,
        signals: this.#signals,
        contexts: this.#contexts,
        descriptors: this.#descriptors,
        installed: this.#installed,
        files: this.#files,
        streams: this.#streams,
      },
      (where) => {
        this.#where = where;
      },
    );
    return { steps: this.steps, wrong: this.#course.wrong };
  }

  /** @returns When it is done, if the program waits for that. */
  #step(step: Step): Promise<unknown> | undefined {
    this.steps++;
    switch (step.do) {
      case 'open':
        return this.#files.open(step.file, step.opening, step.context);
      case 'adopt':
        return this.#files.adopt(step.file, step.own);
      case 'descriptor':
        return this.#descriptors.open(step);
      case 'exhaust descriptors':
        return this.#descriptors.exhaust(step.leave, step.body);
      case 'wait':
        return waitFor(step.how, this.#course.requests);
      default:
        this.#begin(step);
        return undefined;
    }
  }

  /** What nobody waits for before the next step. */
  #begin(
    step: Exclude<Step, { do: 'open' | 'adopt' | 'descriptor' | 'exhaust descriptors' | 'wait' }>,
  ): void {
    switch (step.do) {
      case 'memory':
        this.#memory.make(step.memory, step.kind, step.sectors);
        return;
      case 'hand over':
        this.#memory.handOver(step.memory, step.how);
        return;
      case 'resize':
        this.#memory.resize(step.memory, step.sectors);
        return;
      case 'give back':
        this.#memory.giveBack(step.memory);
        return;
      case 'read':
      case 'write':
        this.#requests.transfer(step.do, step.context, step.place, step.view, step.extras);
        return;
      case 'readv':
      case 'writev':
        this.#requests.vectored(step);
        return;
      case 'submit':
        this.#requests.submit(step);
        return;
      case 'sync':
        this.#requests.sync(step);
        return;
      case 'poll':
        this.#requests.poll(step.context, step.event, step.extras);
        return;
      case 'wake': {
        const { kernel, events } = this.#course.world;
        kernel.eventfd_write(events[step.event]!, 1n);
        return;
      }
      case 'abort':
        this.#signals.abort(step.signal);
        return;
      case 'on abort':
        this.#signals.onAbort(step.signal, step.body);
        return;
      case 'context':
        this.#contexts.make(step);
        return;
      case 'close context':
        this.#contexts.closeOwn();
        return;
      case 'drop context':
        this.#contexts.drop();
        return;
      case 'close shared context':
        this.#contexts.closeShared();
        return;
      case 'drain':
        this.#contexts.drain(step.context);
        return;
      case 'file read':
      case 'file write':
      case 'file readFully':
      case 'file writeFully':
        this.#files.transfer(step);
        return;
      case 'file readv':
      case 'file writev':
        this.#files.vectored(step);
        return;
      case 'file readFile':
        this.#files.readFile(step.file);
        return;
      case 'file sync':
        this.#files.sync(step.file);
        return;
      case 'file stat':
        this.#files.stat(step.file);
        return;
      case 'close file':
        this.#files.closeAt(step.file);
        return;
      case 'drop file':
        this.#files.drop(step.file);
        return;
      case 'stream':
        this.#streams.begin(step.file, step.stream);
        return;
      case 'close descriptor':
        this.#course.track(this.#descriptors.close(step.own) ?? Promise.resolve());
        return;
      case 'reuse descriptor':
        this.#descriptors.reuse(step.own);
        return;
      case 'install':
        this.#installed.install(step.file, step.answer, step.body);
        return;
      case 'answer':
        this.#installed.answer(step.file);
        return;
      case 'feed pipe':
        this.#installed.feedPipe(step.bytes);
        return;
      case 'subscribe':
        this.#listeners.subscribe(step.channel, step.body);
        return;
      case 'promise hook':
        this.#listeners.hook(step.after, step.body);
        return;
      case 'collect garbage':
        collectGarbage();
    }
  }
}
