import { meanSquaredError } from '../../kernels/loss.js';
import { factoryOf } from '../layer.js';
import type { LossRow } from '../loss.js';

const row: LossRow & { name: 'mse' } = {
  name: 'mse',
  fields: {},
  targets: 'values',
  metrics: [],
  op: meanSquaredError,
};

/** Mean squared error: loss = Σ_j (y_j - t_j)² / outputs, the mean over the rows of a batch. */
export const mse = factoryOf(row);
