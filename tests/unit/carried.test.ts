import { expect, it } from 'vitest';
import { carried, loadCarried } from '../../src/kernels/carried.js';
import { adamShader } from '../../src/shaders/optim/adam.gen.js';

it('a rule is carried into other loops, but not one of somebody else’s that has its name', async () => {
  const changed = { ...adamShader, code: adamShader.code.replace('h.step_size * m', 'm') };
  expect(changed.code).not.toBe(adamShader.code);
  for (const shader of [adamShader, changed]) await loadCarried(shader, 'ending-8');
  expect(carried(adamShader, 'ending-8')?.name).toBe('optim/adam_ending_8');
  expect(carried(changed, 'ending-8')).toBeUndefined();
});
