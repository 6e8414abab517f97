import { meanSquaredError } from '../../kernels/loss.js';
import { factoryOf } from '../layer.js';
import type { LossRow } from '../loss.js';

const row: LossRow & { name: 'mse' } = {
  name: 'mse',
  title: 'Mean squared error',
  fields: {},
  targets: 'values',
  metrics: [],
  op: meanSquaredError,
};

/**
 * Mean squared error, over all outputs of the rows of a batch, as torch.nn.MSELoss:
 *
 *   loss = Σ_j (y_j - t_j)² / outputs
 *   dy_j = 2 (y_j - t_j) / (outputs · rows)
 *
 * @example mse()
 */
export const mse = factoryOf(row);
