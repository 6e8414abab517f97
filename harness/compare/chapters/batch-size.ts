/** Batches of 16 to thousands: where large ones hurt, and what mends it. */
import { lars, type Model, type Rule, rules, warmup } from '../../../src/index.js';
import { lossText } from '../../common/format.js';
import type { Chapter, Claim, HeatMap, Lab, Outcome } from '../chapter.js';
import { lectureNet } from '../network.js';
import { readCount } from '../read.js';
import { diverged, lossOver, type RunSpec, type Trained } from '../runs.js';
import { median } from '../smooth.js';

const LEAST = 16;
const MOST = 8192;
/** The batch whose rate others are scaled from. */
const BASE = 64;
const BASE_LR = 0.0125;
/** Of LARS' rates: its local ones are of the order of 0.001 · |w|/|g|. */
const LARS = 160;
/** Of the steps that a warm-up takes. */
const WARM = 0.2;
/** Rates of the heat map, around the base. */
const RATES = [-4, -2, 0, 2, 4, 6].map((power) => BASE_LR * 2 ** power);

interface Way {
  readonly name: string;
  rule(batch: number, steps: number): Rule;
}

const scaled = (batch: number) => (BASE_LR * batch) / BASE;
const momentum = (lr: Parameters<typeof warmup>[0] | number) => rules.sgd({ lr: lr as number, momentum: 0.9 }) as Rule;
const warmed = (lr: number, steps: number) => warmup(lr, { steps: Math.max(1, Math.round(WARM * steps)) });

const WAYS: readonly Way[] = [
  { name: `the same rate, ${BASE_LR}`, rule: () => momentum(BASE_LR) },
  { name: 'linear scaling', rule: (batch) => momentum(scaled(batch)) },
  { name: 'linear scaling, warm-up', rule: (batch, steps) => momentum(warmed(scaled(batch), steps)) },
  {
    name: 'LARS, linear scaling, warm-up',
    rule: (batch, steps) => lars({ lr: warmed(LARS * scaled(batch), steps), momentum: 0.9 }) as Rule,
  },
];

export const batchSize: Chapter = {
  name: 'batch-size',
  title: 'Batch size and learning rate, at equal epochs',
  claim:
    'At equal epochs a larger batch makes fewer updates, and ends at a higher loss with the same rate. Scaling the rate with the batch mends it up ' +
    'to a size; beyond, a warm-up and rates of its own for each layer (LARS) carry a little further.',
  flags: {
    epochs: { value: 'N', help: 'of each run, in place of --iterations', default: '4' },
    most: { value: 'N', help: 'largest batch, a power of two', default: `${MOST}, or half of the images` },
  },
  usual: { images: 60_000, iterations: 500, seeds: 1 },
  quick: { images: 512, iterations: 500, seeds: 1 },
  plan(given) {
    const epochs = readCount('--epochs', given.get('epochs') ?? '4', 1, 1000);
    const most = given.has('most') ? readCount('--most', given.get('most')!, LEAST) : undefined;
    return { largestBatch: most ?? 2 * LEAST, length: `${epochs} epochs`, run: (lab) => run(lab, epochs, most) };
  },
};

