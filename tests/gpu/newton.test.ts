import { afterEach, describe, it } from 'vitest';
import { newtonCg } from '../../src/optim/minimizers.gen.js';
import type { Program } from '../../src/train/program.js';
import { testDevice } from '../support/gpu.js';
import { lbfgsCases, problemProgram, runOut } from '../support/lbfgs.js';

const programs: Program[] = [];
afterEach(() => {
  for (const program of programs.splice(0)) program.destroy();
});

describe('on problems', () => {
  it.each(Object.entries(lbfgsCases))('%s', async (name, each) => {
    const program = await problemProgram(await testDevice(), newtonCg(), each);
    programs.push(program);
    const results = await runOut(program, 3000);
    const state = await program.state();
    console.log(
      name,
      program.updater.stopped,
      'steps',
      results.length,
      'count',
      state.count,
      'skipped',
      results.filter((r) => r.skipped).length,
      'products',
      state.scalars?.products?.[0],
      'value',
      state.scalars?.value?.[0],
      'want',
      each.value,
      'gmax',
      state.scalars?.gradMax?.[0],
      'radius',
      state.scalars?.radius?.[0],
    );
  });
});
