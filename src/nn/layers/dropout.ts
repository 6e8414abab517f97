import type { BufferRange } from '../../gpu/buffers.js';
import { number } from '../../gpu/fields.js';
import { activation } from '../../kernels/activation.js';
import { dropout as dropoutOp } from '../../kernels/dropout.js';
import { gatherInput, inputMatrix } from '../input.js';
import { factoryOf, type LayerBinding, type LayerRow } from '../layer.js';

type DropoutSettings = {
  readonly p: number;
};

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** Share of the elements that are dropped, at least 0 and below 1. Default 0.5. */
  readonly p?: number;
}

const masked = (b: LayerBinding<DropoutSettings>, pass: string, x: BufferRange, y: BufferRange) => {
  const { rows, replicas, input: width, place: layer, stream, settings } = b;
  return dropoutOp({ label: b.label(pass), rows, replicas, width, layer, p: settings.p, x, y, stream });
};

const row: LayerRow<DropoutSettings> & { name: 'dropout' } = {
  name: 'dropout',
  title: 'Dropout',
  fields: { p: number('share of the elements that are dropped', 0.5, { min: 0, below: 1 }) },
  random: true,
  output: (input) => input,
  tensors: () => [],
  curvature: 'it draws another mask in every step',
  forward(b) {
    if (b.mode === 'train') return [...gatherInput(b, 'dropout-input'), masked(b, 'dropout', inputMatrix(b), b.y)];
    // Nothing: a form of the product in front takes it along.
    const { rows, input: width, replicas, x, batch, y } = b;
    return [activation({ label: b.label('dropout'), rows, width, replicas, activation: 'identity', x, batch, y })];
  },
  backward: (b) => (b.dx ? [masked(b, 'dropout-gradient', b.dy, b.dx)] : []),
};

/**
 * Inverted dropout, as torch.nn.Dropout: in training every element is 0 with probability p, else divided by 1 - p, so that
 * its expectation stays what it was; in evaluation and `predict` nothing happens.
 *
 *     y = x · mask / (1 - p)
 *
 * The mask is a hash of the trainer's seed, the layer's place, the step and the element: the same in every run, drawn again
 * for the gradient, and never stored.
 *
 * @example dropout({ p: 0.2 })
 *
 * Paper: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", https://jmlr.org/papers/v15/srivastava14a.html
 */
export const dropout = factoryOf<typeof row, DropoutOptions>(row);
