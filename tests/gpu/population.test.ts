import { afterEach, describe, expect, it } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, lion, sgd } from '../../src/optim/rules.gen.js';
import { cosine } from '../../src/optim/schedules.js';
import { createPopulation } from '../../src/train/population.js';
import type { Member, Population, PopulationOptions, PopulationStep } from '../../src/train/population-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import { testDevice } from '../support/gpu.js';
import { collect, losses, someDigits } from '../support/train.js';

const SMALL = mlp({ sizes: [784, 32, 10] });
const made: { destroy(): void }[] = [];

afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

async function population(members: readonly Member[], options: Partial<PopulationOptions> = {}): Promise<Population> {
  const one = await createPopulation(await testDevice(), { model: SMALL, data: someDigits(), ...options, members });
  made.push(one);
  return one;
}

async function stepsOf(of: Population, steps: number): Promise<PopulationStep[]> {
  const all: PopulationStep[] = [];
  for await (const step of of.run({ steps })) all.push(step);
  return all;
}

/** A member's losses and parameters, alone. */
async function alone({ rule, seed }: Member, steps: number, options: Partial<PopulationOptions> = {}) {
  const { plan: _, maxBytes: __, members: ___, ...rest } = options;
  const trainer = await createTrainer(await testDevice(), { model: SMALL, data: someDigits(), ...rest, rule, seed });
  made.push(trainer);
  return { losses: losses(await collect(trainer, { steps })), parameters: await trainer.readParameters(), trainer };
}

const column = (steps: readonly PopulationStep[], member: number) => steps.map((step) => step.losses[member]!);

describe('a population', () => {
  const members: Member[] = [
    { rule: adam({ lr: 1e-3 }), seed: 1 },
    { rule: sgd({ lr: 0.1 }), seed: 2 },
    { rule: adam({ lr: cosine(3e-3, { steps: 20 }) }), seed: 3 },
    { rule: sgd({ lr: 0.05, momentum: 0.9, nesterov: true }), seed: 1 },
    { rule: lion({ lr: 1e-4 }) as Rule, seed: 4 },
  ];

  it('of several rules gives each member the bits it has alone', async () => {
    const together = await population(members);
    const steps = await stepsOf(together, 24);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    for (const [i, member] of members.entries()) {
      const single = await alone(member, 24);
      expect(column(steps, i)).toEqual(single.losses);
      expect(await together.readParameters(i)).toEqual(single.parameters);
    }
  });
});
