import { expect, it } from 'vitest';
import { adam, createTrainer, digits, lbfgs, mlp, type TrainerOptions } from '../../src/index.js';
import { testDevice } from '../support/gpu.js';
import { collect } from '../support/train.js';

const deep = mlp({ sizes: [784, 32, 10], activation: 'tanh', init: 'xavier-normal' });
const drawn = digits({ samples: 500, seed: 1 });
const trainerOf = async (rule: unknown) =>
  createTrainer(await testDevice(), { model: deep, data: drawn, rule, sampling: 'full' } as TrainerOptions);

it('L-BFGS takes at most 25 rounds to a gradient of 1e-5, and ends below Adam after as many gradients', async () => {
  const trainer = await trainerOf(lbfgs());
  const reports = await collect(trainer, { steps: 200 });
  expect(trainer.stopped).toEqual({ reason: 'gradient', step: reports.length });
  expect(reports.length).toBeLessThanOrEqual(25);
  const last = reports.at(-1)!.loss;
  expect(last).toBeLessThan(1e-4);
  // Every round looks at four gradients.
  const steps = 4 * reports.length;
  for (const lr of [1e-3, 1e-2, 3e-2]) {
    const rival = await trainerOf(adam({ lr }));
    expect((await collect(rival, { steps })).at(-1)!.loss, `adam, ${lr}`).toBeGreaterThan(10 * last);
    rival.destroy();
  }
  // What is evaluated is the point it ended at.
  const { loss, accuracy } = await trainer.evaluate(drawn);
  expect(loss).toBeCloseTo(last, 6);
  expect(accuracy).toBe(1);
  expect(await collect(trainer, { steps: 10 })).toEqual([]);
  trainer.destroy();
});
