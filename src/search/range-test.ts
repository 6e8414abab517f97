import { DownhillError } from '../gpu/errors.js';
import { checkDevice, checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { checkRule, type Rule } from '../optim/rule.js';
import { createTrainer } from '../train/trainer.js';
import type { TrainerOptions } from '../train/types.js';
import { trainRates } from './training/rates.js';

/** Options of {@link rangeTest}. */
export interface RangeTestOptions extends Pick<TrainerOptions, 'model' | 'data' | 'batchSize' | 'sampling' | 'seed'> {
  /** The update rule; its lr does not matter, every other hyper-parameter does. */
  readonly rule: Rule;
  /** Lowest rate. Default 1e-6. */
  readonly from?: number;
  /** Highest rate. Default 10. */
  readonly to?: number;
  /** Steps of the sweep, default 300; of each rate where they are tried side by side, default 100. */
  readonly steps?: number;
  /** So many constant rates side by side, in the same dispatches, in place of a sweep. */
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (done: number, of: number) => void;
}

/** One rate and what came of it. */
export interface RangePoint {
  readonly lr: number;
  /** Of the sweep: of the step with this rate; side by side: of the last step. Not finite where it blew up. */
  readonly loss: number;
  /** The same, smoothed: what everything else here goes by. */
  readonly smooth: number;
}

/** What a learning-rate range test found. */
export interface RangeReport {
  readonly kind: 'sweep' | 'parallel';
  readonly points: readonly RangePoint[];
  /** The rate with the lowest smoothed loss. */
  readonly minimum: RangePoint | undefined;
  /** Where the smoothed loss falls fastest with the logarithm of the rate. */
  readonly steepest: RangePoint | undefined;
  /**
   * The first rate behind the best one whose loss is not finite or too high; undefined where none is. Too high is, in a sweep, 4 times the lowest; side
   * by side, nearer to the loss at the start than to the lowest.
   */
  readonly blowUp: number | undefined;
  /**
   * A rate to begin with. Of a sweep: a tenth of the minimum's, Smith's rule, since a sweep blows up too late. Side by side: the rate with the
   * lowest loss itself, which has stood its steps.
   */
  readonly suggestion: number | undefined;
}

const OPTIONS = [
  'model',
  'data',
  'batchSize',
  'sampling',
  'seed',
  'rule',
  'from',
  'to',
  'steps',
  'parallel',
  'signal',
  'onStep',
] as const;

/** Of the mean of losses, for each step: Smith's and fastai's smoothing. */
const SMOOTHING = 0.95;
/** Side by side a rate's loss is a mean over the last steps: less smoothing, of fewer steps. */
const SIDE_SMOOTHING = 0.9;
/** So many times the lowest loss is blown up. */
const BLOWN_UP = 4;

/**
 * Learning-rate range test: which rates a network learns with, in a few hundred steps.
 *
 * The sweep raises the rate geometrically from step to step, smooths the losses (mean with weight 0.95^age, corrected for its beginning), and ends
 * where that is 4 times its lowest. `parallel` trains so many networks side by side instead, each with one rate: it takes more work, and shows what
 * a sweep hides: a rate that diverges late. It makes trainers of its own from model and seed: no weights of yours change.
 *
 * Paper: Smith 2017, "Cyclical learning rates for training neural networks", https://arxiv.org/abs/1506.01186.
 *
 * @example const { suggestion, points } = await rangeTest(device, { model, data, rule: sgd({ momentum: 0.9 }) });
 * @throws DownhillError OPTION-*, before any GPU work; the signal's reason
 */
export async function rangeTest(device: GPUDevice, options: RangeTestOptions): Promise<RangeReport> {
  checkDevice('rangeTest', device);
  checkOptions('rangeTest', options, OPTIONS);
  const rule = checkRule('rangeTest', options.rule);
  if (!('lr' in rule.row.fields))
    throw new DownhillError('OPTION-RANGE', `${rule.row.name} has no lr to test.`, 'Take a rule that has one.');
  if (rule.row.minimizer)
    throw new DownhillError(
      'OPTION-RANGE',
      `${rule.row.name} finds the length of each step itself, so there is no rate to test.`,
      'Take a rule that has a rate, such as those of the lecture.',
    );
  const from = checkNumber('from', options.from ?? 1e-6, { above: 0 });
  const to = checkNumber('to', options.to ?? 10, { above: 0 });
  if (from >= to)
    throw new DownhillError('OPTION-RANGE', `The range is reversed: from ${from} to ${to}.`, 'Swap from and to.');
  if (options.parallel === undefined) {
    const steps = checkInteger('steps', options.steps ?? 300, 10, 100_000);
    return sweep(device, { ...options, rule }, rateAt(from, to, steps), steps);
  }
  const rates = checkInteger('parallel', options.parallel, 3, 1024);
  const steps = checkInteger('steps', options.steps ?? 100, 1, 100_000);
  return sideBySide(device, { ...options, rule }, rateAt(from, to, rates), rates, steps);
}

const rateAt =
  (from: number, to: number, count: number) =>
  (i: number): number =>
    from * (to / from) ** (Math.min(i, count - 1) / (count - 1));

const trainerOf = ({ model, data, batchSize, sampling, seed }: RangeTestOptions) => ({
  ...{ model, data, seed: seed ?? 0, label: 'range-test', plan: 'pinned' as const },
  ...(batchSize !== undefined && { batchSize }),
  ...(sampling !== undefined && { sampling }),
});

async function sweep(
  device: GPUDevice,
  options: RangeTestOptions,
  lrOf: (step: number) => number,
  steps: number,
): Promise<RangeReport> {
  const { signal, onStep = () => {} } = options;
  const rule: Rule = { row: options.rule.row, hyper: { ...options.rule.hyper, lr: lrOf } };
  const trainer = await createTrainer(device, { ...trainerOf(options), rule });
  const points: RangePoint[] = [];
  let [mean, lowest] = [0, Number.POSITIVE_INFINITY];
  try {
    for await (const { step, loss } of trainer.run({ steps, ...(signal && { signal }) })) {
      onStep(step, steps);
      mean = SMOOTHING * mean + (1 - SMOOTHING) * loss;
      const smooth = mean / (1 - SMOOTHING ** step);
      points.push({ lr: lrOf(step - 1), loss, smooth });
      lowest = Math.min(lowest, smooth);
      // NaN is no number below it.
      if (!(smooth <= BLOWN_UP * lowest)) break;
    }
  } finally {
    trainer.destroy();
  }
  return reportOf('sweep', points);
}

async function sideBySide(
  device: GPUDevice,
  options: RangeTestOptions,
  lrOf: (i: number) => number,
  rates: number,
  steps: number,
): Promise<RangeReport> {
  const { signal, onStep = () => {} } = options;
  const lrs = Array.from({ length: rates }, (_, i) => Number(lrOf(i).toPrecision(6)));
  const rules = lrs.map((lr): Rule => ({ row: options.rule.row, hyper: { ...options.rule.hyper, lr } }));
  const losses = await trainRates(device, trainerOf(options), rules, steps, { signal, onStep });
  const points = losses.map((own, i): RangePoint => {
    let mean = 0;
    for (const loss of own) mean = SIDE_SMOOTHING * mean + (1 - SIDE_SMOOTHING) * loss;
    return { lr: lrs[i]!, loss: own.at(-1)!, smooth: mean / (1 - SIDE_SMOOTHING ** own.length) };
  });
  return reportOf('parallel', points, losses[0]![0]);
}

/**
 * What is to be said of points, in the order of their rates.
 *
 * @param start of rates side by side: the loss before any update
 */
function reportOf(kind: RangeReport['kind'], points: readonly RangePoint[], start?: number): RangeReport {
  const finite = points.filter(({ smooth }) => Number.isFinite(smooth));
  const minimum = finite.reduce<RangePoint | undefined>(
    (best, point) => (best && best.smooth <= point.smooth ? best : point),
    undefined,
  );
  // A sweep's first steps have no past to be smoothed with: what falls there falls by chance.
  const steady = kind === 'sweep' ? finite.slice(Math.floor(points.length / 20)) : finite;
  const until = minimum ? steady.filter(({ lr }) => lr <= minimum.lr) : [];
  const slopes = until.slice(1).map((point, i) => {
    const before = until[i]!;
    return { point, slope: (point.smooth - before.smooth) / Math.log(point.lr / before.lr) };
  });
  const steepest = slopes.reduce<(typeof slopes)[number] | undefined>(
    (best, each) => (best && best.slope <= each.slope ? best : each),
    undefined,
  );
  const at = minimum ? points.indexOf(minimum) : 0;
  const lowest = minimum?.smooth ?? 0;
  const limit = start === undefined ? BLOWN_UP * lowest : (start + lowest) / 2;
  const blown = points.findIndex(({ smooth }, i) => i > at && !(smooth <= limit));
  return {
    ...{ kind, points, minimum },
    steepest: steepest && steepest.slope < 0 ? steepest.point : undefined,
    blowUp: minimum ? points[blown]?.lr : points[0]?.lr,
    suggestion: minimum && (kind === 'sweep' ? Number((minimum.lr / 10).toPrecision(3)) : minimum.lr),
  };
}
