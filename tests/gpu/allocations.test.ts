import { describe, expect, it, vi } from 'vitest';
import { followBuffers } from '../../harness/torture/gpu/faults.js';
import { allocations, failOne } from '../../harness/torture/gpu/memory.js';
import { scenes } from '../../harness/torture/gpu/scenes.js';
import { data } from '../../harness/torture/gpu/subjects.js';
import { adam, createTrainer, mlp } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { testDevice } from '../support/gpu.js';

/*
 * Allocations of what is made at once, in a caller's commands, and of what is read: each fails in both ways that leave the device
 * as it is. `npm run torture -- memory` does the same to everything there is.
 */

const NAMES = /^optimizer\.|^trainer\.(checkpoint|profile)|createOptimizer: records/;

describe('every allocation that fails is an error of ours, and leaves what was there as it was', () => {
  it.each(scenes.filter(({ name }) => NAMES.test(name)))('$name', async (scene) => {
    const device = await testDevice();
    const { made, kept } = await allocations(scene, device);
    expect(made).toBeGreaterThan(0);
    for (let at = 0; at < made; at++) {
      for (const how of ['scope', 'range-error'] as const)
        expect(await failOne({ scene, at, how, kept }, device)).toEqual([]);
    }
  });
});

it('a trainer goes on without a measured plan, and the half of a timer that there was is gone', async () => {
  const device = await requestDevice();
  const quiet = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const followed = followBuffers(device);
  const create = device.createBuffer.bind(device);
  let refused = 0;
  device.createBuffer = (descriptor) => {
    if (!descriptor.label?.endsWith('timestamps-staging')) return create(descriptor);
    refused++;
    throw new RangeError('no room');
  };
  const model = mlp({ sizes: [6, 5, 3] });
  const trainer = await createTrainer(device, { model, rule: adam(), data, plan: 'measure', planBudgetMs: 50 });
  expect([refused, quiet.mock.calls.length]).toEqual([1, 1]);
  expect(followed.live().filter((label) => label.includes('-tune'))).toEqual([]);
  trainer.destroy();
  quiet.mockRestore();
  device.destroy();
});
