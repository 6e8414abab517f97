import { flag, number } from '../../gpu/fields.js';
import {
  batchNormGradient,
  batchNorm as batchNormOp,
  batchNormStatistics,
  momentsBytes,
} from '../../kernels/batch-norm.js';
import { gatherInput, inputMatrix } from '../input.js';
import { factoryOf, type LayerBinding, type LayerRow } from '../layer.js';

type BatchNormSettings = {
  readonly eps: number;
  readonly momentum: number;
  readonly affine: boolean;
};

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Weight of a new batch in the running statistics, as PyTorch's (Keras' `momentum` is one minus this). Default 0.1. */
  readonly momentum?: number;
  /** Trains a weight and a bias for every column. Default true. */
  readonly affine?: boolean;
}

const sizes = ({ rows, replicas, input: width }: LayerBinding<BatchNormSettings>) => ({ rows, replicas, width });
const momentsOf = (b: LayerBinding<BatchNormSettings>) => b.scratch('moments', momentsBytes(b.input, b.replicas));
const affineOf = ({ settings }: LayerBinding<BatchNormSettings>, find: LayerBinding['param']) =>
  settings.affine ? { weight: find('weight')[0]!, bias: find('bias')[0]! } : undefined;
const runningOf = (b: LayerBinding<BatchNormSettings>) => ({
  mean: b.buffer('running_mean')[0]!,
  variance: b.buffer('running_var')[0]!,
});

const row: LayerRow<BatchNormSettings> & { name: 'batch-norm' } = {
  name: 'batch-norm',
  title: 'Batch normalisation',
  fields: {
    eps: number('added to the variance', 1e-5, { min: 2 ** -126 }),
    momentum: number('weight of a new batch in the running statistics', 0.1, { min: 0, max: 1 }),
    affine: flag('trains a weight and a bias for every column', true),
  },
  // One row has no variance.
  fewestRows: 2,
  output: (input) => input,
  tensors: (input, { affine }) =>
    affine
      ? [
          { name: 'weight', shape: [input], role: 'weight', initial: 1 },
          { name: 'bias', shape: [input], role: 'bias', initial: 0 },
        ]
      : [],
  buffers: (input) => [
    { name: 'running_mean', shape: [input], initial: 0 },
    { name: 'running_var', shape: [input], initial: 1 },
    { name: 'num_batches_tracked', shape: [], initial: 0, dtype: 'u32' },
  ],
  curvature: 'its outputs depend on all rows of the batch at once',
  forward: (b) => [
    ...gatherInput(b, 'batch-norm-input'),
    batchNormOp({
      ...sizes(b),
      label: b.label('batch-norm'),
      eps: b.settings.eps,
      affine: affineOf(b, b.param),
      x: inputMatrix(b),
      y: b.y,
      ...(b.mode === 'train' ? { moments: momentsOf(b) } : { running: runningOf(b) }),
      stream: b.stream,
    }),
  ],
  backward: (b) => [
    batchNormGradient({
      ...sizes(b),
      label: b.label('batch-norm-gradient'),
      affine: affineOf(b, b.param),
      gradient: affineOf(b, b.grad),
      x: inputMatrix(b),
      dy: b.dy,
      moments: momentsOf(b),
      dx: b.dx,
      stream: b.stream,
    }),
  ],
  commit: (b) => [
    batchNormStatistics({
      ...sizes(b),
      label: b.label('batch-norm-statistics'),
      momentum: b.settings.momentum,
      running: { ...runningOf(b), tracked: b.buffer('num_batches_tracked')[0]! },
      moments: momentsOf(b),
      stream: b.stream,
      clock: b.clock,
    }),
  ],
};

/**
 * Batch normalisation of every column, as torch.nn.BatchNorm1d:
 *
 *     y = (x - mean) / sqrt(variance + eps) · weight + bias
 *
 * In training mean and (biased) variance are those of the batch's rows, and the gradient goes through them; in evaluation and
 * `predict` they are the running ones, kept as `running_mean`, `running_var` and `num_batches_tracked`. Every batch of a step
 * that counts takes them a `momentum` nearer to its own mean and unbiased variance: with accumulation each micro-step, and
 * nothing where a step was left out or a column's mean or variance is not finite.
 *
 * The weight starts at 1, the bias at 0, whatever the model's `init`. A training batch needs two rows: a batch size of 1 is
 * refused, and so is a data set whose last batch would have one row (`dropLast: true` leaves that out).
 *
 * @example batchNorm({ momentum: 0.1 })
 *
 * Paper: Ioffe, Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", https://arxiv.org/abs/1502.03167
 */
export const batchNorm = factoryOf<typeof row, BatchNormOptions>(row);
