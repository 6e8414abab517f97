/** Adam with its averages corrected for their start at 0, and without. */
import { defineRule, type Rule } from '../../../src/fields.js';
import { rules } from '../../../src/index.js';
import type { Chapter, Lab, Outcome } from '../chapter.js';
import { ALONG, lossCurves } from '../curves.js';
import { below, END_TITLES, endCells } from '../ends.js';
import { lectureNet } from '../network.js';
import { readRate } from '../read.js';
import { mean, type RunSpec, type Trained } from '../runs.js';
import { median } from '../smooth.js';

const BATCH = 64;
const LR = 1e-3;
/** The second rate. */
const LARGER = 10;
/** The first steps, in which the correction is what counts. */
const EARLY = 100;

/** Adam's kernel with the scalars of a step so late that nothing is left to correct: 1 - βᵗ is 1. */
const uncorrected = defineRule({
  ...rules.adam.row,
  name: 'adamUncorrected',
  title: 'Adam without bias correction',
  derive: (_, ...rest) => rules.adam.row.derive(Number.POSITIVE_INFINITY, ...rest),
});

const WAYS: readonly { readonly name: string; make(options: object): Rule }[] = [
  { name: 'Adam', make: (options) => rules.adam(options) as Rule },
  { name: 'without correction', make: (options) => uncorrected(options) as Rule },
];

export const biasCorrection: Chapter = {
  name: 'bias-correction',
  title: 'Adam’s bias correction in the first steps',
  claim:
    'Averages that start at 0 are too small at first: the second moment, with β₂ = 0.999, far more than the first with β₁ = 0.9. Uncorrected, the first ' +
    'steps are too large, 3.2 times at the first one and 6.6 times at the worst. With a rate near the largest that works the loss jumps.',
  flags: { lr: { value: 'X', help: 'the smaller rate; the larger one is ten times that', default: String(LR) } },
  usual: { images: 60_000, iterations: 300, seeds: 1 },
  quick: { images: 1000, iterations: 100, seeds: 1 },
  plan(given, { iterations }) {
    const lr = readRate('--lr', given.get('lr') ?? String(LR));
    return { largestBatch: BATCH, run: (lab) => run(lab, lr, iterations) };
  },
};

/** How much larger an uncorrected step is under a constant gradient: (1 - β₁ᵗ)/√(1 - β₂ᵗ). */
const factor = (t: number) => (1 - 0.9 ** t) / Math.sqrt(1 - 0.999 ** t);

async function run(lab: Lab, lr: number, steps: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const rates = [lr, LARGER * lr];
  const specs = rates.flatMap((rate) =>
    WAYS.map(
      ({ name, make }): RunSpec => ({
        ...{ name: `${name}, rate ${rate}`, model, steps, sampling: 'shuffle', batchSize: BATCH },
        rule: () => make({ lr: rate }),
      }),
    ),
  );
  const trained = await lab.runs(specs);
  const [slow, slowPlain] = trained.map(early);
  const [, , fast, fastPlain] = trained.map(worst);
  const ts = Array.from({ length: steps }, (_, i) => i + 1);
  return {
    panels: [
      { title: 'Training loss', x: ALONG.step, y: 'loss', logY: lab.log !== false, curves: lossCurves(trained) },
      {
        title: 'How much too large a step is, under a constant gradient',
        ...{ x: ALONG.step, y: 'factor' },
        curves: [
          { name: specs[0]!.name, x: ts, y: ts.map(() => 1) },
          { name: specs[1]!.name, x: ts, y: ts.map(factor) },
        ],
      },
    ],
    table: [
      ['', `mean of the first ${EARLY}`, 'highest of them', ...END_TITLES],
      ...trained.map((each) => [each.spec.name, early(each), worst(each), ...endCells(each)]),
    ],
    claims: [
      ...below(
        `at rate ${rates[1]} the correction keeps the highest loss of the first ${EARLY} steps lower`,
        fast,
        fastPlain,
      ),
      ...below(
        `at rate ${rates[0]} steps that are too large do no harm: without it the first ${EARLY} losses are lower`,
        slowPlain,
        slow,
      ),
    ],
    notes: [
      'Uncorrected Adam is no option of the library: it is a rule of this chapter, Adam’s row with the scalars of t = ∞.',
    ],
  };
}

const early = ({ runs }: Trained) =>
  runs.length > 0 ? median(runs.map(({ losses }) => mean(losses.slice(0, EARLY)))) : undefined;
const worst = ({ runs }: Trained) =>
  runs.length > 0 ? median(runs.map(({ losses }) => Math.max(...losses.slice(0, EARLY)))) : undefined;
