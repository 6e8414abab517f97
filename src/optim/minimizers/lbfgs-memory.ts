import { type BufferRange, range, roundUp } from '../../gpu/buffers.js';
import { CLOCK_BYTES } from '../../kernels/advance.js';
import { LBFGS_POINTS, LBFGS_SETTINGS_BYTES, LBFGS_STATE_BYTES } from '../../kernels/lbfgs.js';
import { elementsOf, makeSpace, type Space, type Vector } from '../../space/space.js';
import type { MinimizerBinding, Points } from '../minimizer.js';
import type { Rule } from '../rule.js';

/* What L-BFGS has on the GPU, by its settings. */

export interface LbfgsHyper {
  readonly lr: number;
  readonly history: number;
  readonly lineSearch: 'strong-wolfe' | 'armijo' | 'none';
  readonly trials: number;
  readonly toleranceGrad: number;
  readonly toleranceChange: number;
  readonly stochastic: boolean;
  readonly convention: 'pytorch' | 'optax';
}

export const hyperOf = ({ hyper }: Rule) => hyper as unknown as LbfgsHyper;

/** Step lengths of a round. */
export const trialsOf = ({ lineSearch, trials }: LbfgsHyper) => (lineSearch === 'none' ? 1 : trials);

/** Where batches differ, one of them is x itself. */
export const pointsOf = (hyper: LbfgsHyper): number => trialsOf(hyper) + (hyper.stochastic ? 1 : 0);

/** Of the history: one is free. */
export const slotsOf = ({ history }: LbfgsHyper) => history + 1;

/** All it has on the GPU, beside the parameters. */
export interface LbfgsMemory {
  readonly slots: number;
  readonly clock: BufferRange;
  /** The clocks of the points, and their values by step. */
  readonly clocks: BufferRange;
  readonly values: BufferRange;
  readonly settings: BufferRange;
  readonly state: BufferRange;
  /** To be tried in the next round. */
  readonly steps: BufferRange;
  /** Products of the basis, and the direction's coefficients in it. */
  readonly products: BufferRange;
  readonly delta: BufferRange;
  readonly g: Vector;
  readonly d: Vector;
  /** Slot by slot, as replicas. */
  readonly s: Vector;
  readonly y: Vector;
  readonly points: Points;
}

export function memoryOf({ buffers, space, ring }: MinimizerBinding<Rule>, rule: Rule): LbfgsMemory {
  const slots = slotsOf(hyperOf(rule));
  const count = pointsOf(hyperOf(rule));
  const copies = (replicas: number): Space => makeSpace({ ...space, replicas });
  const [tried, history] = [copies(count), copies(slots)];
  const own = (name: string, bytes: number) => range(buffers.storage(name, bytes), 0, bytes);
  const basis = 2 * slots + 1;
  return {
    slots,
    clock: own('clock', CLOCK_BYTES),
    clocks: own('clocks', CLOCK_BYTES * count),
    values: own('values', 8 * ring * count),
    settings: own('settings', LBFGS_SETTINGS_BYTES),
    state: own('state', LBFGS_STATE_BYTES),
    steps: own('steps', 4 * LBFGS_POINTS),
    products: own('products', 4 * basis ** 2),
    delta: own('delta', 4 * basis),
    g: space.vector(buffers, 'gradient'),
    d: space.vector(buffers, 'direction'),
    s: history.vector(buffers, 's'),
    y: history.vector(buffers, 'y'),
    points: { space: tried, params: tried.vector(buffers, 'points'), grads: tried.vector(buffers, 'gradients') },
  };
}

/** Elements of the longest segment: short enough that a workgroup has few, and as few segments as that allows. */
export function longestSegment({ tensors }: Space): number {
  const all = tensors.reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  return Math.min(Math.max(roundUp(Math.ceil(all / 64), 64), 2048), 16_384);
}
