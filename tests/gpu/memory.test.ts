import { it } from 'vitest';
import { testDevice } from '../support/gpu.js';
import { expectSteadyMemory } from '../support/memory.js';

it('memory on the GPU is constant while a network trains, and all of it is given back', async () => {
  // tests/slow/memory.test.ts does 10,000 steps.
  await expectSteadyMemory(await testDevice(), 300);
});
