import { type BufferRange, range } from '../../gpu/buffers.js';
import { CLOCK_BYTES } from '../../kernels/advance.js';
import { NEWTON_SETTINGS_BYTES, NEWTON_STATE_BYTES } from '../../kernels/newton.js';
import type { Vector } from '../../space/space.js';
import type { MinimizerBinding, Points } from '../minimizer.js';
import type { Rule } from '../rule.js';

/* What Newton's method has on the GPU. */

export interface NewtonHyper {
  readonly products: number;
  readonly radius: number;
  readonly toleranceGrad: number;
}

export const hyperOf = ({ hyper }: Rule) => hyper as unknown as NewtonHyper;

/** All it has on the GPU, beside the parameters. */
export interface NewtonMemory {
  readonly clock: BufferRange;
  /** The point's clock, and its values by step. */
  readonly clocks: BufferRange;
  readonly values: BufferRange;
  readonly settings: BufferRange;
  readonly state: BufferRange;
  /** At x; the direction so far, its residual, where it goes on, and the product with that. */
  readonly g: Vector;
  readonly z: Vector;
  readonly r: Vector;
  readonly d: Vector;
  readonly hd: Vector;
  readonly points: Points;
}

export function memoryOf({ buffers, space, ring }: MinimizerBinding<Rule>): NewtonMemory {
  const own = (name: string, bytes: number) => range(buffers.storage(name, bytes), 0, bytes);
  const vector = (name: string) => space.vector(buffers, name);
  return {
    clock: own('clock', CLOCK_BYTES),
    clocks: own('clocks', CLOCK_BYTES),
    values: own('values', 8 * ring),
    settings: own('settings', NEWTON_SETTINGS_BYTES),
    state: own('state', NEWTON_STATE_BYTES),
    g: vector('gradient'),
    z: vector('direction'),
    r: vector('residual'),
    d: vector('conjugate'),
    hd: vector('product'),
    points: { space, params: vector('point'), grads: vector('gradients') },
  };
}
