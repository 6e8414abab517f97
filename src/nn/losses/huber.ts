import { number } from '../../gpu/fields.js';
import { loss, lossProduct } from '../../kernels/loss.js';
import { huberShader } from '../../shaders/nn/huber.gen.js';
import { factoryOf } from '../layer.js';
import { type LossRow, operandsOf, productOperandsOf } from '../loss.js';
import { residualProduct } from '../residual.js';

const row: LossRow<{ readonly delta: number }> & { name: 'huber' } = {
  name: 'huber',
  title: 'Huber loss',
  fields: { delta: number('where the square ends and the straight line begins', 1, { above: 0 }) },
  targets: 'values',
  counts: 'mse',
  ops: (b) => [
    loss(operandsOf(b), {
      shader: huberShader,
      constants: { N: b.outputs },
      shape: { delta: b.settings.delta },
    }),
  ],
  curvature: {
    shader: residualProduct,
    product: (b, shader) => [
      lossProduct(productOperandsOf(b), { shader, shape: { bend: 1, delta: b.settings.delta } }),
    ],
  },
};

/** Options of {@link huber}. */
export interface HuberOptions {
  /** Where the square ends and the straight line begins; above 0. Default 1. */
  readonly delta?: number;
}

/**
 * The Huber loss over all outputs of the rows of a batch, as torch.nn.HuberLoss: the square for small errors, a straight
 * line for large ones.
 *
 * With d = y_j - t_j an output counts
 *
 *   d² / 2                    where |d| ≤ delta
 *   delta · (|d| - delta/2)   else
 *
 * and loss = Σ_j of that / outputs, dy_j = clamp(d, -delta, delta) / (outputs · rows).
 *
 * @example huber({ delta: 0.5 })
 * @throws DownhillError OPTION-*
 * Paper: Huber 1964, Robust estimation of a location parameter, https://doi.org/10.1214/aoms/1177703732.
 */
export const huber = factoryOf<typeof row, HuberOptions>(row);
