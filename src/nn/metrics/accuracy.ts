import { factoryOf } from '../layer.js';
import { decide, type MetricRow } from '../metric.js';

const row: MetricRow<object, number> & { name: 'accuracy' } = {
  name: 'accuracy',
  help: 'share of samples whose largest output is the right class',
  fields: {},
  of: 'classes',
  compute(input) {
    const { wanted, said } = decide(input);
    return said.reduce((right, class_, i) => right + (class_ === wanted[i] ? 1 : 0), 0) / input.samples;
  },
};

/** Share of samples whose largest output, the first of equal ones, is the right class. */
export const accuracy = factoryOf(row);
