import { factoryOf } from '../layer.js';
import type { TargetsOf } from '../loss.js';
import { errors, type MetricRow } from '../metric.js';

const row: MetricRow<object, number> & { name: 'r2' } = {
  name: 'r2',
  help: 'coefficient of determination R², the mean over outputs: 1 is perfect, 0 as good as the mean',
  fields: {},
  of: 'values',
  compute(input) {
    const { samples, width } = input;
    const { values } = input.targets as TargetsOf['values'];
    const all = errors(input);
    let sum = 0;
    for (let j = 0; j < width; j++) {
      // From the first one on: exactly the value where all are alike.
      let offset = 0;
      for (let i = j; i < values.length; i += width) offset += (values[i]! - values[j]!) / samples;
      const mean = values[j]! + offset;
      let [residual, total] = [0, 0];
      for (let i = j; i < values.length; i += width) {
        residual += all[i]! ** 2;
        total += (values[i]! - mean) ** 2;
      }
      // Targets that are all alike: scikit-learn's convention.
      sum += total > 0 ? 1 - residual / total : residual === 0 ? 1 : 0;
    }
    return sum / width;
  },
};

/**
 * Coefficient of determination, R² = 1 - Σ (y - t)² / Σ (t - mean t)² of each output, their plain mean, as scikit-learn's
 * r2_score. Where an output's targets are all alike: 1 if it hits them all, else 0.
 */
export const r2 = factoryOf(row);
