import type { ReferenceLayerOf } from './layer.js';
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

/** Every activation, exactly as PyTorch defines it, by the name of its layer. */
export const referenceActivations = {
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

/** Every layer of the house, by name. */
export const referenceLayers: Readonly<Record<string, ReferenceLayerOf>> = {
  ...referenceActivations,
  linear,
  'batch-norm': batchNorm,
  'layer-norm': layerNorm,
  dropout,
};
