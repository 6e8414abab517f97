import { beforeAll, expect, it } from 'vitest';
import { type Dataset, digits, mlp, sgd, split } from '../../src/index.js';
import { grid, logUniform, ranked, type SearchOptions, search, training } from '../../src/search/index.js';
import { testDevice } from '../support/gpu.js';

/*
 * The lecture's claims of searching, on a network that learns digits: 784-16-10, SGD with momentum 0.9, 128 steps of 32, the mean
 * validation loss of two seeds. 48 rates, each trained to its end, are what the others are held against.
 */

const lr = logUniform(1e-5, 10);
const STEPS = 128;
let device: GPUDevice;
let objective: SearchOptions['objective'];

beforeAll(async () => {
  device = await testDevice();
  const [data, validation] = split(digits({ samples: 1250, seed: 0 }), { share: 0.8, seed: 0 }) as [Dataset, Dataset];
  objective = training<{ lr: number; weightDecay?: number }>({
    ...{ model: mlp({ sizes: [784, 16, 10] }), data, validation, batchSize: 32 },
    rule: ({ lr, weightDecay = 0 }) => sgd({ lr, momentum: 0.9, weightDecay }),
  }) as SearchOptions['objective'];
});

const run = (more: Partial<SearchOptions> & Pick<SearchOptions, 'space' | 'budget'>) =>
  search(device, { objective, seeds: 2, ...more });

it('coarse-to-fine and halving find a rate within a factor of 2 of the best of 48, at a quarter of its steps or less', async () => {
  const exhaustive = await run({ space: { lr }, method: grid({ points: 48 }), budget: { trials: 48, steps: STEPS } });
  const best = exhaustive.best!;
  for (const seed of [0, 1]) {
    const fine = await run({ space: { lr }, method: 'coarse-to-fine', budget: { trials: 12, steps: STEPS }, seed });
    const halved = await run({ space: { lr }, method: 'halving', budget: { trials: 48, steps: STEPS }, seed });
    for (const found of [fine, halved]) {
      expect(found.steps).toBeLessThanOrEqual(exhaustive.steps / 4);
      const ratio = (found.best!.params.lr as number) / (best.params.lr as number);
      expect(ratio).toBeGreaterThan(0.5);
      expect(ratio).toBeLessThan(2);
      // And what it comes to is among the best of all 48: as many as lie within that factor.
      const rank = ranked(exhaustive.trials, 'minimize').findIndex(({ value }) => value! >= found.best!.value!);
      expect(rank).toBeLessThan(8);
    }
  }
});

it('random draws beat a grid of as many trials where one of two parameters does not matter', async () => {
  // A decay so weak that 128 steps do not see it.
  const space = { lr, weightDecay: logUniform(1e-9, 1e-6) };
  const budget = { trials: 16, steps: STEPS };
  const gridded = (await run({ space, method: 'grid', budget })).best!.value!;
  const drawn = [];
  for (const seed of [0, 1]) drawn.push((await run({ space, method: 'random', budget, seed })).best!.value!);
  // 1.06 against 0.79 and 0.83, on lavapipe.
  for (const value of drawn) expect(value).toBeLessThan(gridded);
});
