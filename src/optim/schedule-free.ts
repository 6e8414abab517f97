import { DownhillError, show } from '../gpu/errors.js';
import { integer, number } from '../gpu/fields.js';
import type { RuleText } from './rule.js';

/* What the schedule-free rules have in common: how their average weighs each iterate. */

/** Fields of the average. */
export const averaging = {
  warmupSteps: integer('updates in which the rate rises from lr/warmupSteps to lr', 0, { min: 0, max: 2 ** 31 }),
  r: number('power of t in the weight of an iterate', 0, { min: 0 }),
  weightLrPower: number('power of the largest rate so far in that weight', 2, { min: 0 }),
};

interface Hyper {
  readonly lr: number;
  readonly warmupSteps: number;
  readonly r: number;
  readonly weightLrPower: number;
  readonly weightDecay: number;
  readonly decoupledWeightDecay: boolean;
}

const rateAt = (t: number, { lr, warmupSteps }: Hyper) => (t < warmupSteps ? lr * (t / warmupSteps) : lr);
const weightAt = (t: number, { r, weightLrPower }: Hyper, largest: number) => t ** r * largest ** weightLrPower;

/** The sum of weights, and the largest rate. */
export const carryWeights = {
  start: [0, 0],
  next(t: number, hyper: Hyper, [sum = 0, largest = 0]: readonly number[]): readonly number[] {
    const highest = Math.max(rateAt(t, hyper), largest);
    return [sum + weightAt(t, hyper, highest), highest];
  },
};

/** The scalars of update t that both rules have. @param beta where between z and x the gradient is taken */
export function averaged(t: number, hyper: Hyper, beta: number, [sum = 0, largest = 0]: readonly number[]) {
  const { decoupledWeightDecay, weightDecay } = hyper;
  const rate = rateAt(t, hyper);
  // As long as no update had a rate there is nothing to average.
  const mix = sum === 0 ? 0 : weightAt(t, hyper, largest) / sum;
  return {
    lr: rate,
    mix,
    y_step: rate * (1 - beta * (1 - mix)),
    // Not taken off before the update: it is part of the step.
    decay: 0,
    weight_decay: decoupledWeightDecay ? weightDecay : 0,
    initial: t === 1 ? 1 : 0,
  };
}

/** x = y + weight·(z - y). @param beta checked by {@link checkConstant} */
export const evaluationWeight = (beta: unknown): number => 1 - 1 / (beta as number);

/** x is computed from y and z by one beta: none that changes, and not 0. @throws DownhillError HYPER-RANGE, HYPER-TYPE */
export function checkConstant(where: string, beta: unknown): void {
  if (typeof beta === 'number' && beta > 0) return;
  throw new DownhillError(
    typeof beta === 'number' ? 'HYPER-RANGE' : 'HYPER-TYPE',
    `${where} must be a number above 0, got ${show(beta)}: what is evaluated is computed with it.`,
    'Pass 0.9, or another rule.',
  );
}

/**
 * What {@link averaged} and {@link carryWeights} compute, as text.
 *
 * @param beta the formula of where between z and x the gradient is taken
 * @param more what the rule itself sets
 */
export const averagedText = (beta: string, more: readonly string[]): RuleText => ({
  scalars: [
    ...more,
    'rate = t < warmupSteps ? lr * (t / warmupSteps) : lr',
    'largest = max(rate, largest)',
    'weight = t^r * largest^weightLrPower',
    'total = total + weight',
    'mix = total == 0 ? 0 : weight / total',
    `y_step = rate * (1 - ${beta} * (1 - mix))`,
    'lr = rate',
    'decay = 0',
    'weight_decay = decoupledWeightDecay ? weightDecay : 0',
    'initial = t == 1 ? 1 : 0',
  ],
  carry: { total: '0', largest: '0' },
});
