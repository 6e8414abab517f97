import { NEWTON_STATE_BYTES, newtonForms, newtonOffset, newtonSettings, readNewton } from '../../kernels/newton.js';
import type { Op } from '../../kernels/op.js';
import { productForms } from '../../kernels/product-forms.js';
import type { PlacedVector } from '../../space/space.js';
import type { NamedRange } from '../../space/stateful.js';
import type { MinimizerBinding, MinimizerMemory, MinimizerModule } from '../minimizer.js';
import type { Rule } from '../rule.js';
import { CommonMinimizer, sizeOf } from './common.js';
import { hyperOf, memoryOf, type NewtonHyper, type NewtonMemory } from './newton-memory.js';
import { stepOps } from './newton-ops.js';
import { Rounds } from './rounds.js';

/*
 * Newton's method on the GPU, with directions by conjugate gradients within a trust region: vectors of the parameters' space, and a
 * state that `control` alone writes. What `newtonCg` and `gaussNewton` name in their rows.
 */

const module = (gaussNewton: boolean): MinimizerModule<Rule> => ({
  forms: [...newtonForms, ...productForms],
  product: true,
  points: () => 1,
  together: () => 1,
  bind: (binding) => new Newton(binding, gaussNewton),
});

export const hessian = module(false);
export const gaussNewton = module(true);

/** Settings that kernels were made for. */
const FIXED = ['products'] as const satisfies (keyof NewtonHyper)[];

/** It has no rate: the step is the model's own. */
class Steps extends Rounds {
  override rates(): (record: number) => number {
    return () => 1;
  }
}

class Newton extends CommonMinimizer<NewtonMemory> {
  readonly scalars: Rounds;
  readonly ops: readonly Op[];
  protected readonly ending = { offset: newtonOffset('stop'), words: 3 };

  constructor(binding: MinimizerBinding<Rule>, gaussNewton: boolean) {
    super(binding, memoryOf(binding), FIXED);
    this.scalars = new Steps(
      binding.groups.flatMap(({ rules }) => rules),
      (rules) => this.write(rules[this.record]!),
    );
    this.write(this.rule);
    const bound = binding.objective(this.own.points);
    this.ops = stepOps(binding, this.own, bound, hyperOf(this.rule), gaussNewton);
  }

  protected write(rule: Rule): void {
    const { settings } = this.own;
    const { radius, toleranceGrad } = hyperOf(rule);
    const words = newtonSettings({ radius, tolerance_grad: toleranceGrad });
    this.buffers.device.queue.writeBuffer(settings.buffer, settings.offset, words);
  }

  protected numbers(state: ArrayBuffer) {
    const { value, grad_max: gradMax, products, radius } = readNewton(state);
    return { value, gradMax, products, radius };
  }

  /** x was set from outside: nothing is known of it. */
  follow(): void {
    this.goOn(Array<number>(NEWTON_STATE_BYTES / 4).fill(0), 0);
  }

  memory(): MinimizerMemory {
    const { g, z, r, d, hd, points } = this.own;
    return {
      encodings: Object.fromEntries([g, z, r, d].map(({ name }) => [name, 'f32'])),
      gradients: sizeOf(g) + sizeOf(points.grads),
      state: [z, r, d, hd, points.params].reduce((sum, vector) => sum + sizeOf(vector), 0),
    };
  }

  vectors(): readonly PlacedVector[] {
    const { space } = this.binding;
    const { g, z, r, d } = this.own;
    return [g, z, r, d].map((vector) => ({ space, vector }));
  }

  ranges(): readonly NamedRange[] {
    const { clock, state } = this.own;
    const named = { clock, state };
    return Object.entries(named).map(([name, own]) => ({ name, ...own }));
  }
}
