import { expect, it } from 'vitest';
import { testDevice } from '../support/gpu.js';
import { expectSteadyMemory } from '../support/memory.js';

it('memory on the GPU is constant over 10,000 steps with validation, an average and telemetry on', async () => {
  const bytes = await expectSteadyMemory(await testDevice(), 10_000);
  console.log(`${bytes} bytes`);
  expect(bytes).toBeGreaterThan(0);
});
