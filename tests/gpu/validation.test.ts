import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adam, arrays, createTrainer, mlp, type Trainer, type TrainerOptions } from '../../src/index.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, losses } from '../support/train.js';

/*
 * A small network that overfits: random labels, so that the loss on other data gets worse soon. Every promise is checked
 * against a run that does the same by hand.
 */

const FEATURES = 6;
const some = (samples: number, seed: number) =>
  arrays({
    x: randomFloats(samples * FEATURES, seed),
    y: Uint8Array.from({ length: samples }, (_, i) => (i * seed + 1) % 3),
    classes: 3,
    features: FEATURES,
  });

const data = some(40, 7);
// Three chunks of 512 rows.
const held = some(1100, 11);
const model = mlp({ sizes: [FEATURES, 12, 3], activation: 'tanh' });

let device: GPUDevice;
const made: Trainer[] = [];
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  for (const trainer of made) trainer.destroy();
});

/** 5 steps to an epoch. */
async function trainer(options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const one = await createTrainer(device, { model, rule: adam({ lr: 0.02 }), data, batchSize: 8, seed: 3, ...options });
  made.push(one as Trainer);
  return one as Trainer;
}

const validations = (reports: Awaited<ReturnType<typeof collect>>) =>
  reports.flatMap(({ step, validation }) => (validation ? [{ at: step, ...validation }] : []));

describe('validation', () => {
  it('is of the parameters right after its step, and changes nothing', async () => {
    const one = await trainer({ validation: { data: held, every: { batches: 3 } } });
    const other = await trainer();
    const reports = await collect(one, { steps: 10 });
    const seen = validations(reports);
    expect(seen.map(({ at, step }) => [at, step])).toEqual([
      [3, 3],
      [6, 6],
      [9, 9],
    ]);
    const plain = [];
    for (const { step, loss, accuracy } of seen) {
      plain.push(...(await collect(other, { steps: step - other.step })));
      expect(await other.evaluate(held)).toEqual({ step, loss, accuracy });
    }
    expect(losses(reports.slice(0, 9))).toEqual(losses(plain));
  });
});

describe('early stopping', () => {
  it('stops where a host would, and puts the best weights back', async () => {
    const validation = { data: held, every: { epochs: 1 } } as const;
    const one = await trainer({ validation, earlyStopping: { patience: 4 } });
    const seen = validations(await collect(one, { steps: 2000 }));
    const best = seen.reduce((least, each) => (each.loss < least.loss ? each : least));
    expect(one.stopped).toEqual({
      reason: 'early-stopping',
      step: best.step + 20,
      best: { step: best.step, value: best.loss },
    });
    expect(one.step).toBe(best.step + 20);
    expect(seen.at(-1)!.step).toBe(one.step);
    expect((await one.evaluate(held)).loss).toBe(best.loss);
  });
});
