import { type ReferenceRule, referenceRules, referenceState, referenceStep } from '../../src/reference/index.js';
import { functionOf } from '../../src/trajectory/index.js';
import { contenderOf } from './contenders.js';
import { problemOf } from './functions.js';
import type { WaysJob } from './ways.js';

/* What a rule sees and remembers at every step of its way: its gradients and its momentum. */

export interface ArrowsJob {
  readonly job: WaysJob;
  readonly key: string;
  readonly lr: number | undefined;
  /** Of its way [steps + 1, 2]. */
  readonly points: Float64Array;
}

export interface Arrows {
  readonly key: string;
  /** Of each step [steps, 2], with the noise that the rule saw. */
  readonly gradients: Float64Array;
  /** The running mean or sum of gradients behind each step, as the rule has it; undefined where it has none. */
  readonly momenta: Float64Array | undefined;
}

/** What rules call their memory of gradients. */
const MOMENTUM = ['momentum_buffer', 'exp_avg'];

export function arrowsOf({ job, key, lr, points }: ArrowsJob): Arrows {
  const { function: choice, start, seed } = job;
  const { gradient } = functionOf(problemOf(choice, start));
  const steps = points.length / 2 - 1;
  const gradients = new Float64Array(2 * steps);
  for (let step = 0; step < steps; step++)
    gradients.set(gradient([points[2 * step]!, points[2 * step + 1]!], { seed, step }), 2 * step);
  return { key, gradients, momenta: momentaOf(key, lr, start, gradients) };
}

/** The rule once more, on the gradients that it saw. */
function momentaOf(key: string, lr: number | undefined, start: readonly number[], gradients: Float64Array) {
  const rule = contenderOf(key)?.rule?.(lr);
  const reference = rule && (referenceRules as unknown as Readonly<Record<string, ReferenceRule>>)[rule.row.name];
  if (!reference) return undefined;
  const hyper = rule.hyper as Readonly<Record<string, unknown>>;
  const slot = reference.slots(hyper).find((name) => MOMENTUM.includes(name));
  if (slot === undefined) return undefined;
  const momenta = new Float64Array(gradients.length);
  const param = Float64Array.from(start);
  const state = referenceState(reference, [2], hyper);
  for (let step = 0; 2 * step < gradients.length; step++) {
    const grad = gradients.slice(2 * step, 2 * step + 2);
    referenceStep(reference, [{ shape: [2], param, grad, state }], step + 1, hyper);
    momenta.set(state[slot]!, 2 * step);
  }
  return momenta;
}
