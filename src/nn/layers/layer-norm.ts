import { flag, number } from '../../gpu/fields.js';
import {
  layerNormGradient,
  layerNorm as layerNormOp,
  layerNormWeightGradient,
  rowMomentsBytes,
} from '../../kernels/layer-norm.js';
import { gatherInput, inputMatrix } from '../input.js';
import { factoryOf, type LayerBinding, type LayerRow } from '../layer.js';

type LayerNormSettings = {
  readonly eps: number;
  readonly affine: boolean;
};

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Trains a weight and a bias for every feature (PyTorch's `elementwise_affine`). Default true. */
  readonly affine?: boolean;
}

const sizes = ({ rows, replicas, input: width }: LayerBinding<LayerNormSettings>) => ({ rows, replicas, width });
const momentsOf = (b: LayerBinding<LayerNormSettings>) => b.scratch('moments', rowMomentsBytes(b.rows, b.replicas));
const affineOf = ({ settings }: LayerBinding<LayerNormSettings>, find: LayerBinding['param']) =>
  settings.affine ? { weight: find('weight')[0]!, bias: find('bias')[0]! } : undefined;

const row: LayerRow<LayerNormSettings> & { name: 'layer-norm' } = {
  name: 'layer-norm',
  title: 'Layer normalisation',
  fields: {
    eps: number('added to the variance', 1e-5, { min: 2 ** -126 }),
    affine: flag('trains a weight and a bias for every feature', true),
  },
  output: (input) => input,
  tensors: (input, { affine }) =>
    affine
      ? [
          { name: 'weight', shape: [input], role: 'weight', initial: 1 },
          { name: 'bias', shape: [input], role: 'bias', initial: 0 },
        ]
      : [],
  curvature: 'second derivatives of its mean and deviation are not written',
  forward: (b) => [
    ...gatherInput(b, 'layer-norm-input'),
    layerNormOp({
      ...sizes(b),
      label: b.label('layer-norm'),
      eps: b.settings.eps,
      affine: affineOf(b, b.param),
      x: inputMatrix(b),
      y: b.y,
      moments: momentsOf(b),
    }),
  ],
  backward(b) {
    const operands = { ...sizes(b), x: inputMatrix(b), dy: b.dy, moments: momentsOf(b) };
    const [affine, gradient] = [affineOf(b, b.param), affineOf(b, b.grad)];
    return [
      ...(gradient
        ? [layerNormWeightGradient({ ...operands, label: b.label('layer-norm-weight-gradient'), affine: gradient })]
        : []),
      ...(b.dx ? [layerNormGradient({ ...operands, label: b.label('layer-norm-gradient'), affine, dx: b.dx })] : []),
    ];
  },
};

/**
 * Layer normalisation over the features of every row, as torch.nn.LayerNorm:
 *
 *     y = (x - mean) / sqrt(variance + eps) · weight + bias
 *
 * Mean and (biased) variance are those of the row: the same in training and evaluation, and for a batch of any size. The
 * weight starts at 1, the bias at 0, whatever the model's `init`.
 *
 * @example layerNorm({ eps: 1e-5 })
 *
 * Paper: Ba, Kiros, Hinton 2016, "Layer Normalization", https://arxiv.org/abs/1607.06450
 */
export const layerNorm = factoryOf<typeof row, LayerNormOptions>(row);
