import { DownhillError } from '../../gpu/errors.js';
import { integer } from '../../gpu/fields.js';
import { factoryOf } from '../layer.js';
import { type MetricRow, wantedClasses } from '../metric.js';

const row: MetricRow<{ readonly k: number }, number> & { name: 'top-k' } = {
  name: 'top-k',
  help: 'share of samples whose right class is among the k largest outputs',
  fields: { k: integer('how many of the largest outputs count', 5, { min: 1 }) },
  of: 'classes',
  check(classes, { k }) {
    if (k <= classes) return;
    throw new DownhillError(
      'OPTION-RANGE',
      `top-k: k is ${k}, but there are ${classes} classes.`,
      `Pass topK({ k }) with at most ${classes}.`,
    );
  },
  compute(input, { k }) {
    const { outputs, samples, width } = input;
    // One output is the score of the second of two classes.
    const score = (i: number, j: number) =>
      width > 1 ? outputs[i * width + j]! : j === 1 ? outputs[i]! : 1 - outputs[i]!;
    let right = 0;
    for (const [i, wanted] of wantedClasses(input).entries()) {
      const own = score(i, wanted);
      let before = 0;
      for (let j = 0; j < Math.max(width, 2); j++) {
        const value = score(i, j);
        if (value > own || (value === own && j < wanted)) before++;
        // No order among what is not a number.
        if (Number.isNaN(value)) before = Infinity;
      }
      if (before < k) right++;
    }
    return right / samples;
  },
};

/** Options of {@link topK}. */
export interface TopKOptions {
  /** How many of the largest outputs count: at least 1, at most the classes there are. Default 5. */
  readonly k?: number;
}

/** Share of samples whose right class is among the `k` largest outputs; of equal ones the first. */
export const topK = factoryOf<typeof row, TopKOptions>(row);
