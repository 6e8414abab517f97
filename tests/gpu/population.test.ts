import { afterEach, describe, expect, it } from 'vitest';
import { digits } from '../../src/data/index.js';
import { mlp } from '../../src/nn/mlp.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, lion, nadam, sgd } from '../../src/optim/rules.gen.js';
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
    expect(together.describe().passes).toHaveLength(1);
    const steps = await stepsOf(together, 24);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    for (const [i, member] of members.entries()) {
      const single = await alone(member, 24);
      expect(column(steps, i)).toEqual(single.losses);
      expect(await together.readParameters(i)).toEqual(single.parameters);
    }
  });

  it('takes a member out as a trainer that goes on bit for bit, whatever its rule carries', async () => {
    const own = [...members, { rule: nadam({ lr: 2e-3 }) as Rule, seed: 5 }];
    const together = await population(own);
    await stepsOf(together, 10);
    const taken = await together.take(5);
    const momentum = await together.take(3);
    made.push(taken, momentum);
    const steps = await stepsOf(together, 8);
    expect(losses(await collect(taken, { steps: 8 }))).toEqual(column(steps, 5));
    expect(losses(await collect(momentum, { steps: 8 }))).toEqual(column(steps, 3));
    expect(await taken.readParameters()).toEqual(await together.readParameters(5));
  });

  it('stops members, and the others never notice', async () => {
    const together = await population(members);
    const first = await stepsOf(together, 5);
    together.stop([1, 2]);
    expect(together.members[1]!.stopped).toEqual({ reason: 'asked', step: 5 });
    const kept = await together.readParameters(1);
    const steps = [...first, ...(await stepsOf(together, 7))];
    expect(column(steps, 1).slice(5)).toEqual(new Array(7).fill(Number.NaN));
    expect(steps[8]!.lrs[2]).toBeNaN();
    expect(await together.readParameters(1)).toEqual(kept);
    expect(column(steps, 0)).toEqual((await alone(members[0]!, 12)).losses);
    // One that was stopped long ago still comes out as it was.
    const taken = await together.take(2);
    made.push(taken);
    expect(losses(await collect(taken, { steps: 2 }))).toEqual((await alone(members[2]!, 7)).losses.slice(5));
    together.stop([0, 3, 4]);
    expect(await stepsOf(together, 3)).toEqual([]);
  });

  it('refills a place with new weights: from there on the member is as one that began there', async () => {
    const options = { sampling: 'full' as const, data: digits({ samples: 64, seed: 3 }) };
    const together = await population(members, options);
    await stepsOf(together, 6);
    together.stop(2);
    const rule = adam({ lr: cosine(1e-2, { steps: 20 }) });
    await together.refill(2, { seed: 9, rule });
    expect(together.members[2]).toMatchObject({ seed: 9, born: 6, stopped: undefined, rule });
    const steps = await stepsOf(together, 9);
    expect(column(steps, 2)).toEqual((await alone({ rule, seed: 9 }, 9, options)).losses);
    const other = await alone(members[0]!, 15, options);
    expect(column(steps, 0)).toEqual(other.losses.slice(6));
    expect(await together.readParameters(0)).toEqual(other.parameters);
    const taken = await together.take(2);
    made.push(taken);
    const more = await stepsOf(together, 3);
    expect(losses(await collect(taken, { steps: 3 }))).toEqual(column(more, 2));
  });

  it('refills a place with a copy of another member, which then goes the same way', async () => {
    const own = members.map((member) => ({ ...member, batchSeed: 7 }));
    const together = await population(own);
    await stepsOf(together, 4);
    together.stop(3);
    await stepsOf(together, 4);
    await together.refill(3, { from: 1 });
    together.stop(0);
    await together.refill(0, { from: 2, rule: adam({ lr: 0 }) });
    const before = await together.readParameters(0);
    const steps = await stepsOf(together, 6);
    expect(column(steps, 3)).toEqual(column(steps, 1));
    expect(await together.readParameters(3)).toEqual(await together.readParameters(1));
    expect(await together.readParameters(0)).toEqual(before);
    expect(together.members[3]).toMatchObject({ from: 1, born: 8 });
  });

  it('goes on from a checkpoint of all, bit for bit', async () => {
    const own = [...members, { rule: nadam({ lr: 2e-3 }) as Rule, seed: 5 }];
    const together = await population(own);
    await stepsOf(together, 4);
    together.stop([0, 2]);
    await together.refill(0, { seed: 11, rule: adam({ lr: 5e-3 }) });
    await stepsOf(together, 5);
    const bytes = await together.checkpoint();
    const other = await population(own);
    await stepsOf(other, 2);
    expect(await other.restore(bytes)).toEqual({ step: 9 });
    expect(other.members.map(({ rule: _, ...rest }) => rest)).toEqual(
      together.members.map(({ rule: _, ...rest }) => rest),
    );
    const [mine, theirs] = [await stepsOf(together, 6), await stepsOf(other, 6)];
    for (let i = 0; i < own.length; i++) {
      expect(column(theirs, i)).toEqual(column(mine, i));
      expect(await other.readParameters(i)).toEqual(await together.readParameters(i));
    }
    expect([...theirs[0]!.lrs]).toEqual([...mine[0]!.lrs]);
  });
});
