/** Rates that change over a training. */
import type { Schedule } from '../../../src/index.js';
import * as schedule from '../../../src/optim/schedules.js';
import { OPTIMIZERS, readOptimizers } from '../../common/optimizers.js';
import type { Chapter, Claim, Lab, Outcome } from '../chapter.js';
import { ALONG, lossCurves, rateCurves } from '../curves.js';
import { below, END_TITLES, endCells, endLoss } from '../ends.js';
import { lectureNet } from '../network.js';
import { readRate } from '../read.js';
import type { RunSpec, Trained } from '../runs.js';
import { median } from '../smooth.js';

const BATCH = 64;
/** Of the steps. */
const WARMUP = 0.05;

type Make = (lr: number, steps: number) => number | Schedule;

const PLAIN: Readonly<Record<string, Make>> = {
  constant: (lr) => lr,
  step: (lr, steps) => schedule.step(lr, { stepSize: Math.ceil(steps / 4), gamma: 0.5 }),
  exponential: (lr, steps) => schedule.exponential(lr, { rate: 0.01, steps }),
  'exponential, staircase': (lr, steps) =>
    schedule.exponential(lr, { rate: 0.01 ** (1 / 5), steps: Math.ceil(steps / 5), staircase: true }),
  '1/t': (lr, steps) => schedule.inverseTime(lr, { steps: Math.ceil(steps / 20) }),
  cosine: (lr, steps) => schedule.cosine(lr, { steps }),
  linear: (lr, steps) => schedule.linear(lr, { steps }),
  'inverse square root': (lr, steps) => schedule.inverseSqrt(lr, { steps: Math.ceil(steps / 20) }),
};
export const schedules: Chapter = {
  name: 'schedules',
  title: 'Schedules of the learning rate',
  claim:
    'A constant rate that is large enough to start with keeps the loss from settling; one that falls gets lower in the end. A warm-up bridges ' +
    'the first steps, in which the rate would be too large.',
  flags: {
    optimizer: { value: 'NAME', help: 'update rule', default: 'momentum' },
    lr: { value: 'X', help: 'the rate that schedules start from', default: '0.1' },
  },
  usual: { images: 60_000, iterations: 2000, seeds: 1 },
  quick: { images: 1000, iterations: 80, seeds: 1 },
  plan(given, { iterations }) {
    const [name] = readOptimizers('--optimizer', given.get('optimizer') ?? 'momentum');
    const lr = readRate('--lr', given.get('lr') ?? '0.1');
    return { largestBatch: BATCH, run: (lab) => run(lab, name!, lr, iterations) };
  },
};

async function run(lab: Lab, optimizer: string, lr: number, steps: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const warm = Math.max(1, Math.round(WARMUP * steps));
  const spec = (name: string, rate: () => number | Schedule): RunSpec => ({
    ...{ name, model, steps, sampling: 'shuffle', batchSize: BATCH },
    rule: () => OPTIMIZERS[optimizer]!.make(rate() as number),
  });
  const made = Object.entries(PLAIN);
  const plain = made.map(([name, make]) => spec(name, () => make(lr, steps)));
  const warmed = made.map(([name, make]) =>
    spec(name, () => schedule.warmup(make(lr, steps - warm) as never, { steps: warm })),
  );
  const all = await lab.runs([...plain, ...warmed]);
  const [cold, slow] = [all.slice(0, plain.length), all.slice(plain.length)];
  const loss = { x: ALONG.step, y: 'loss', logY: lab.log !== false };
  const rate = { x: ALONG.step, y: 'learning rate' };
  return {
    // A schedule has its colour with and without a warm-up.
    panels: [
      { title: 'The rate', ...rate, curves: rateCurves(cold) },
      { title: `Training loss, ${optimizer}`, ...loss, curves: lossCurves(cold) },
      { title: 'The rate, with a warm-up', ...rate, curves: rateCurves(slow) },
      { title: 'Training loss, with a warm-up', ...loss, curves: lossCurves(slow) },
    ],
    table: [
      ['', 'rate at the end', ...END_TITLES, 'last tenth with a warm-up'],
      ...cold.map((each, i) => [
        each.spec.name,
        each.runs[0]?.lrs.at(-1)?.toExponential(1),
        ...endCells(each),
        endLoss(slow[i]!),
      ]),
    ],
    claims: claims(cold, slow, warm),
    notes: [`A warm-up takes ${warm} steps; the first steps are twice as many.`],
  };
}

/** The highest loss of the first steps. */
const highest = ({ runs }: Trained, steps: number): number | undefined =>
  runs.length > 0 ? median(runs.map(({ losses }) => Math.max(...losses.slice(0, steps)))) : undefined;

function claims(cold: readonly Trained[], slow: readonly Trained[], warm: number): Claim[] {
  const known = (values: readonly (number | undefined)[]) => values.filter((each) => each !== undefined);
  const [constant, ...falling] = known(cold.map((each) => endLoss(each)));
  const early = [cold, slow].map((each) => known(each.map((own) => highest(own, 2 * warm)))) as [number[], number[]];
  if (falling.length < cold.length - 1 || early[1].length < slow.length) return [];
  return [
    ...below('the best schedule that falls ends lower than the constant rate', Math.min(...falling), constant),
    ...below('even the worst one does', Math.max(...falling), constant),
    ...below(
      'a warm-up keeps the highest loss of the first steps lower, over all schedules',
      median(early[1]),
      median(early[0]),
    ),
  ];
}
