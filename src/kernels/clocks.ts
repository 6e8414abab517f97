import { clocksShader } from '../shaders/train/clocks.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

export type ClocksOp = Op<'clocks', { readonly count: number; readonly back: boolean }>;

/**
 * Clocks of several optimizers into one range.
 *
 * @param shape how many replicas; `back` brings the other way whether each was halted, and nothing else
 * @param buffers place: [replicas] where each one's clock is in `own`; own, all
 */
export const clocks = (label: string, shape: ClocksOp['shape'], buffers: ClocksOp['buffers']): ClocksOp => ({
  kind: 'clocks',
  ...{ label, shape, buffers, replicas: 1 },
});

const WORKGROUP = 64;

export const clocksForms: readonly Form[] = [
  formOf<ClocksOp>('clocks', 'clocks', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: clocksShader,
      constants: { BACK: shape.back, WORKGROUP },
      shape: { replicas: shape.count },
      buffers,
      groups: Math.ceil(shape.count / WORKGROUP),
      replicas,
    },
  ]),
];
