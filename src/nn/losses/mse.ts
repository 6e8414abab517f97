import { loss, lossProduct } from '../../kernels/loss.js';
import { mseShader } from '../../shaders/nn/mse.gen.js';
import { factoryOf } from '../layer.js';
import { type LossRow, operandsOf, productOperandsOf } from '../loss.js';
import { LARGEST, residualProduct } from '../residual.js';

const row: LossRow & { name: 'mse' } = {
  name: 'mse',
  title: 'Mean squared error',
  fields: {},
  targets: 'values',
  counts: 'mse',
  ops: (b) => [loss(operandsOf(b), { shader: mseShader, constants: { N: b.outputs } })],
  curvature: {
    shader: residualProduct,
    product: (b, shader) => [lossProduct(productOperandsOf(b), { shader, shape: { bend: 2, delta: LARGEST } })],
  },
  drawn: async () => (await import('../../shaders/nn/mse_drawn.gen.js')).mseDrawnShader,
};

/**
 * Mean squared error over all outputs of the rows of a batch, as torch.nn.MSELoss:
 *
 *   loss = Σ_j (y_j - t_j)² / outputs
 *   dy_j = 2 (y_j - t_j) / (outputs · rows)
 *
 * @example mse()
 */
export const mse = factoryOf(row);
