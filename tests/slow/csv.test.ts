import { describe, expect, it } from 'vitest';
import { csv } from '../../src/csv.js';
import {
  adam,
  createTrainer,
  mlp,
  split,
  standardize,
  standardizeTargets,
  statistics,
  targetStatistics,
} from '../../src/index.js';
import { testDevice } from '../support/gpu.js';
import { prices } from '../support/table.js';
import { collect } from '../support/train.js';

describe('a table of three differently scaled features', () => {
  it('is learnt with defaults: R² of at least 0.97 on rows held back', async () => {
    const [first, rest] = split(await csv(prices(800), { target: 'price', ignore: ['kind'] }), { share: 0.75 });
    const [stats, ofPrice] = [statistics(first), targetStatistics(first)];
    const [train, test] = [first, rest].map((part) => standardizeTargets(standardize(part, stats), ofPrice));
    const trainer = await createTrainer(await testDevice(), {
      model: mlp({ sizes: [3, 64, 64, 1], loss: 'mse' }),
      rule: adam(),
      data: train!,
      submitMs: 500,
    });
    try {
      await collect(trainer, { epochs: 60 });
      // Raw rows in, prices out.
      const predicted = await trainer.predict(test!.x);
      const { targets } = test!;
      if (targets.kind !== 'values') throw new Error('values');
      const { values } = targets;
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const squares = (of: (i: number) => number) => values.reduce((sum, _, i) => sum + of(i) ** 2, 0);
      const r2 = 1 - squares((i) => predicted[i]! - values[i]!) / squares((i) => values[i]! - mean);
      const { loss } = await trainer.evaluate(test!);
      expect(r2).toBeGreaterThan(0.97);
      // The loss is that of the standardised targets: 1 - R², but for the statistics of the other part.
      expect(loss).toBeLessThan(0.03);
    } finally {
      trainer.destroy();
    }
  });
});
