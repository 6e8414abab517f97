import { afterAll, describe, expect, it } from 'vitest';
import { adam, createTrainer, digits, mlp, type Trainer, type TrainerOptions } from '../../src/index.js';
import { testDevice } from '../support/gpu.js';

/* Parameters in buffers of their own: where hosts cannot bind a part of a buffer. */

const made: Trainer[] = [];
afterAll(() => {
  for (const trainer of made) trainer.destroy();
});

async function trainerWith(buffers?: TrainerOptions['buffers']): Promise<Trainer> {
  const data = digits({ samples: 200, seed: 2 });
  const model = mlp({ sizes: [784, 20, 10] });
  const trainer = await createTrainer(await testDevice(), { model, rule: adam(), data, batchSize: 20, buffers });
  made.push(trainer);
  return trainer;
}

async function lossesOf(trainer: Trainer, steps: number): Promise<number[]> {
  const losses: number[] = [];
  for await (const { loss } of trainer.run({ steps })) losses.push(loss);
  return losses;
}

describe("buffers: 'separate'", () => {
  it('gives every parameter a buffer of its own, and trains as in one', async () => {
    const [together, apart] = [await trainerWith(), await trainerWith('separate')];
    const ranges = Object.values(apart.parameters());
    expect(new Set(ranges.map(({ buffer }) => buffer)).size).toBe(4);
    expect(ranges.every(({ offset }) => offset === 0)).toBe(true);
    expect(new Set(Object.values(together.parameters()).map(({ buffer }) => buffer)).size).toBe(1);
    expect(apart.describe().dispatches).toBeGreaterThan(together.describe().dispatches);

    const expected = await lossesOf(together, 20);
    for (const [step, loss] of (await lossesOf(apart, 20)).entries()) expect(loss).toBeCloseTo(expected[step]!, 5);
  });

  it('goes on from a checkpoint of the other kind', async () => {
    const [together, apart] = [await trainerWith(), await trainerWith('separate')];
    await lossesOf(together, 5);
    await apart.restore(await together.checkpoint());
    expect(apart.step).toBe(5);
    const expected = await lossesOf(together, 5);
    for (const [step, loss] of (await lossesOf(apart, 5)).entries()) expect(loss).toBeCloseTo(expected[step]!, 5);
    expect(new Set(Object.values(apart.parameters()).map(({ buffer }) => buffer)).size).toBe(4);
    await together.restore(await apart.checkpoint());
    expect(together.step).toBe(10);
    expect(await together.readParameters()).toEqual(await apart.readParameters());
  });

  it('is one of two words', async () => {
    const refused = trainerWith('seperate' as 'separate');
    await expect(refused).rejects.toMatchObject({ code: 'OPTION-RANGE', fix: expect.stringContaining('separate') });
  });
});
