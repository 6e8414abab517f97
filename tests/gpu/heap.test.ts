import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import { requestDevice } from '../../src/node/index.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { Rule } from '../../src/optim/rule.js';
import { sgd } from '../../src/optim/rules.gen.js';
import { createPopulation } from '../../src/train/population.js';
import { createTrainer } from '../../src/train/trainer.js';
import { noise } from '../support/train.js';

/* What is kept in host memory of things that are over. */

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that the heap grows by with each call: the least of three stretches, since V8 keeps code for a while. */
async function bytesKept(work: () => Promise<void>, times: number): Promise<number> {
  const used = async () => {
    for (let i = 0; i < 2; i++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 10)); // finalizers
    }
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  for (let i = 0; i < times / 4; i++) await work();
  let least = Number.POSITIVE_INFINITY;
  for (let stretch = 0; stretch < 3; stretch++) {
    const before = await used();
    for (let i = 0; i < times; i++) await work();
    least = Math.min(least, ((await used()) - before) / times);
  }
  return least;
}

it('grows by nothing with runs that do nothing', async () => {
  const device = await requestDevice();
  const options = { model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), batchSize: 10 };
  const trainer = await createTrainer(device, { ...options, rule: sgd() });
  const population = await createPopulation(device, { ...options, members: [{ rule: sgd() as Rule, seed: 0 }] });
  for (const one of [trainer, population]) {
    const run = async () => {
      for await (const _ of one.run({ steps: 0 }));
    };
    expect(await bytesKept(run, 5000)).toBeLessThan(20);
    one.destroy();
  }
  device.destroy();
});

it('waits for the loss of a device once, whatever is made and done on it', async () => {
  const device = await requestDevice();
  const { lost } = device;
  let asked = 0;
  Object.defineProperty(device, 'lost', {
    get: () => {
      asked++;
      return lost;
    },
  });
  const options = { model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), batchSize: 10, rule: sgd() };
  const buffer = () => device.createBuffer({ size: 256, usage: 0x80 | 4 | 8 });
  const tensors = [{ name: 'w', shape: [4], param: buffer(), grad: buffer() }];
  for (let i = 0; i < 3; i++) {
    const trainer = await createTrainer(device, options);
    for await (const _ of trainer.run({ steps: 1 }));
    await trainer.evaluate(options.data);
    trainer.destroy();
    const optimizer = await createOptimizer(device, sgd(), tensors);
    await optimizer.read();
    optimizer.destroy();
    // (A device is checked for having a promise there.)
    if (i === 0) asked = 0;
  }
  expect(asked).toBeLessThanOrEqual(4);
  device.destroy();
});
