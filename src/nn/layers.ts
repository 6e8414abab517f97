import type { LayerRow } from './layer.js';
import { batchNorm } from './layers/batch-norm.js';
import { dropout } from './layers/dropout.js';
import { elu } from './layers/elu.js';
import { gelu } from './layers/gelu.js';
import { geluTanh } from './layers/gelu-tanh.js';
import { identity } from './layers/identity.js';
import { layerNorm } from './layers/layer-norm.js';
import { leakyRelu } from './layers/leaky-relu.js';
import { linear } from './layers/linear.js';
import { relu } from './layers/relu.js';
import { sigmoid } from './layers/sigmoid.js';
import { silu } from './layers/silu.js';
import { softplus } from './layers/softplus.js';
import { tanh } from './layers/tanh.js';

export type { BatchNormOptions } from './layers/batch-norm.js';
export type { DropoutOptions } from './layers/dropout.js';
export type { EluOptions } from './layers/elu.js';
export type { LayerNormOptions } from './layers/layer-norm.js';
export type { LeakyReluOptions } from './layers/leaky-relu.js';
export type { LinearOptions } from './layers/linear.js';
export {
  batchNorm,
  dropout,
  elu,
  gelu,
  geluTanh,
  identity,
  layerNorm,
  leakyRelu,
  linear,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
};

/** Activations with their default options, by the names that `mlp` has for them. */
export const activations = {
  identity,
  relu,
  'leaky-relu': leakyRelu,
  tanh,
  sigmoid,
  gelu,
  silu,
  elu,
  'gelu-tanh': geluTanh,
  softplus,
} as const;

/** Every layer's row by its name: what a file of a model is read with. */
export const layerRows: Readonly<Record<string, LayerRow>> = Object.fromEntries(
  [linear, ...Object.values(activations), batchNorm, layerNorm, dropout].map(({ row }) => [row.name, row as LayerRow]),
);
