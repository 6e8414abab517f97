import { betaQuantiles, cornerOf, mixOf } from '../data/augment.js';
import type { Numbers } from './network.js';

/** A batch before it is augmented: `rows` of inputs and of targets (labels as one-hot rows), as the network sees them. */
export interface ReferenceBatch {
  readonly rows: number;
  readonly x: Numbers;
  readonly targets: Numbers;
}

/**
 * Inputs and targets of a batch, cut out and mixed as the trainer does at a step (the first is 0).
 *
 * Cutout (DeVries & Taylor 2017, https://arxiv.org/abs/1708.04552): a square of zeros per image. Mixup (Zhang et al. 2018,
 * https://arxiv.org/abs/1710.09412): λ of a row and 1 - λ of the one so many rows further.
 */
export function referenceAugment(
  { rows, x, targets }: ReferenceBatch,
  { seed, step }: { readonly seed: number; readonly step: number },
  augment: {
    readonly mixup?: { readonly alpha: number };
    readonly cutout?: { readonly size: number; readonly image: readonly [number, number] };
  },
): { readonly x: Float64Array; readonly targets: Float64Array } {
  const [features, width] = [x.length / rows, targets.length / rows];
  const cut = Float64Array.from(x);
  if (augment.cutout) {
    const { size, image } = augment.cutout;
    for (let row = 0; row < rows; row++) {
      const [top, left] = cornerOf(seed, step, row, image, size);
      for (let line = Math.max(top, 0); line < Math.min(top + size, image[0]); line++)
        for (let column = Math.max(left, 0); column < Math.min(left + size, image[1]); column++)
          cut[row * features + line * image[1] + column] = 0;
    }
  }
  if (!augment.mixup) return { x: cut, targets: Float64Array.from(targets) };
  const { quantile, further } = mixOf(seed, step, rows);
  const lambda = further === 0 ? 1 : betaQuantiles(augment.mixup.alpha)[quantile]!;
  const mixed = (values: Numbers, per: number) =>
    Float64Array.from(values, (own, i) => {
      const partner = (Math.floor(i / per) + further) % rows;
      return lambda * own + (1 - lambda) * values[partner * per + (i % per)]!;
    });
  return { x: mixed(cut, features), targets: mixed(targets, width) };
}
