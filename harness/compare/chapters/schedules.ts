/** Rates that change over a training. */
import type { Schedule } from '../../../src/index.js';
import * as schedule from '../../../src/optim/schedules.js';
import { OPTIMIZERS, readOptimizers } from '../../common/optimizers.js';
import type { Chapter, Lab, Outcome } from '../chapter.js';
import { ALONG, lossCurves, rateCurves } from '../curves.js';
import { below, END_TITLES, endCells, endLoss } from '../ends.js';
import { lectureNet } from '../network.js';
import { readRate } from '../read.js';
import type { RunSpec } from '../runs.js';

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
/** Those that fall: all but the first. */
const FALLING = Object.keys(PLAIN).length - 1;
/** Drawn with a warm-up as well. */
const WARMED = ['constant', 'cosine', 'inverse square root'];

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
  quick: { images: 1000, iterations: 150, seeds: 1 },
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
  const plain = Object.entries(PLAIN).map(([name, make]) => spec(name, () => make(lr, steps)));
  const warmed = WARMED.map((name) =>
    spec(`${name}, warm-up`, () => schedule.warmup(PLAIN[name]!(lr, steps - warm) as never, { steps: warm })),
  );
  const trained = await lab.runs([...plain, ...warmed]);
  const ends = trained.map((each) => endLoss(each));
  const [constant, ...falling] = ends;
  const view = { x: ALONG.step, logY: lab.log !== false };
  const best = Math.min(...falling.filter((each) => each !== undefined));
  return {
    panels: [
      {
        title: 'The rate',
        ...view,
        logY: false,
        y: 'learning rate',
        curves: rateCurves(trained),
      },
      { title: `Training loss, ${optimizer}`, ...view, y: 'loss', curves: lossCurves(trained) },
    ],
    table: [
      ['', 'rate at the end', ...END_TITLES],
      ...trained.map((each) => [each.spec.name, each.runs[0]?.lrs.at(-1)?.toExponential(1), ...endCells(each)]),
    ],
    claims: ends.some((each) => each === undefined)
      ? []
      : [
          ...below('the best schedule that falls ends lower than the constant rate', best, constant),
          ...below('even the worst one does', Math.max(...(falling.slice(0, FALLING) as number[])), constant),
        ],
    notes: [`The warm-up takes ${warm} steps.`],
  };
}
