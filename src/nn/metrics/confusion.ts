import { factoryOf } from '../layer.js';
import { decide, type MetricRow } from '../metric.js';

const row: MetricRow<object, readonly (readonly number[])[]> & { name: 'confusion' } = {
  name: 'confusion',
  help: 'the confusion matrix: samples by their class (rows) and what the network says (columns)',
  fields: {},
  of: 'classes',
  compute(input) {
    const { classes, wanted, said } = decide(input);
    const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    for (const [i, own] of wanted.entries()) if (said[i]! >= 0) matrix[own]![said[i]!]!++;
    return matrix;
  },
};

/**
 * The confusion matrix, [class][what the network says], in samples: as scikit-learn's. A sample with an output that is not a
 * number is in no column.
 */
export const confusion = factoryOf(row);
