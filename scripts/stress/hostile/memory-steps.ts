/** Steps on memory: making it, looking at parts of it, handing it on, growing and shrinking it. */
import { type Course, once } from './course.ts';
import { CanaryMemory, type OwnedMemory, SECTOR_BYTES } from './memory.ts';
import { throwsNot } from './outcomes.ts';
import type { Handover, ViewShape } from './program.ts';
import { nameOf, type Part } from './requests.ts';
import { makeView, roundedFor } from './views.ts';
import { POOLED_BYTES } from './world.ts';

/** A view, and what is known of it. */
export interface Taken {
  readonly view: NodeJS.ArrayBufferView;
  readonly part: Part | undefined;
  /** Whether the engine can be asked for nothing better. */
  readonly isHonest: boolean;
  readonly isAligned: boolean;
}

/** Whether bytes of a vector may lie elsewhere in its file: a view that names another memory may have less room than it says. */
export function movesOthers(taken: readonly Taken[]): boolean {
  return taken.length > 1 && taken.some(({ isHonest }) => !isHonest);
}

export class MemorySteps {
  /** All that was made, and what has become of it. */
  readonly made: (CanaryMemory | OwnedMemory)[] = [];
  readonly #course: Course;
  readonly #memories: (CanaryMemory | undefined)[] = [];
  readonly #early: (NodeJS.ArrayBufferView | undefined)[] = [];

  constructor(course: Course) {
    this.#course = course;
  }

  make(index: number, kind: CanaryMemory['kind'], sectors: number): CanaryMemory {
    const { pool, misalignment } = this.#course.world;
    const memory = new CanaryMemory(
      kind,
      kind === 'pooled' ? POOLED_BYTES / SECTOR_BYTES : sectors,
      pool,
      misalignment,
    );
    this.#memories[index] = memory;
    this.#early[index] = new Uint8Array(memory.buffer, memory.from, Math.min(SECTOR_BYTES, memory.bytes));
    this.made.push(memory);
    return memory;
  }

  at(index: number): CanaryMemory {
    return this.#memories[index] ?? this.make(index, 'plain', 16);
  }

  /** A view of a shape, cut to what there is. */
  view(shape: ViewShape): Taken {
    const memory = this.at(shape.memory);
    const asked = shape.asked === undefined ? undefined : once(() => this.#course.body(shape.asked!));
    if (!memory.isUsable) {
      // Used once more, and then it is another.
      this.#memories[shape.memory] = undefined;
      return { view: this.#early[shape.memory]!, part: undefined, isHonest: false, isAligned: false };
    }
    const at = (shape.at * SECTOR_BYTES) % memory.bytes;
    const bytes = roundedFor(shape.type, Math.min(shape.bytes, memory.bytes - at));
    const from = memory.from + at;
    const elsewhere = (): ArrayBufferLike => this.at((shape.memory + 1) % 3).buffer;
    const view = makeView(shape, memory.buffer, from, bytes, elsewhere, asked);
    return {
      view,
      part: { memory, range: { from, to: from + bytes } },
      isHonest:
        shape.lie === undefined &&
        asked === undefined &&
        memory.kind !== 'resizable' &&
        memory.kind !== 'growable',
      isAligned:
        bytes % SECTOR_BYTES === 0 && (this.#course.world.backend === 'native' || memory.kind !== 'plain'),
    };
  }

  handOver(index: number, how: Handover): void {
    const memory = this.at(index);
    if (memory.kind.includes('shared') || memory.kind === 'growable' || memory.isGone || memory.isGivenBack)
      return;
    // Its slab is that of others.
    if (memory.kind === 'pooled' || memory.kind === 'aligned' || memory.kind === 'wasm') {
      this.#course.complain(
        throwsNot(() => memory.handOver(how), `${how} took the memory of WebAssembly away`, true),
      );
      return;
    }
    const isUsed = this.#course.requests.uses(memory);
    const wrong = memory.check();
    try {
      const owned = memory.handOver(how);
      if (owned === undefined) return;
      // What was in it is looked at no more.
      this.#course.complain(wrong);
      this.made.push(owned);
    } catch (error) {
      if (!isUsed && !this.#course.world.without.has('refusals'))
        this.#course.complain(`${how} of memory that nothing uses was refused: ${nameOf(error)}`);
      return;
    }
    this.#course.requests.taintMemory(memory);
  }

  resize(index: number, sectors: number): void {
    const memory = this.at(index);
    if (!memory.isSizable) return;
    const isUsed = this.#course.requests.uses(memory);
    const isWasm = memory.kind === 'wasm' || memory.kind === 'wasm-shared';
    if (!isWasm) this.#course.requests.taintMemory(memory);
    try {
      memory.resize(sectors);
    } catch (error) {
      // It has a limit.
      if (
        !isUsed &&
        isWasm &&
        !this.#course.world.without.has('refusals') &&
        memory.buffer.byteLength < memory.mostBytes
      )
        this.#course.complain(
          `memory.grow() was refused, although nothing uses the memory: ${nameOf(error)}`,
        );
      return;
    }
    if (!isWasm) return;
    // Views of what it was are empty now; what is in flight goes on in the same place.
    for (const request of this.#course.requests.live)
      if (request.parts.some((part) => part.memory === memory)) request.mayFail = true;
  }

  giveBack(index: number): void {
    const memory = this.#memories[index];
    if (memory?.kind !== 'pooled' || this.#course.requests.uses(memory)) return;
    if (memory.isGivenBack) {
      this.#course.complain(
        throwsNot(() => memory.giveBack(this.#course.world.pool), 'a pool took a buffer back twice'),
      );
    } else {
      this.#course.complain(memory.check());
      memory.giveBack(this.#course.world.pool);
      this.#memories[index] = undefined;
    }
  }
}
