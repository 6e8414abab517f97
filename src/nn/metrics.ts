import { accuracy } from './metrics/accuracy.js';
import { confusion } from './metrics/confusion.js';
import { f1 } from './metrics/f1.js';
import { mae } from './metrics/mae.js';
import { precision } from './metrics/precision.js';
import { r2 } from './metrics/r2.js';
import { recall } from './metrics/recall.js';
import { rmse } from './metrics/rmse.js';
import { topK } from './metrics/top-k.js';

export type { TopKOptions } from './metrics/top-k.js';
export { topK };

/** Every metric, by name. */
export const metrics = { accuracy, 'top-k': topK, confusion, precision, recall, f1, mae, rmse, r2 } as const;

export type MetricName = keyof typeof metrics;
/** What each metric gives. */
export type MetricValues = {
  readonly [K in MetricName]: ReturnType<(typeof metrics)[K]['row']['compute']>;
};
