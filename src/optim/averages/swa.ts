import { integer } from '../../gpu/fields.js';
import { type Average, type AverageRow, averageOf } from './average.js';

/** Options of {@link swa}. */
export interface SwaOptions {
  /** The first update whose weights take part, counted from 1. Default 1. */
  readonly start?: number;
  /** Takes in the weights of every so many updates: those of an epoch, in the paper. Default 1. */
  readonly every?: number;
}

const MOST = 2 ** 31 - 1;

const row: AverageRow<{ start: number; every: number }> & { name: 'swa' } = {
  name: 'swa',
  title: 'Stochastic weight averaging',
  formula: 'a = a + (p - a) / (n + 1), of update start, start + every, …',
  paper: 'https://arxiv.org/abs/1803.05407',
  fields: {
    start: integer('first update whose weights take part, counted from 1', 1, { min: 1, max: MOST }),
    every: integer('updates from one set of weights taken in to the next', 1, { min: 1, max: MOST }),
  },
  weights: ({ start, every }) => ({ weight: 1, equal: true, start, every }),
};

/**
 * The equal average of the weights after update `start`, `start + every`, … (applied updates, counted from 1):
 *
 *   n = 0, 1, 2 … of those taken in:  a = a + (p - a) / (n + 1),  so first a = p
 *
 * PyTorch's default of `AveragedModel`. Before `start` the average is the current weights. Steps towards a flat minimum
 * want a constant or cyclical learning rate from `start` on.
 *
 * State: one float32 per parameter; what was taken in is told from the count of updates, also where an early stop has put
 * back an average of fewer.
 *
 * @example createTrainer(device, { model, rule, data, average: swa({ start: 1000, every: 50 }) })
 * @throws DownhillError OPTION-*
 * Paper: Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization.
 */
export const swa = Object.assign((options: SwaOptions = {}): Average => averageOf(row, options), { row });
