import { describe, expect, it } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import { resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import * as backward from '../support/backward.js';
import { elementwiseNames, insideCases } from '../support/rule-cases.js';
import * as whole from '../support/step.js';

/*
 * Every rule, with every set of its state slots, inside the kernels that carry it: a pipeline each. Some of them are in
 * tests/gpu/backward.test.ts and step.test.ts, beside the networks.
 */

describe.each(insideCases(elementwiseNames))('%s %o', (name, options) => {
  const rule = resolveRule(rules, name, options);

  it('has its bits inside the weight gradient', async () => {
    const model = mlp({ sizes: [70, 67] });
    const inside = await backward.train({ model, rule }, backward.fused);
    const after = await backward.train({ model, rule }, backward.stored);
    expect(inside.passes).toHaveLength(after.passes.length - 1);
    expect(inside.losses).toEqual(after.losses);
    expect(inside.tensors).toEqual(after.tensors);
  });

  it.each(whole.variants)('has its bits inside the step by rows, %s', async (variant) => {
    const trial = { model: mlp({ sizes: [9, 12, 7, 4], activation: 'tanh' }), rule, seeds: [1, 2] };
    const inside = await whole.train(trial, whole.step(variant));
    const after = await whole.train(trial, whole.stored(variant));
    // Where what is evaluated is not the parameter, one more has that.
    expect(inside.described.dispatches).toBeLessThanOrEqual(rule.row.evaluation ? 4 : 3);
    expect(inside.losses).toEqual(after.losses);
    expect(inside.tensors).toEqual(after.tensors);
  });
});
