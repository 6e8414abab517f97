import { describe, expect, it } from 'vitest';
import { landscape, recordPath } from '../../src/landscape/index.js';
import { mlp } from '../../src/nn/mlp.js';
import { tensorsOf } from '../../src/nn/model.js';
import { adam } from '../../src/optim/rules/adam.js';
import { createTrainer } from '../../src/train/trainer.js';
import { testDevice } from '../support/gpu.js';
import { collect, noise } from '../support/train.js';

const data = noise(150, 12, 4);
const model = mlp({ sizes: [12, 10, 8, 4], activation: 'tanh' });
const makeTrainer = async (options = {}) =>
  createTrainer(await testDevice(), { model, rule: adam({ lr: 0.01 }), data, batchSize: 32, seed: 3, ...options });

describe('landscape', () => {
  it('is the loss that evaluate says, at the centre to the bit', async () => {
    const trainer = await makeTrainer();
    await collect(trainer, { steps: 20 });
    const seen: number[] = [];
    const made = await landscape(trainer, { plane: 'random', grid: 5, seed: 4, onProgress: (done) => seen.push(done) });
    const { loss, accuracy } = await trainer.evaluate(made.data);
    expect(made.centre).toEqual({ x: 0, y: 0, loss, accuracy });
    expect(made.loss[12]).toBe(Math.fround(loss));
    console.log(made.members, made.passes, seen, made.loss, made.norms, made.cosine);
    const path = await recordPath(trainer, { every: 5 });
    for await (const _ of path.run({ steps: 30 }));
    const pca = await landscape(trainer, { plane: 'pca', path, grid: 4 });
    console.log(pca.share, pca.path, pca.loss, pca.x, pca.y);
    const line = await landscape(trainer, { plane: 'line', path, grid: 4 });
    console.log(line.path, line.loss, line.norms, line.centre);
    expect(tensorsOf(model).length).toBe(6);
    trainer.destroy();
  });
});
