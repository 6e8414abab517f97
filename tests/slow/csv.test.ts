import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
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
import { downhill, jsonLines, scratch } from '../support/cli.js';
import { testDevice } from '../support/gpu.js';
import { prices } from '../support/table.js';
import { collect } from '../support/train.js';

const folder = scratch();
afterAll(folder.remove);

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

  it('and by the command line, which makes the network of the table', async () => {
    ensureBuild();
    writeFileSync(folder.path('houses.csv'), prices(1500));
    const line = ['train', '--data', `csv:${folder.path('houses.csv')}`, '--target', 'price', '--json'];
    const { code, out, err } = await downhill([...line, '--out', folder.path('table')]).done;
    expect(code, err).toBe(0);
    // 190 steps of a network of 31,001 parameters. The price spreads over 8,800.
    const { r2, rmse } = jsonLines(out).at(-1) as { r2: number; rmse: number };
    expect(r2).toBeGreaterThan(0.97);
    expect(rmse).toBeLessThan(1600);
  });
});
