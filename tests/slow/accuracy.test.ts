import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { digits, idx, split } from '../../src/data/index.js';
import { mlp } from '../../src/nn/mlp.js';
import { idxFolder } from '../../src/node/index.js';
import { adam } from '../../src/optim/rules.gen.js';
import { createTrainer } from '../../src/train/trainer.js';
import { scratch } from '../support/cli.js';
import { testDevice } from '../support/gpu.js';
import { expectMnist } from '../support/mnist.js';
import { collect } from '../support/train.js';

const sizes = [784, 100, 100, 100, 100, 10];
/** Real MNIST digits, where the workplace has them; they are not part of the repository. */
const MNIST = resolve(import.meta.dirname, '../../../shared/data/mnist');

describe('the lecture’s net', () => {
  it('reaches 94 % on real MNIST in 10 epochs of Adam (8,000 train, 2,000 test)', async (context) => {
    if (!existsSync(MNIST)) context.skip(`no MNIST files at ${MNIST}`);
    const { images, labels } = await idxFolder(MNIST);
    const [train, test] = split(await idx({ images, labels }), 8000);
    const trainer = await createTrainer(await testDevice(), {
      model: mlp({ sizes }),
      rule: adam(),
      data: train,
      submitMs: 500,
    });
    await collect(trainer, { epochs: 10 });
    const { accuracy } = await trainer.evaluate(test);
    console.log(`MNIST test accuracy ${accuracy}`);
    expect(accuracy).toBeGreaterThanOrEqual(0.94);
    trainer.destroy();
  });

  it('passes 97 % on the built-in digits, where logistic regression stays under 93 %', async () => {
    const [train, test] = split(digits(), 8000);
    const accuracyOf = async (widths: number[], lr: number, epochs: number) => {
      const trainer = await createTrainer(await testDevice(), {
        model: mlp({ sizes: widths }),
        rule: adam({ lr }),
        data: train,
        submitMs: 500,
      });
      await collect(trainer, { epochs });
      const { accuracy } = await trainer.evaluate(test);
      trainer.destroy();
      return accuracy!;
    };
    const [network, logistic] = [await accuracyOf(sizes, 1e-3, 10), await accuracyOf([784, 10], 3e-3, 20)];
    console.log(`digits: network ${network}, logistic regression ${logistic}`);
    expect(network).toBeGreaterThan(0.97);
    expect(logistic).toBeLessThan(0.93);
    // It did learn: chance is 0.1.
    expect(logistic).toBeGreaterThan(0.8);
  });
});

describe('all of the training system', () => {
  const folder = scratch();
  beforeAll(() => ensureBuild());
  afterAll(folder.remove);
  it('reaches 96.5 % on real MNIST', (context) => expectMnist(context, 'node', folder.path('all')), 600_000);
});
