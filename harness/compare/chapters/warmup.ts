/** A rate that begins small. */
import { type Rule, warmup as warmed } from '../../../src/index.js';
import { OPTIMIZERS, readOptimizers } from '../../common/optimizers.js';
import type { Chapter, Lab, Outcome } from '../chapter.js';
import { ALONG, lossCurves } from '../curves.js';
import { below, endLoss } from '../ends.js';
import { lectureNet } from '../network.js';
import { diverged, type RunSpec, type Trained } from '../runs.js';

const BATCH = 64;
/** Shares of the steps that the rate takes to its full height. */
const SHARES = [0, 0.1, 0.3] as const;
/** Rates around the one at which training without a warm-up begins to fail. */
const RATES = [0.003, 0.01, 0.03, 0.06, 0.1] as const;

const nameOf = (share: number) => (share === 0 ? 'none' : `warm-up, ${100 * share} % of the steps`);

export const warmup: Chapter = {
  name: 'warmup',
  title: 'Warm-up: large rates from a small beginning',
  claim:
    'At the start the surface is steepest, and a rate that would do later throws the network off. A warm-up goes through these steps with small rates, so ' +
    'that a larger rate can be used, or the same one with less risk.',
  flags: { optimizer: { value: 'NAME', help: 'update rule', default: 'momentum' } },
  usual: { images: 60_000, iterations: 1000, seeds: 1 },
  quick: { images: 1000, iterations: 120, seeds: 1 },
  plan(given, { iterations }) {
    const [name] = readOptimizers('--optimizer', given.get('optimizer') ?? 'momentum');
    return { largestBatch: BATCH, run: (lab) => run(lab, name!, iterations) };
  },
};

const ruleOf = (optimizer: string, lr: number, share: number, steps: number): Rule =>
  OPTIMIZERS[optimizer]!.make(share === 0 ? lr : warmed(lr, { steps: Math.max(1, Math.round(share * steps)) }));

async function run(lab: Lab, optimizer: string, steps: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const specs = SHARES.flatMap((share) =>
    RATES.map(
      (lr): RunSpec => ({
        ...{ name: `${nameOf(share)}, rate ${lr}`, model, steps, sampling: 'shuffle', batchSize: BATCH },
        rule: () => ruleOf(optimizer, lr, share, steps),
      }),
    ),
  );
  const trained = await lab.runs(specs);
  const byShare = SHARES.map((_, i) => trained.slice(i * RATES.length, (i + 1) * RATES.length));
  const ends = byShare.map((own) => own.map(endOf));
  const largest = RATES.length - 1;
  const at = RATES[largest]!;
  const shown = byShare.map((own, i) => ({
    ...own[largest]!,
    spec: { ...own[largest]!.spec, name: nameOf(SHARES[i]!) },
  }));
  return {
    panels: [
      {
        title: `Training loss, ${optimizer}, rate ${at}`,
        x: ALONG.step,
        y: 'loss',
        logY: lab.log !== false,
        curves: lossCurves(shown),
      },
      {
        title: 'Training loss of the last tenth, by rate',
        ...{ x: 'rate', logX: true, y: 'loss', logY: lab.log !== false },
        curves: SHARES.map((share, i) => ({ name: nameOf(share), x: RATES, y: ends[i]!.map((each) => each ?? null) })),
      },
    ],
    table: [
      ['', ...RATES.map((lr) => `rate ${lr}`)],
      ...SHARES.map((share, i) => [nameOf(share), ...ends[i]!.map((each) => each ?? 'diverged')]),
    ],
    claims: trained.every(({ runs }) => runs.length > 0)
      ? [
          ...below(
            `at the largest rate, ${at}, a warm-up ends lower`,
            least(ends.slice(1).map((own) => own[largest])),
            ends[0]![largest] ?? Number.NaN,
          ),
          ...below(
            'the best of all rates with a warm-up is below the best without',
            least(ends.slice(1).flat()),
            least(ends[0]!),
          ),
        ]
      : [],
    notes: [],
  };
}

/** Undefined where it diverged. */
const endOf = (trained: Trained): number | undefined =>
  trained.runs.length > 0 && !trained.runs.some(diverged) ? endLoss(trained) : undefined;

const least = (values: readonly (number | undefined)[]) =>
  Math.min(...values.map((value) => value ?? Number.POSITIVE_INFINITY));
