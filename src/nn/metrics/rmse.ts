import { factoryOf } from '../layer.js';
import { errors, type MetricRow } from '../metric.js';

const row: MetricRow<object, number> & { name: 'rmse' } = {
  name: 'rmse',
  help: 'root of the mean squared error over all outputs, in the units of the targets',
  fields: {},
  of: 'values',
  compute(input) {
    const all = errors(input);
    return Math.sqrt(all.reduce((sum, error) => sum + error * error, 0) / all.length);
  },
};

/** Root of the mean squared error over all outputs, in the units of the targets as given. */
export const rmse = factoryOf(row);
