import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import type { Op } from '../kernels/op.js';
import { elementwise, kernel, sums } from '../kernels/passes.js';
import type { Shader } from '../shaders/shader.js';
import { arenaSpace, groupTable, largestArena } from '../space/arena.js';
import type { PlacedVector, Space, TensorShape, Vector } from '../space/space.js';
import type { NamedRange } from '../space/stateful.js';
import { fillTensor } from '../space/vectors.js';
import type { Group } from './group.js';
import type { Flags, RulePasses, TensorSums, Vectors } from './rule-passes.js';
import { groupIndex, planSegments } from './segments.js';

export { passForms } from '../kernels/passes.js';

/* The passes of a rule of several: what a row asks for (rule-passes.ts), made. */

/** State that passes made: part of what an updater remembers. */
export interface PassState {
  readonly factors: readonly PlacedVector[];
  readonly scalars: readonly (NamedRange & { readonly initial: readonly number[] })[];
}

/** What passes are made from. */
interface PassOperands {
  readonly label: string;
  readonly buffers: BufferSet;
  readonly space: Space;
  readonly groups: readonly Group[];
  readonly param: Vector;
  readonly grad: Vector;
  readonly clock: BufferRange;
  readonly hyper: BufferRange;
  readonly slots: readonly Vector[];
}

/** The ops of a rule's passes, and the state that they keep beside the slots. */
export function passesOf(
  make: (step: RulePasses) => readonly Op[],
  operands: PassOperands,
): { readonly ops: readonly Op[]; readonly state: PassState } {
  const passes = new Passes(operands);
  const ops = make(passes);
  return { ops, state: passes.state };
}

class Passes implements RulePasses {
  readonly state: { factors: PlacedVector[]; scalars: (NamedRange & { readonly initial: readonly number[] })[] } = {
    factors: [],
    scalars: [],
  };
  readonly #operands: PassOperands;
  readonly groupOf: (tensor: string) => number;
  readonly tensors: readonly TensorShape[];
  #tables: readonly BufferRange[] | undefined;
  #segments: ReturnType<typeof planSegments> | undefined;
  #begins: BufferRange | undefined;

  constructor(operands: PassOperands) {
    this.#operands = operands;
    const { space, groups } = operands;
    this.groupOf = groupIndex(groups);
    this.tensors = space.tensors.filter(
      ({ name }) => space.partsOf(name).length > 0 && !groups[this.groupOf(name)]!.frozen,
    );
  }

  get device() {
    return this.#operands.buffers.device;
  }
  get space() {
    return this.#operands.space;
  }
  get replicas() {
    return this.space.replicas;
  }
  get groups() {
    return this.#operands.groups;
  }
  get param() {
    return this.#operands.param;
  }
  get grad() {
    return this.#operands.grad;
  }
  get clock() {
    return this.#operands.clock;
  }
  get hyper() {
    return this.#operands.hyper;
  }

  has(slot: string): boolean {
    return this.#operands.slots.some(({ name }) => name === slot);
  }

  slot(name: string): Vector {
    return this.#operands.slots.find((slot) => slot.name === name)!;
  }

  scratch(name: string): Vector {
    return this.space.vector(this.#operands.buffers, name);
  }

  memory(name: string, bytes: number): BufferRange {
    return range(this.#operands.buffers.storage(name, bytes), 0, bytes);
  }

  table(name: string, words: Uint32Array<ArrayBuffer>): BufferRange {
    return range(this.#operands.buffers.upload(name, words), 0, words.byteLength);
  }

  factors(
    name: string,
    shapeOf: (tensor: TensorShape) => readonly number[] | undefined,
    initial: (tensor: TensorShape) => number = () => 0,
  ): PlacedVector {
    const tensors = this.tensors.flatMap((tensor) => {
      const shape = shapeOf(tensor);
      return shape ? [{ name: tensor.name, shape, initial: initial(tensor) }] : [];
    });
    const { device } = this;
    const space = arenaSpace(tensors, { replicas: this.replicas, maxBytes: largestArena(device) });
    const vector = space.vector(this.#operands.buffers, name);
    for (const tensor of tensors) {
      if (tensor.initial === 0) continue;
      for (let replica = 0; replica < this.replicas; replica++)
        fillTensor(device, space, vector, tensor.name, tensor.initial, replica);
    }
    const placed = { space, vector };
    if (tensors.length > 0) this.state.factors.push(placed);
    return placed;
  }

  scalars(name: string, initial: readonly number[]): BufferRange {
    const values = Float32Array.from(
      { length: initial.length * this.replicas },
      (_, i) => initial[i % initial.length]!,
    );
    const own = range(this.#operands.buffers.upload(name, values), 0, values.byteLength);
    this.state.scalars.push({ name, ...own, initial });
    return own;
  }

  elementwise(pass: string, shader: Shader, vectors: Vectors, flags: Flags = {}): Op[] {
    const { space, replicas, hyper } = this;
    return space.spans.map(({ elements }, i) => {
      const buffers = { hyper, ...this.#ranges(vectors, i), group_of: this.#groupTables()[i]! };
      return elementwise(this.#name(pass, i), { shader, elements, constants: flags }, buffers, replicas);
    });
  }

  sums(pass: string, shader: Shader, vectors: Vectors, flags: Flags = {}): TensorSums {
    const { space, replicas, hyper } = this;
    this.#segments ??= planSegments(space, this.groups);
    const { tables, all, begins } = this.#segments;
    this.#begins ??= range(this.#operands.buffers.upload('segment-begins', begins), 0, begins.byteLength);
    const partial = this.memory(`${pass}-partial`, 16 * all * replicas);
    const ops = tables.flatMap(({ segments, table }, i) => {
      if (segments === 0) return [];
      const buffers = { hyper, ...this.#ranges(vectors, i), partial };
      return [sums(this.#name(pass, i), { shader, constants: flags, table }, buffers, replicas)];
    });
    return { ops, partial, begins: this.#begins, segments: all };
  }

  kernel(pass: string, spec: Omit<PassSpec, 'label' | 'replicas'> & { readonly replicas?: number }): Op {
    return kernel({ replicas: this.replicas, ...spec, label: `${this.#operands.label}/${pass}` });
  }

  #ranges(vectors: Vectors, span: number): Record<string, BufferRange> {
    return Object.fromEntries(
      Object.entries(vectors).map(([name, each]) => [name, 'ranges' in each ? each.ranges[span]! : each]),
    );
  }

  #groupTables(): readonly BufferRange[] {
    const { buffers, space } = this.#operands;
    this.#tables ??= space.spans.map((span, i) =>
      range(buffers.upload(`group-of-${i}`, groupTable(span, this.groupOf)), 0, span.elements / 16),
    );
    return this.#tables;
  }

  /** Numbered where there are several spans. */
  #name(pass: string, span: number): string {
    return `${this.#operands.label}/${pass}${this.space.spans.length === 1 ? '' : `-${span}`}`;
  }
}
