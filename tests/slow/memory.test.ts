import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { adam, createTrainer, mlp } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { testDevice } from '../support/gpu.js';
import { expectSteadyMemory } from '../support/memory.js';
import { noise } from '../support/train.js';

it('memory on the GPU is constant over 10,000 steps with validation, an average and telemetry on', async () => {
  const bytes = await expectSteadyMemory(await testDevice(), 10_000);
  console.log(`${bytes} bytes`);
  expect(bytes).toBeGreaterThan(0);
});

/**
 * Bytes of JavaScript that are there for good. One collection leaves up to 300 kB that the next ones take: code that nobody
 * has called for a while, and wrappers of which the native side is freed first.
 */
async function keptBytes(collectGarbage: () => void): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await setTimeout(100);
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    fewest = Math.min(fewest, heapUsed + external); // external has those of array buffers
  }
  return fewest;
}

it.each([true, false])('nothing is kept of a step or a submit over 100,000 steps, calm: %s', async (calm) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const device = await requestDevice({ calm });
  const trainer = await createTrainer(device, {
    ...{ model: mlp({ sizes: [6, 8, 3] }), rule: adam(), data: noise(200, 6, 3), batchSize: 16 },
    submitMs: 1, // some 15 steps: what is kept of a submit shows as what is kept of a step does
  });
  const kept: number[] = [];
  for (let until = 20_000; until <= 120_000; until += 20_000) {
    for await (const { loss } of trainer.run({ steps: until - trainer.step })) expect(Number.isFinite(loss)).toBe(true);
    kept.push(await keptBytes(collectGarbage));
  }
  trainer.destroy();
  device.destroy();
  const growth = kept.slice(1).map((bytes, i) => bytes - kept[i]!);
  console.log(`${kept.join(', ')} bytes`);
  // What happens once is in one stretch, and of either sign: V8 frees 1.1 MB of code when nobody has called it for long. What
  // is kept of each step is in all: a reference is 8 bytes, 160,000 in each. Compiled code grows by up to 80,000 at first.
  expect(growth.sort((a, b) => a - b)[2]).toBeLessThan(100_000);
});
