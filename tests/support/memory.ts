import { setImmediate } from 'node:timers/promises';
import { expect } from 'vitest';
import { followBuffers } from '../../harness/torture/gpu/faults.js';
import { adam, createTrainer, ema, mlp, split } from '../../src/index.js';
import { noise } from './train.js';

/**
 * Trains a small network with all that a person would turn on: the buffers that are there after the first hundred steps are
 * those that are there at the end, and none is left after `destroy`.
 *
 * @returns bytes on the GPU while it trains
 */
export async function expectSteadyMemory(device: GPUDevice, steps: number): Promise<number> {
  const buffers = followBuffers(device);
  const look = () => ({ labels: buffers.live(), bytes: buffers.bytes() });
  try {
    const [data, held] = split(noise(200, 6, 3), 150);
    const trainer = await createTrainer(device, {
      model: mlp({ sizes: [6, 8, 3], activation: 'tanh', norm: 'batch', dropout: 0.2 }),
      ...{ rule: adam(), data, batchSize: 15, average: ema({ decay: 0.99 }) },
      validation: { data: held, every: { epochs: 1 }, keepBest: true },
      earlyStopping: { metric: 'loss', patience: steps },
    });
    const seen: ReturnType<typeof look>[] = [];
    let [validations, watched] = [0, 0];
    const watch = { every: 20, histograms: true };
    for await (const { step, validation, watch: looked } of trainer.run({ steps, watch })) {
      if (validation) validations++;
      if (looked) watched++;
      if (step % 50 === 0) seen.push(look());
    }
    expect([validations, watched]).toEqual([steps / 10, steps / 20]);
    // Losses come back through buffers that stay; nothing is made for a step, a validation or a look.
    const steady = seen[1]!;
    expect(seen.slice(1)).toEqual(seen.slice(1).map(() => steady));
    const made = buffers.made();
    for await (const _ of trainer.run({ steps: 50 }));
    expect(buffers.made()).toBe(made);
    await trainer.evaluate(held);
    await trainer.checkpoint();
    trainer.destroy();
    await setImmediate(); // evaluators are freed once they are idle
    expect(buffers.live()).toEqual([]);
    return steady.bytes;
  } finally {
    buffers.undo();
  }
}
