import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { adam, createTrainer, mlp } from '../../src/index.js';
import { testDevice } from '../support/gpu.js';
import { expectSteadyMemory } from '../support/memory.js';
import { noise } from '../support/train.js';

it('memory on the GPU is constant over 10,000 steps with validation, an average and telemetry on', async () => {
  const bytes = await expectSteadyMemory(await testDevice(), 10_000);
  console.log(`${bytes} bytes`);
  expect(bytes).toBeGreaterThan(0);
});

it('the heap is as large after 100,000 steps as after 20,000', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const trainer = await createTrainer(await testDevice(), {
    ...{ model: mlp({ sizes: [6, 8, 3] }), rule: adam(), data: noise(200, 6, 3), batchSize: 16 },
  });
  const heap = async (until: number) => {
    for await (const { loss } of trainer.run({ steps: until - trainer.step })) expect(Number.isFinite(loss)).toBe(true);
    await new Promise(setImmediate); // what native code still holds of the last submit goes
    collectGarbage();
    const { heapUsed, arrayBuffers, external } = process.memoryUsage();
    return heapUsed + arrayBuffers + external;
  };
  const early = await heap(20_000);
  const late = await heap(100_000);
  trainer.destroy();
  console.log(`${early} bytes, then ${late}`);
  // 4 bytes kept of each step would be 320,000.
  expect(Math.abs(late - early)).toBeLessThan(250_000);
});
