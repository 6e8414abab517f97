import { factoryOf } from '../layer.js';
import { type MetricRow, type PerClass, perClass } from '../metric.js';

const row: MetricRow<object, PerClass> & { name: 'precision' } = {
  name: 'precision',
  help: 'share of what is said to be of a class that is: TP / (TP + FP), of each class and in the mean',
  fields: {},
  of: 'classes',
  compute: (input) => perClass(input, (claimed) => claimed),
};

/** Share of what is said to be of a class that is: TP / (TP + FP). Of each class, and their mean (macro), as scikit-learn. */
export const precision = factoryOf(row);
