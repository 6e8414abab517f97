import { samNormShader } from '../shaders/optim/sam_norm.gen.js';
import { samPerturbShader } from '../shaders/optim/sam_perturb.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

interface Shape {
  readonly segments: number;
  readonly all: number;
  readonly stride: number;
  readonly grad_first: number;
  readonly param_first: number;
  readonly adaptive: boolean;
}

export type SamNormOp = Op<'sam-norm', Shape>;

/** Sums of squares by segment. @param buffers segments, grad, param, partial */
export const samNorm = (
  label: string,
  shape: SamNormOp['shape'],
  buffers: SamNormOp['buffers'],
  replicas: number,
): SamNormOp => ({ kind: 'sam-norm', label, shape, buffers, replicas });

export type SamPerturbOp = Op<'sam-perturb', Shape & { readonly kept_first: number; readonly rho: number }>;

/** Parameters kept, and moved uphill. @param buffers segments, partial, grad, kept, param */
export const samPerturb = (
  label: string,
  shape: SamPerturbOp['shape'],
  buffers: SamPerturbOp['buffers'],
  replicas: number,
): SamPerturbOp => ({ kind: 'sam-perturb', label, shape, buffers, replicas });

export const samForms: readonly Form[] = [
  formOf<SamNormOp>('sam-norm', 'sam-norm', ({ label, shape: { adaptive, ...shape }, buffers, replicas }) => [
    {
      label,
      shader: samNormShader,
      constants: { ADAPTIVE: adaptive },
      shape,
      buffers: adaptive ? buffers : { ...buffers, param: undefined },
      groups: shape.segments,
      replicas,
    },
  ]),
  formOf<SamPerturbOp>('sam-perturb', 'sam-perturb', ({ label, shape: { adaptive, ...shape }, buffers, replicas }) => [
    {
      label,
      shader: samPerturbShader,
      constants: { ADAPTIVE: adaptive },
      shape,
      buffers,
      groups: shape.segments,
      replicas,
    },
  ]),
];
