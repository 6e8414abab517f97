import { describe, expectTypeOf, it } from 'vitest';
import {
  adam,
  createOptimizer,
  createTrainer,
  type Dataset,
  type Model,
  type Optimizer,
  type OptimizerState,
  type Rule,
  scale,
  sgd,
  type TensorOptions,
} from '../../src/index.js';

/* What TypeScript lets through; nothing here runs but the checks of types. */

declare const device: GPUDevice;
declare const buffer: GPUBuffer;
declare const model: Model;
declare const data: Dataset;
const of = <G>(group: G) => ({ name: 'w', shape: [4], param: buffer, grad: buffer, group });
const own = {
  name: 'w',
  shape: [4],
  get param() {
    return buffer;
  },
  get grad() {
    return buffer;
  },
};
const check = (_: () => unknown) => {};

describe('the types of createOptimizer', () => {
  it('know the hyper-parameters of the rule, in groups and in set', () => {
    check(async () => {
      const optimizer = await createOptimizer(device, adam({ lr: 1e-3 }), [
        {
          name: 'w',
          shape: [4],
          param: buffer,
          grad: buffer,
          group: { lr: 0.1, betas: [0.8, (count) => 1 / (2 + count)] },
        },
      ]);
      optimizer.set({ lr: 0.1, betas: [scale(0.5), 0.9] }, ['w']);
      optimizer.set({ lr: scale(0.1), amsgrad: undefined });
      // @ts-expect-error of another rule
      optimizer.set({ momentum: 0.9 });
      // @ts-expect-error no number
      optimizer.set({ lr: '0.1' });
      // @ts-expect-error no factor on a flag
      optimizer.set({ maximize: scale(2) });
      // @ts-expect-error one name is no list
      optimizer.set({ lr: 0.1 }, 'w');
      // @ts-expect-error of another rule
      await createOptimizer(device, adam(), [{ ...own, group: { momentum: 1 } }]);
      // @ts-expect-error no number
      await createOptimizer(device, sgd(), [{ ...own, group: { lr: 'fast' } }]);
      // @ts-expect-error no key of a range
      await createOptimizer(device, sgd(), [{ ...own, param: { buffer, byteOffset: 8 } }]);
    });
  });

  it('take rules and tensors that are only known at run time', () => {
    check(async () => {
      const rule = adam() as unknown as Rule;
      const tensors: TensorOptions[] = [of({ lr: 1 })];
      const optimizer = await createOptimizer(device, rule, tensors);
      expectTypeOf(optimizer).toEqualTypeOf<Optimizer>();
      optimizer.set({ anything: 1, lr: scale(0.5) });
      const typed = await createOptimizer(device, sgd(), [of({ lr: 1 })]);
      const plain: { set(options: object): void } = typed;
      plain.set({});
    });
  });

  it('say what a state is', () => {
    expectTypeOf<OptimizerState['version']>().toEqualTypeOf<1>();
    expectTypeOf<OptimizerState['carries'][number]['value']>().toEqualTypeOf<number | readonly number[]>();
  });

  it('take a rule that is one of several', () => {
    check(async () => {
      const rule = Math.random() < 0.5 ? adam() : sgd();
      await createOptimizer(device, rule, [own]);
      for (const each of [adam(), sgd()]) await createTrainer(device, { model, rule: each, data });
      const trainer = await createTrainer(device, {
        model,
        rule,
        data,
        groups: [{ tensors: '*.bias', weightDecay: 0 }],
      });
      trainer.set({ lr: scale(0.5) });
      const one = await createTrainer(device, { model, rule: adam(), data });
      one.set({ betas: [0.8, 0.99] });
      // @ts-expect-error Adam has no momentum
      one.set({ momentum: 0.9 });
    });
  });
});
