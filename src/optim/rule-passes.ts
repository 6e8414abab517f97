import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import type { Op } from '../kernels/op.js';
import type { Shader } from '../shaders/shader.js';
import type { PlacedVector, Space, TensorShape, Vector } from '../space/space.js';

/*
 * What a rule of several passes is made of. Everything lies in padded arenas, whoever owns parameters and gradients: a row's
 * `passes` says which kernels run over them, in order, once `advance` has written the step's records.
 */

/** Sums over tensors, by segments: who uses them adds the segments of a group in their order. */
export interface TensorSums {
  readonly ops: readonly Op[];
  /** A vec4f for each replica and segment, by replica. */
  readonly partial: BufferRange;
  /** u32: the first segment of each group, and the end. A row with `perTensor` has a group for each tensor. */
  readonly begins: BufferRange;
  readonly segments: number;
}

/** Arrays by the names of their bindings: laid out as the parameters, or any memory that is the same for all of them. */
export type Vectors = Readonly<Record<string, Vector | BufferRange>>;
export type Flags = Readonly<Record<string, number | boolean>>;

/** What a row's `passes` has at hand. */
export interface RulePasses {
  readonly device: GPUDevice;
  readonly space: Space;
  readonly replicas: number;
  /** Records of `hyper` are per group and replica: record = group · replicas + replica. */
  readonly groups: readonly {
    readonly tensors: readonly string[];
    readonly frozen: boolean;
    /** By replica. Settings that are `fixed` in the row are the same for all. */
    readonly rules: readonly { readonly hyper: Readonly<Record<string, unknown>> }[];
  }[];
  /** The group of a tensor. */
  groupOf(tensor: string): number;
  /** Tensors that are trained. */
  readonly tensors: readonly TensorShape[];
  readonly param: Vector;
  /** As it came: neither scaled nor clipped. */
  readonly grad: Vector;
  readonly clock: BufferRange;
  /** The step's records, which passes may change: a layer's own rate, say. */
  readonly hyper: BufferRange;
  /** Whether some group's settings use a state slot. */
  has(slot: string): boolean;
  /** A state slot that the settings use. */
  slot(name: string): Vector;
  /** Memory for the numbers of one step, laid out as the parameters. */
  scratch(name: string): Vector;
  /** Any memory for the numbers of one step. */
  memory(name: string, bytes: number): BufferRange;
  /** Words that never change, uploaded. */
  table(name: string, words: Uint32Array<ArrayBuffer>): BufferRange;
  /** State of another shape than the parameters': by tensor; those without a shape have none. */
  factors(
    name: string,
    shapeOf: (tensor: TensorShape) => readonly number[] | undefined,
    initial?: (tensor: TensorShape) => number,
  ): PlacedVector;
  /** State that is a few f32 numbers for each replica, and what they start with. */
  scalars(name: string, initial: readonly number[]): BufferRange;
  /** A pass of a rule's function over every element. @param vectors by the names of its bindings */
  elementwise(pass: string, shader: Shader, vectors: Vectors, flags?: Flags): Op[];
  /** A pass of a rule's `terms` over every element of what is trained, summed. @param vectors by the names of its bindings */
  sums(pass: string, shader: Shader, vectors: Vectors, flags?: Flags): TensorSums;
  /** Any other kernel. */
  kernel(pass: string, spec: Omit<PassSpec, 'label' | 'replicas'> & { readonly replicas?: number }): Op;
}
