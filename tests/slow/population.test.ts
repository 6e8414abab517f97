import { expect, it } from 'vitest';
import {
  adam,
  createPopulation,
  createTrainer,
  digits,
  lion,
  type Member,
  mlp,
  type Rule,
  sgd,
} from '../../src/index.js';
import { testDevice } from '../support/gpu.js';
import { collect, losses } from '../support/train.js';

/** By member: three rules, each with its own rates. */
const ruleOf = (i: number): Rule => {
  const lr = 10 ** (-3 + 2 * ((i * 0.618) % 1));
  return [adam({ lr: lr / 10 }), sgd({ lr, momentum: (i % 5) / 6 }), lion({ lr: lr / 30 })][i % 3] as Rule;
};

it.each([
  ['of one rule', 1],
  ['of three rules', 3],
])('64 members of 784-32-10 on digits %s are each bit-equal to their single run', async (_, kinds) => {
  const device = await testDevice();
  const shared = { model: mlp({ sizes: [784, 32, 10] }), data: digits({ samples: 2000, seed: 4 }), batchSize: 64 };
  const members: Member[] = Array.from({ length: 64 }, (_, i) => ({ rule: ruleOf(kinds === 1 ? 3 * i : i), seed: i }));
  const population = await createPopulation(device, { ...shared, members });
  const columns: number[][] = members.map(() => []);
  for await (const step of population.run({ steps: 40 }))
    for (const [i, loss] of step.losses.entries()) columns[i]!.push(loss);
  for (const [i, member] of members.entries()) {
    const trainer = await createTrainer(device, { ...shared, ...member });
    expect(losses(await collect(trainer, { steps: 40 }))).toEqual(columns[i]);
    expect(await trainer.readParameters()).toEqual(await population.readParameters(i));
    trainer.destroy();
  }
  population.destroy();
});
