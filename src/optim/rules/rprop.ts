import { DownhillError } from '../../gpu/errors.js';
import { number, pair } from '../../gpu/fields.js';
import { rpropShader } from '../../shaders/optim/rprop.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * Rprop, resilient backpropagation: every parameter has a step of its own, which grows while the sign of its gradient
 * stays and shrinks when it turns. Only the sign of the gradient counts.
 *
 *   g += weightDecay·p;  turn = sign(g)·sign(prev);  step = step·(turn > 0 ? etas[1] : turn < 0 ? etas[0] : 1), within stepSizes
 *   g = 0 where turn < 0;  p -= sign(g)·step;  prev = g
 *
 * State: two values per parameter, `prev` and `step_size`. `lr` is what every step starts with and nothing else, so it is
 * a number above 0 and no schedule. Defaults as PyTorch's, whose product of gradients underflows for |g| < 1e-19 where
 * the product of signs does not.
 *
 * @example rprop({ lr: 0.01, etas: [0.5, 1.2] })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Riedmiller & Braun 1993, A direct adaptive method for faster backpropagation learning: the RPROP algorithm.
 */
export const rprop = defineRule({
  name: 'rprop',
  title: 'Rprop',
  formula: [
    'turn = sign(g)·sign(prev); step = step·(turn > 0 ? etas[1] : turn < 0 ? etas[0] : 1), within stepSizes; first step = lr',
    'g = 0 where turn < 0; p -= sign(g)·step; prev = g',
  ],
  paper: 'https://doi.org/10.1109/ICNN.1993.298623',
  use: 'Full batches only, and there fast and almost free of tuning; the noise of mini-batches turns signs and stops it.',
  shader: rpropShader,
  fields: {
    lr: number('first step of every parameter', 1e-2, { above: 0 }),
    etas: pair('factors of a step whose gradient turns, and of one whose does not', [0.5, 1.2], { above: 0 }),
    stepSizes: pair('smallest and largest step', [1e-6, 50], { above: 0 }),
    ...common(),
  },
  slots: () => ['prev', 'step_size'],
  initial: (slot, { lr }) => (slot === 'step_size' ? (lr as number) : 0),
  derive: (_, { etas, stepSizes }) => ({
    grow: etas[1] - 1,
    shrink: etas[0] - 1,
    smallest: stepSizes[0],
    largest: stepSizes[1],
  }),
  check: ({ lr, etas, stepSizes }) => {
    if (typeof lr === 'function') {
      throw new DownhillError(
        'HYPER-TYPE',
        'rprop: lr is what each step starts with; a schedule of it would change nothing.',
        'Pass lr as a number.',
      );
    }
    // A schedule cannot be compared before it runs.
    if (Number(etas[0]) >= 1 || Number(etas[1]) <= 1) {
      throw new DownhillError(
        'HYPER-RANGE',
        `rprop: etas must lie on both sides of 1, got [${etas}].`,
        'Pass a factor below 1, then one above 1: [0.5, 1.2] is usual.',
      );
    }
    if (Number(stepSizes[0]) > Number(stepSizes[1])) {
      throw new DownhillError(
        'HYPER-RANGE',
        `rprop: stepSizes must be the smallest, then the largest step, got [${stepSizes}].`,
        'Pass them in order: [1e-6, 50] is usual.',
      );
    }
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: ['grow = etas[1] - 1', 'shrink = etas[0] - 1', 'smallest = stepSizes[0]', 'largest = stepSizes[1]'],
  initial: { step_size: 'lr' },
};
