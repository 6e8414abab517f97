import { factoryOf } from '../layer.js';
import { type MetricRow, type PerClass, perClass } from '../metric.js';

const row: MetricRow<object, PerClass> & { name: 'f1' } = {
  name: 'f1',
  help: 'harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN), of each class and in the mean',
  fields: {},
  of: 'classes',
  compute: (input) => perClass(input, (claimed, actual) => (claimed + actual) / 2),
};

/** Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN). Of each class, and their mean (macro), as scikit-learn. */
export const f1 = factoryOf(row);
