/** A rate that begins small. */
import { type Rule, warmup as warmed } from '../../../src/index.js';
import { OPTIMIZERS, readOptimizers } from '../../common/optimizers.js';
import type { Chapter, Claim, Lab, Outcome } from '../chapter.js';
import { ALONG, lossCurves } from '../curves.js';
import { below } from '../ends.js';
import { lectureNet } from '../network.js';
import { readCount, readRate } from '../read.js';
import { diverged, lossOver, type RunSpec, type Trained } from '../runs.js';
import { median } from '../smooth.js';

/** Whose first steps are the wildest: its step is as long as the rate, whatever the gradient. */
const OPTIMIZER = 'adam';
const BATCH = 64;
/** From its usual rates to those at which it begins to fail. */
const RATES = [0.003, 0.01, 0.02, 0.03];
/** Shares of the steps that the rate takes to its full height. */
const SHARES = [0, 0.1, 0.3] as const;
/** Of the steps: the first ones, in which a loss jumps. */
const EARLY = 0.3;

const nameOf = (share: number) => (share === 0 ? 'none' : `warm-up, ${100 * share} % of the steps`);

interface Asked {
  readonly optimizer: string;
  readonly batchSize: number;
  readonly rates: readonly number[];
}

export const warmup: Chapter = {
  name: 'warmup',
  title: 'Warm-up: large rates from a small beginning',
  claim:
    'At the start the surface is steepest, and a rate that would do later throws the network off. A warm-up goes through these steps with small rates, so ' +
    'that a larger rate can be used, or the same one with less risk.',
  flags: {
    optimizer: { value: 'NAME', help: 'update rule', default: OPTIMIZER },
    rates: { value: 'LIST', help: 'rates to try', default: RATES.join(',') },
    batch: { value: 'N', help: 'samples of a batch', default: String(BATCH) },
  },
  usual: { images: 60_000, iterations: 1000, seeds: 5 },
  quick: { images: 1000, iterations: 60, seeds: 1 },
  plan(given, { iterations }) {
    const [optimizer] = readOptimizers('--optimizer', given.get('optimizer') ?? OPTIMIZER);
    const batchSize = readCount('--batch', given.get('batch') ?? String(BATCH));
    const rates = (given.get('rates') ?? RATES.join(',')).split(',').map((each) => readRate('--rates', each.trim()));
    const asked = { optimizer: optimizer!, batchSize, rates: rates.sort((a, b) => a - b) };
    return { largestBatch: batchSize, run: (lab) => run(lab, asked, iterations) };
  },
};

const ruleOf = (optimizer: string, lr: number, share: number, steps: number): Rule =>
  OPTIMIZERS[optimizer]!.make(share === 0 ? lr : warmed(lr, { steps: Math.max(1, Math.round(share * steps)) }));

async function run(lab: Lab, { optimizer, batchSize, rates }: Asked, steps: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const specs = SHARES.flatMap((share) =>
    rates.map(
      (lr): RunSpec => ({
        ...{ name: `${nameOf(share)}, rate ${lr}`, model, steps, sampling: 'shuffle', batchSize },
        rule: () => ruleOf(optimizer, lr, share, steps),
      }),
    ),
  );
  const trained = await lab.runs(specs);
  const byShare = SHARES.map((_, i) => trained.slice(i * rates.length, (i + 1) * rates.length));
  const early = Math.max(1, Math.round(EARLY * steps));
  const ends = byShare.map((own) => own.map(endOf));
  const peaks = byShare.map((own) => own.map((each) => peakOf(each, early)));
  const last = rates.length - 1;
  const shown = byShare.map((own, i) => ({ ...own[last]!, spec: { ...own[last]!.spec, name: nameOf(SHARES[i]!) } }));
  const log = lab.log !== false;
  const byRate = (values: readonly (readonly (number | undefined)[])[]) =>
    SHARES.map((share, i) => ({ name: nameOf(share), x: rates, y: values[i]!.map((each) => each ?? null) }));
  const view = { x: 'rate', logX: true, y: 'loss', logY: log };
  return {
    panels: [
      {
        title: `Training loss, ${optimizer}, batch ${batchSize}, rate ${rates[last]}`,
        ...{ x: ALONG.step, y: 'loss', logY: log, curves: lossCurves(shown) },
      },
      { title: 'Training loss of the last tenth, by rate', ...view, curves: byRate(ends) },
      { title: `Highest loss of the first ${early} steps, by rate`, ...view, curves: byRate(peaks) },
    ],
    table: [
      ['', ...rates.map((lr) => `rate ${lr}`), `highest, early, at ${rates[last]}`],
      ...SHARES.map((share, i) => [
        nameOf(share),
        ...ends[i]!.map((each) => each ?? 'diverged'),
        peaks[i]![last] ?? 'diverged',
      ]),
    ],
    claims: trained.every(({ runs }) => runs.length > 0) ? claims(rates, ends, peaks) : [],
    notes: [
      `Of each rate the loss of the last tenth, and the highest of the first ${early} steps, medians over the seeds.`,
    ],
  };
}

type Losses = readonly (readonly (number | undefined)[])[];

function claims(rates: readonly number[], ends: Losses, peaks: Losses): Claim[] {
  const last = rates.length - 1;
  const at = (losses: Losses, i: number) => losses.slice(1).map((own) => own[i]);
  const alone = (losses: Losses) => losses[0]![last] ?? Number.POSITIVE_INFINITY;
  return [
    ...below(`at the largest rate, ${rates[last]}, a warm-up ends lower`, least(at(ends, last)), alone(ends)),
    ...below(
      `with less risk: at that rate the highest loss of the first steps is lower`,
      least(at(peaks, last)),
      alone(peaks),
    ),
    ...below(
      'the best of all rates with a warm-up is below the best without',
      least(ends.slice(1).flat()),
      least(ends[0]!),
    ),
  ];
}

/** The median over the seeds; undefined where most diverged. */
const over = ({ runs }: Trained, of: (run: Trained['runs'][number]) => number): number | undefined => {
  const all = median(runs.map(of));
  return Number.isFinite(all) ? all : undefined;
};
const endOf = (trained: Trained) =>
  over(trained, (run) => (diverged(run) ? Number.POSITIVE_INFINITY : lossOver(run, 0.1)));
const peakOf = (trained: Trained, steps: number) => over(trained, ({ losses }) => Math.max(...losses.slice(0, steps)));

const least = (values: readonly (number | undefined)[]) =>
  Math.min(...values.map((value) => value ?? Number.POSITIVE_INFINITY));