async function run(lab: Lab, epochs: number, asked: number | undefined): Promise<Outcome> {
  const { samples } = lab.train;
  const most = asked ?? Math.min(MOST, samples / 2);
  const batches = Array.from({ length: 20 }, (_, i) => LEAST * 4 ** i).filter((batch) => batch <= most);
  const model = lectureNet(lab.train);
  const stepsOf = (batch: number) => Math.max(1, Math.round((epochs * samples) / batch));
  const specOf = (name: string, batch: number, rule: () => Rule): RunSpec => ({
    ...{ name, model, sampling: 'shuffle', batchSize: batch, steps: stepsOf(batch), rule },
  });
  const specs = WAYS.flatMap((way) =>
    batches.map((batch) => specOf(`${way.name}, ${batch}`, batch, () => way.rule(batch, stepsOf(batch)))),
  );
  const trained = await lab.runs(specs);
  const byWay = WAYS.map((way, i) => ({ way, trained: trained.slice(i * batches.length, (i + 1) * batches.length) }));
  lab.phase('the heat map of rates and batches');
  const map = await heatMap(lab, model, batches, stepsOf);
  const value = (of: Trained, what: 'loss' | 'accuracy') => {
    const finals = of.runs.map((each) => (diverged(each) ? Number.NaN : (each.final?.[what] ?? Number.NaN)));
    const all = finals.length > 0 ? median(finals) : Number.NaN;
    return Number.isFinite(all) ? all : null;
  };
  const curves = (what: 'loss' | 'accuracy') =>
    byWay.map(({ way, trained: own }) => ({ name: way.name, x: batches, y: own.map((each) => value(each, what)) }));
  const view = { x: 'batch size', logX: true };
  return {
    panels: [
      {
        title: `Test loss after ${epochs} epochs`,
        ...view,
        y: 'loss',
        logY: lab.log !== false,
        curves: curves('loss'),
      },
      { title: 'Accuracy', ...view, y: 'accuracy', curves: curves('accuracy') },
    ],
    heatMaps: [map],
    table: [
      ['', ...batches.map((batch) => `${batch}`)],
      ['updates', ...batches.map(stepsOf)],
      ...byWay.map(({ way, trained: own }) => [way.name, ...own.map((each) => value(each, 'loss') ?? 'diverged')]),
    ],
    claims: claims(
      batches,
      byWay.map(({ trained: own }) => own.map((each) => value(each, 'loss'))),
    ),
    notes: [
      `Momentum 0.9, ${epochs} epochs of ${samples.toLocaleString('en-US')} images in every run; test losses. The rule starts from ${BASE_LR} at a batch of ${BASE}.`,
    ],
  };
}

async function heatMap(
  lab: Lab,
  model: Model,
  batches: readonly number[],
  stepsOf: (batch: number) => number,
): Promise<HeatMap> {
  const specs = RATES.flatMap((lr) =>
    batches.map(
      (batch): RunSpec => ({
        ...{ name: `rate ${lr.toPrecision(2)}, batch ${batch}`, model, sampling: 'shuffle', batchSize: batch },
        ...{ steps: stepsOf(batch), rule: () => momentum(lr) },
      }),
    ),
  );
  const trained = await lab.runs(specs, { seeds: 1 });
  const at = (i: number) => {
    const one = trained[i]?.runs[0];
    return one && !diverged(one) ? lossOver(one, 0.2) : null;
  };
  return {
    title: 'Training loss at the end, by rate and batch',
    ...{ x: 'batch size', y: 'rate', unit: 'loss' },
    columns: batches.map(String),
    rows: RATES.map((lr) => Number(lr.toPrecision(2)).toString()),
    values: RATES.map((_, i) => batches.map((__, j) => at(i * batches.length + j))),
  };
}

function claims(batches: readonly number[], losses: readonly (readonly (number | null)[])[]): Claim[] {
  const [same, linear, warm, layered] = losses;
  if (same?.length !== batches.length || same.some((each) => each === null)) return [];
  const last = batches.length - 1;
  const text = (value: number | null | undefined) => (value == null ? 'diverged' : lossText(value));
  const better = (a: number | null | undefined, b: number | null | undefined) => a != null && (b == null || a < b);
  const mended = batches.findLastIndex((_, i) => better(linear?.[i], same[i]));
  return [
    {
      text: 'with the same rate the largest batch ends at the highest loss',
      holds: same.every((each, i) => i === last || each! < same[last]!),
      measured: `${text(same[0])} at ${batches[0]}, ${text(same[last])} at ${batches[last]}`,
    },
    {
      text: `scaling the rate mends it beyond a batch of ${BASE}, up to a size`,
      holds: mended > 0 && batches[mended]! > BASE,
      measured:
        mended < 0 ? 'nowhere' : `up to ${batches[mended]}: ${text(linear![mended])} against ${text(same[mended])}`,
    },
    {
      text: 'with the scaled rate a warm-up helps the largest batch',
      holds: better(warm?.[last], linear?.[last]),
      measured: `${text(warm?.[last])} against ${text(linear?.[last])}`,
    },
    {
      text: 'LARS carries it further still',
      holds: better(layered?.[last], warm?.[last]),
      measured: `${text(layered?.[last])} against ${text(warm?.[last])}`,
    },
  ];
}
