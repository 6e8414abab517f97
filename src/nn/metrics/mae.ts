import { factoryOf } from '../layer.js';
import { errors, type MetricRow } from '../metric.js';

const row: MetricRow<object, number> & { name: 'mae' } = {
  name: 'mae',
  help: 'mean absolute error over all outputs, in the units of the targets',
  fields: {},
  of: 'values',
  compute(input) {
    const all = errors(input);
    return all.reduce((sum, error) => sum + Math.abs(error), 0) / all.length;
  },
};

/** Mean absolute error over all outputs, in the units of the targets as given. */
export const mae = factoryOf(row);
