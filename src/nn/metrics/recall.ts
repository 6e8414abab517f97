import { factoryOf } from '../layer.js';
import { type MetricRow, type PerClass, perClass } from '../metric.js';

const row: MetricRow<object, PerClass> & { name: 'recall' } = {
  name: 'recall',
  help: 'share of a class that is said to be of it: TP / (TP + FN), of each class and in the mean',
  fields: {},
  of: 'classes',
  compute: (input) => perClass(input, (_, actual) => actual),
};

/** Share of a class that is said to be of it: TP / (TP + FN). Of each class, and their mean (macro), as scikit-learn. */
export const recall = factoryOf(row);
