import { flag, number } from '../../gpu/fields.js';
import { type Average, type AverageRow, averageOf } from './average.js';

/** Options of {@link ema}. */
export interface EmaOptions {
  /** How much of the average stays at each update: at least 0, below 1. Default 0.999. */
  readonly decay?: number;
  /** Corrects for a start at 0, as optax' `ema` does, instead of starting at the first weights. Default false. */
  readonly debias?: boolean;
}

/** Powers of `decay` that 32-bit counts are put together from. */
const POWERS = 32;

const row: AverageRow<{ decay: number; debias: boolean }> & { name: 'ema' } = {
  name: 'ema',
  title: 'Exponential moving average',
  formula: 'a = decay·a + (1 - decay)·p, first a = p; debias: from a = 0, and a / (1 - decayᵗ)',
  paper: 'https://doi.org/10.1137/0330046',
  fields: {
    decay: number('share of the average that stays at each update', 0.999, { min: 0, below: 1 }),
    debias: flag('corrects for a start at 0 instead of starting at the first weights'),
  },
  weights: ({ decay, debias }) => ({
    weight: 1 - decay,
    equal: false,
    start: 1,
    every: 1,
    // 1 - decay^k by expm1: also where decay is so near 1 that the difference would lose its digits.
    ...(debias && {
      reach: Float32Array.from({ length: POWERS }, (_, i) => -Math.expm1(2 ** i * Math.log1p(decay - 1))),
    }),
  }),
};

/**
 * The exponential moving average of the weights, by the number of applied updates t = 1, 2 …:
 *
 *   a_1 = p_1,  a_t = decay·a_{t-1} + (1 - decay)·p_t
 *
 * PyTorch's convention (`AveragedModel` with `get_ema_multi_avg_fn(decay)`): the first update's weights are taken as they
 * are. Keras' `ema_momentum` is the same with 0.99 for its default, but starts at the initial weights. `debias: true` is
 * optax' form: a_0 = 0, and what is used is a_t / (1 - decayᵗ); early weights then count by their age alone. Before the
 * first update the average is the initial weights.
 *
 * State: one float32 per parameter.
 *
 * @example createTrainer(device, { model, rule, data, average: ema({ decay: 0.999 }) })
 * @throws DownhillError OPTION-*
 * Paper: Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging.
 */
export const ema = Object.assign((options: EmaOptions = {}): Average => averageOf(row, options), { row });
