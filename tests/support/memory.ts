import { setImmediate } from 'node:timers/promises';
import { expect } from 'vitest';
import { adam, createTrainer, ema, mlp, split } from '../../src/index.js';
import { noise } from './train.js';

/** Buffers of a device that are there. */
export interface LiveBuffers {
  readonly labels: readonly string[];
  readonly bytes: number;
}

/** Follows a device's buffers from here on: those made and not destroyed. */
export function followBuffers(device: GPUDevice): { live(): LiveBuffers; made(): number; restore(): void } {
  const there = new Map<GPUBuffer, number>();
  const original = device.createBuffer;
  let made = 0;
  Object.defineProperty(device, 'createBuffer', {
    configurable: true,
    value: (descriptor: GPUBufferDescriptor) => {
      const buffer = original.call(device, descriptor);
      const destroy = buffer.destroy;
      there.set(buffer, descriptor.size);
      made++;
      Object.defineProperty(buffer, 'destroy', {
        configurable: true,
        value: () => {
          there.delete(buffer);
          return destroy.call(buffer);
        },
      });
      return buffer;
    },
  });
  return {
    live: () => ({
      labels: [...there.keys()].map(({ label }) => label),
      bytes: [...there.values()].reduce((sum, size) => sum + size, 0),
    }),
    made: () => made,
    restore: () => delete (device as Partial<GPUDevice>).createBuffer,
  };
}

/**
 * Trains a small network with all that a person would turn on: the buffers that are there after the first hundred steps are
 * those that are there at the end, and none is left after `destroy`.
 *
 * @returns bytes on the GPU while it trains
 */
export async function expectSteadyMemory(device: GPUDevice, steps: number): Promise<number> {
  const buffers = followBuffers(device);
  try {
    const [data, held] = split(noise(200, 6, 3), 150);
    const trainer = await createTrainer(device, {
      model: mlp({ sizes: [6, 8, 3], activation: 'tanh', norm: 'batch', dropout: 0.2 }),
      ...{ rule: adam(), data, batchSize: 15, average: ema({ decay: 0.99 }) },
      validation: { data: held, every: { epochs: 1 }, keepBest: true },
      earlyStopping: { metric: 'loss', patience: steps },
    });
    const seen: LiveBuffers[] = [];
    let [validations, watched] = [0, 0];
    const watch = { every: 20, histograms: true };
    for await (const { step, validation, watch: looked } of trainer.run({ steps, watch })) {
      if (validation) validations++;
      if (looked) watched++;
      if (step % 50 === 0) seen.push(buffers.live());
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
    // What unused bindings are given is the device's: 2 buffers of 2,304 bytes in all, however many trainers there were.
    expect(buffers.live().labels.filter((label) => !label.startsWith('downhill:dummy/'))).toEqual([]);
    return steady.bytes;
  } finally {
    buffers.restore();
  }
}
