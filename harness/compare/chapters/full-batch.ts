/** Methods that look at the curvature, on the whole of a small data set. */
import { adam, lbfgs, newtonCg, type Rule, sgd } from '../../../src/index.js';
import type { Chapter, Curve, Lab, Outcome } from '../chapter.js';
import { ALONG } from '../curves.js';
import { accuracyText, below, finalOf } from '../ends.js';
import { lectureNet } from '../network.js';
import type { RunSpec, Trained } from '../runs.js';
import { across, median } from '../smooth.js';

/** Step lengths that L-BFGS looks at together. */
const TRIALS = 4;

interface Way {
  readonly name: string;
  /** Gradients that a step costs, in the time that they take. */
  readonly gradients: number;
  rule(): Rule;
}

const WAYS: readonly Way[] = [
  { name: 'GD, rate 0.1', gradients: 1, rule: () => sgd({ lr: 0.1 }) },
  { name: 'Adam, rate 0.003', gradients: 1, rule: () => adam({ lr: 3e-3 }) as Rule },
  { name: 'L-BFGS', gradients: TRIALS, rule: () => lbfgs({ trials: TRIALS }) as Rule },
  // A gradient where one is made, and a product with the Hessian, which is about two more.
  { name: 'Newton-CG', gradients: 3, rule: () => newtonCg() as Rule },
];

export const fullBatch: Chapter = {
  name: 'full-batch',
  title: 'Full batches: methods that know the curvature',
  claim:
    'On a full batch, where gradients have no noise, L-BFGS and Newton’s method with conjugate gradients get further than gradient descent for as many gradient ' +
    'evaluations, and need no rate.',
  usual: { images: 1000, iterations: 600, seeds: 1 },
  quick: { images: 300, iterations: 120, seeds: 1 },
  plan: (_, { iterations }) => ({
    length: `${iterations} gradients`,
    run: (lab) => run(lab, iterations),
  }),
};

/** @param budget gradient evaluations of each run */
async function run(lab: Lab, budget: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const specs = WAYS.map(
    ({ name, gradients, rule }): RunSpec => ({
      ...{ name, model, rule, sampling: 'full', steps: Math.max(1, Math.floor(budget / gradients)) },
    }),
  );
  const trained = await lab.runs(specs);
  const [gd, quick, memory, newton] = trained.map(lowest);
  const view = { y: 'loss', logY: lab.log !== false };
  const curves = (along: 'gradients' | 'seconds') => trained.flatMap((each, i) => curve(each, WAYS[i]!, along));
  return {
    panels: [
      { title: 'Training loss, the lowest so far', x: 'gradient evaluations', ...view, curves: curves('gradients') },
      { title: 'The same against time', x: ALONG.seconds, ...view, curves: curves('seconds') },
    ],
    table: [
      ['', 'gradients a step', 'steps', 'lowest loss', 'test loss', 'accuracy', 'ended'],
      ...trained.map((each, i) => [
        each.spec.name,
        WAYS[i]!.gradients,
        each.runs[0]?.losses.length,
        lowest(each),
        finalOf(each, 'loss'),
        accuracyText(each),
        each.runs[0]?.stopped?.reason,
      ]),
    ],
    claims: [
      ...below('L-BFGS gets lower than gradient descent', memory, gd),
      ...below('Newton-CG gets lower than gradient descent', newton, gd),
      ...below('L-BFGS gets lower than Adam', memory, quick),
    ],
    notes: [
      `Equal budgets of ${budget} gradients. A step of L-BFGS looks at ${TRIALS} lengths at once; one of Newton-CG is a product with the Hessian, counted as two ` +
        'gradients, and one gradient. Rates of gradient descent and Adam are those that are usual, not searched for.',
    ],
  };
}

const lowest = ({ runs }: Trained) =>
  runs.length > 0 ? median(runs.map(({ losses }) => Math.min(...losses))) : undefined;

/** The lowest loss so far, by gradients or by time: a step that tries a point may be worse than the last. */
function curve({ spec, runs }: Trained, { gradients }: Way, along: 'gradients' | 'seconds'): Curve[] {
  if (runs.length === 0) return [];
  const falls = runs.map(({ losses }) => {
    let least = Number.POSITIVE_INFINITY;
    return losses.map((loss) => {
      least = loss < least ? loss : least;
      return least;
    });
  });
  const fall = across(falls);
  const at = (step: number) => (along === 'seconds' ? runs[0]!.seconds[step]! : gradients * (step + 1));
  return [{ name: spec.name, x: fall.y.map((_, step) => at(step)), ...fall }];
}
