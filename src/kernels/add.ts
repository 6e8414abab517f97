import type { BufferRange } from '../gpu/buffers.js';
import type { Op } from './op.js';

export type AddOp = Op<
  'add',
  {
    /** Of one replica; a multiple of 4, and from one replica to the next. */
    readonly elements: number;
    readonly scale: number;
    readonly onto: boolean;
  }
>;

/** goal += scale · source, element by element; or goal = scale · source. */
export const add = (operands: {
  readonly label: string;
  readonly source: BufferRange;
  readonly goal: BufferRange;
  /** Of one replica, a multiple of 4. */
  readonly elements: number;
  readonly replicas?: number;
  /** Default 1. */
  readonly scale?: number;
  /** Adds to what stands there. Default true. */
  readonly onto?: boolean;
}): AddOp => {
  const { label, source, goal, elements, replicas = 1, scale = 1, onto = true } = operands;
  return { kind: 'add', label, shape: { elements, scale, onto }, buffers: { source, goal }, replicas };
};
