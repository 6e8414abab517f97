import { loss, lossProduct } from '../../kernels/loss.js';
import { l1Shader } from '../../shaders/nn/l1.gen.js';
import { factoryOf } from '../layer.js';
import { type LossRow, operandsOf, productOperandsOf } from '../loss.js';
import { LARGEST, residualProduct } from '../residual.js';

const row: LossRow & { name: 'l1' } = {
  name: 'l1',
  title: 'Mean absolute error',
  fields: {},
  targets: 'values',
  counts: 'mse',
  ops: (b) => [loss(operandsOf(b), { shader: l1Shader, constants: { N: b.outputs } })],
  // Straight but where an error is 0.
  curvature: {
    shader: residualProduct,
    product: (b, shader) => [lossProduct(productOperandsOf(b), { shader, shape: { bend: 0, delta: LARGEST } })],
  },
};

/**
 * Mean absolute error over all outputs of the rows of a batch, as torch.nn.L1Loss: outliers pull no harder than others.
 *
 *   loss = Σ_j |y_j - t_j| / outputs
 *   dy_j = sign(y_j - t_j) / (outputs · rows), sign(0) = 0
 *
 * @example l1()
 */
export const l1 = factoryOf(row);
