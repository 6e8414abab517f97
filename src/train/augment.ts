import { betaQuantiles, QUANTILES } from '../data/augment.js';
import type { Dataset } from '../data/dataset.js';
import type { DeviceData } from '../data/upload.js';
import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { augment } from '../kernels/augment.js';
import { matrixBytes } from '../kernels/matrix.js';
import type { Op } from '../kernels/op.js';
import type { Model } from '../nn/model.js';
import type { NetworkBinding } from '../nn/network.js';
import type { AugmentOptions } from './types.js';

/** What is done to the batches of a training. */
export interface Augment {
  readonly mixup?: { readonly alpha: number } | undefined;
  readonly cutout?: { readonly size: number; readonly image: readonly [number, number] } | undefined;
}

/** Above it λ is 1/2 to within a hundredth: no mixing but an average. */
const MAX_ALPHA = 1000;

/**
 * @returns undefined where there is nothing to do
 * @throws DownhillError OPTION-*; SHAPE-MISMATCH where data or loss do not go with it
 */
export function checkAugment(
  options: AugmentOptions | undefined,
  model: Model,
  { image, targets }: Dataset,
): Augment | undefined {
  if (options === undefined) return undefined;
  checkOptions('augment', options, ['mixup', 'cutout']);
  const { mixup, cutout } = options;
  if (mixup === undefined && cutout === undefined) return undefined;
  if (mixup !== undefined) {
    checkOptions('augment.mixup', mixup, ['alpha']);
    const { name, targets: first, also = [] } = model.loss.row;
    if (targets.kind === 'classes' && ![first, ...also].includes('probabilities')) {
      throw new DownhillError(
        'SHAPE-MISMATCH',
        `mixup makes probabilities of classes, which the loss ${name} does not take.`,
        'Use softmax-cross-entropy, or leave mixup out.',
      );
    }
  }
  if (cutout !== undefined) {
    checkOptions('augment.cutout', cutout, ['size']);
    if (!image) {
      throw new DownhillError(
        'SHAPE-MISMATCH',
        'cutout cuts squares out of images, but the samples of the data are none.',
        'Give arrays() the option image: [height, width], or leave cutout out.',
      );
    }
  }
  return {
    mixup: mixup && {
      alpha: checkNumber('augment.mixup.alpha', mixup.alpha ?? 0.2, { above: 0, max: MAX_ALPHA }),
    },
    cutout: cutout && image && { size: checkInteger('augment.cutout.size', cutout.size, 1, Math.max(...image)), image },
  };
}

/** The batches that the ops write: in the place of the data set's, for the first layer and the loss. */
export interface Augmented {
  readonly ops: readonly Op[];
  readonly network: Pick<NetworkBinding, 'input' | 'targets' | 'kind' | 'batch'>;
  readonly bytes: number;
}

/** What is augmented. */
interface AugmentBinding {
  readonly label: string;
  readonly buffers: BufferSet;
  readonly model: Model;
  readonly data: Dataset;
  readonly onGpu: DeviceData;
  readonly rows: number;
  readonly replicas: number;
  readonly batch: BufferRange;
  readonly stream: BufferRange;
}

/** A dispatch in front of the forward pass. Nothing is remembered: it is all keyed by seed and step. */
export function augmentBatches({ mixup, cutout }: Augment, binding: AugmentBinding): Augmented {
  const { label, buffers, model, data, onGpu, rows, replicas, batch, stream } = binding;
  const { x: samples, targets, encoding, scale, shift } = onGpu;
  const [features, outputs] = [model.input, model.output];
  const { kind } = data.targets;
  const x = range(buffers.storage('augmented', matrixBytes(rows, features, replicas)));
  const y = mixup && range(buffers.storage('mixed-targets', 4 * rows * outputs * replicas));
  const mixes =
    mixup &&
    range(
      buffers.upload(
        'mixes',
        Float32Array.from([...betaQuantiles(mixup.alpha)].flatMap((lambda) => [lambda, 1 - lambda])),
      ),
    );
  const shape = {
    ...{ rows, features, outputs, encoding, scale, shift, cutout, labels: kind === 'classes' },
    mixup: mixup && { quantiles: QUANTILES },
  };
  const ranges = { data: samples, targets, batch, stream, mixes, x, y };
  const order = Uint32Array.from({ length: rows * replicas }, (_, i) => i);
  return {
    ops: [augment(`${label}/augment`, shape, ranges, replicas)],
    network: {
      input: { x },
      ...(y
        ? {
            targets: y,
            kind: kind === 'classes' ? 'probabilities' : kind,
            batch: range(buffers.upload('batch-order', order)),
          }
        : { targets, kind, batch }),
    },
    bytes: x.size + (y?.size ?? 0),
  };
}
