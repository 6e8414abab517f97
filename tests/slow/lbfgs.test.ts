import { expect, it } from 'vitest';
import { adam, createTrainer, digits, lbfgs, mlp, type TrainerOptions } from '../../src/index.js';
import { testDevice } from '../support/gpu.js';
import { collect } from '../support/train.js';

it('L-BFGS ends below Adam after as many gradients', async () => {
  const model = mlp({ sizes: [784, 32, 10], activation: 'tanh', init: 'xavier-normal' });
  const data = digits({ samples: 500, seed: 1 });
  const losses = async (rule: unknown, steps: number) => {
    const options = { model, data, rule, sampling: 'full' } as TrainerOptions;
    const trainer = await createTrainer(await testDevice(), options);
    const reports = await collect(trainer, { steps });
    trainer.destroy();
    return reports.map(({ loss }) => loss);
  };
  const reached = await losses(lbfgs(), 200);
  // Every round looks at four gradients.
  for (const lr of [1e-3, 1e-2, 3e-2])
    expect((await losses(adam({ lr }), 4 * reached.length)).at(-1)!, `adam, ${lr}`).toBeGreaterThan(
      10 * reached.at(-1)!,
    );
});
