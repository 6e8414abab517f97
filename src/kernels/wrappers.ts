import { cautiousShader } from '../shaders/optim/cautious.gen.js';
import { cautiousSignShader } from '../shaders/optim/cautious_sign.gen.js';
import { gradientNoiseShader } from '../shaders/optim/gradient_noise.gen.js';
import { centralizeShader } from '../shaders/space/centralize.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/* What goes round an update: gradients changed before it, parameters after it. */

type Sized<N extends string> = Readonly<Record<N, number>>;

export type CentralizeOp = Op<'centralize', Sized<'first' | 'stride' | 'inputs' | 'outputs' | 'inner' | 'outer'>>;

/** Takes the mean over the inputs off a matrix' gradient. @param buffers grad */
export const centralize = (
  label: string,
  shape: CentralizeOp['shape'],
  buffers: CentralizeOp['buffers'],
  replicas: number,
): CentralizeOp => ({ kind: 'centralize', label, shape, buffers, replicas });

const COLUMNS = 16;

export const centralizeForms: readonly Form[] = [
  formOf<CentralizeOp>('centralize', 'centralize', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: centralizeShader,
      constants: { COLUMNS },
      shape: { ...shape, inverse: 1 / shape.inputs },
      buffers,
      groups: Math.ceil(shape.outputs / COLUMNS),
      replicas,
    },
  ]),
];

export type GradientNoiseOp = Op<'gradient-noise', Sized<'segments' | 'first' | 'stride' | 'micro' | 'power'>>;

/** g += sigma·n. @param buffers clock, segments, numbers, tables, keys, grad */
export const gradientNoise = (
  label: string,
  shape: GradientNoiseOp['shape'],
  buffers: GradientNoiseOp['buffers'],
  replicas: number,
): GradientNoiseOp => ({ kind: 'gradient-noise', label, shape, buffers, replicas });

export const gradientNoiseForms: readonly Form[] = [
  formOf<GradientNoiseOp>('gradient-noise', 'gradient-noise', ({ label, shape, buffers, replicas }) => [
    { label, shader: gradientNoiseShader, constants: {}, shape, buffers, groups: shape.segments, replicas },
  ]),
];

export type CautiousSignOp = Op<
  'cautious-sign',
  Sized<'segments' | 'stride' | 'first' | 'before_first' | 'signs_first'> & { readonly unit: number | undefined }
>;

/** Signs of the gradient that the rule is to see. @param buffers hyper, segments, grad, before, signs */
export const cautiousSign = (
  label: string,
  shape: CautiousSignOp['shape'],
  buffers: CautiousSignOp['buffers'],
  replicas: number,
): CautiousSignOp => ({ kind: 'cautious-sign', label, shape, buffers, replicas });

export type CautiousOp = Op<
  'cautious',
  Sized<'segments' | 'all' | 'stride' | 'before_first' | 'signs_first' | 'first'> & { readonly apply: boolean }
>;

/** Counts what agrees, or applies it. @param buffers hyper, segments, tensors, before, signs, counts, param */
export const cautious = (
  label: string,
  shape: CautiousOp['shape'],
  buffers: CautiousOp['buffers'],
  replicas: number,
): CautiousOp => ({ kind: 'cautious', label, shape, buffers, replicas });

export const cautiousForms: readonly Form[] = [
  formOf<CautiousSignOp>('cautious-sign', 'cautious-sign', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: cautiousSignShader,
      constants: { FIXED: shape.unit !== undefined },
      shape: { ...shape, unit: shape.unit ?? 1 },
      buffers,
      groups: shape.segments,
      replicas,
    },
  ]),
  formOf<CautiousOp>('cautious', 'cautious', ({ label, shape: { apply, ...shape }, buffers, replicas }) => [
    { label, shader: cautiousShader, constants: { APPLY: apply }, shape, buffers, groups: shape.segments, replicas },
  ]),
];
