import { averageShader } from '../shaders/optim/average.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** How an average takes in one more set of weights: w = 1 - decay, corrected or not, or all alike. */
export interface AverageWeights {
  /** Of the newest weights: 1 - decay, formed in float64. */
  readonly weight: number;
  /** All alike: `weight` is not asked for. */
  readonly equal: boolean;
  /** 1 - decay^(2^i) for i from 0 to 31, formed in float64: there where the average is corrected for its start at 0. */
  readonly reach?: Float32Array<ArrayBuffer>;
  /** The first update that takes part, counted from 1, and how many apart they are. */
  readonly start: number;
  readonly every: number;
}

export type AverageOp = Op<'average', Omit<AverageWeights, 'reach'> & { readonly elements: number }>;

/**
 * average += w·(param - average) in one arena, after an update that was applied.
 *
 * @param shape `elements` of one replica, a multiple of 4
 * @param buffers clock, param, average; reach where the average is corrected
 */
export const average = (label: string, shape: AverageOp['shape'], buffers: AverageOp['buffers'], replicas = 1) =>
  ({ kind: 'average', label, shape, buffers, replicas }) satisfies AverageOp;

const WORKGROUP = 64;
/** Enough workgroups to fill a large GPU; the kernel strides over the rest. */
const MAX_GROUPS = 4096;

export const averageForms: readonly Form[] = [
  formOf<AverageOp>('average/quads', 'average', ({ label, shape, buffers, replicas }) => {
    const { elements, equal, ...rest } = shape;
    const quads = elements / 4;
    return [
      {
        label,
        shader: averageShader,
        constants: { EQUAL: equal, DEBIAS: buffers.reach !== undefined, WORKGROUP },
        shape: { ...rest, quads },
        buffers,
        groups: Math.min(Math.ceil(quads / WORKGROUP), MAX_GROUPS),
        replicas,
      },
    ];
  }),
];
