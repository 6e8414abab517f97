/** Gradient descent on all samples, on one, and on a few. */
import { type Dataset, sgd, split } from '../../../src/index.js';
import { duration, lossText } from '../../common/format.js';
import type { Chapter, Claim, Lab, Outcome } from '../chapter.js';
import { ALONG, lookedCurves, lossCurves } from '../curves.js';
import { accuracyText } from '../ends.js';
import { lectureNet } from '../network.js';
import { readCount } from '../read.js';
import { lossOver, type RunSpec, type Trained } from '../runs.js';
import { median } from '../smooth.js';

/** As the notes print. */
const EVERY = 100;
/** The batch sizes and rates of the notes. */
const WAYS = [
  { name: 'GD (all samples, lr 0.01)', batchSize: undefined, lr: 0.01 },
  { name: 'SGD (1 sample, lr 0.01)', batchSize: 1, lr: 0.01 },
  { name: 'mini-batch SGD (64, lr 0.64)', batchSize: 64, lr: 0.64 },
] as const;

/** What the picture shows, in words. */
const SHAPE =
  'Gradient descent falls smoothly: every loss is of the same images. Losses of single images jump from near 0 to several, as one image is easy and the next is not; ' +
  'those of 64 lie close about a line that falls faster, since their rate is 64 times as large. A loss after its update is lower than before: of a single image nearly always near 0, ' +
  'which says little of others. The notes print about 0.2, 0.02 and 0.1 after 2,000 iterations.';

export const batching: Chapter = {
  name: 'batching',
  title: 'Gradient descent, SGD and mini-batch SGD',
  claim:
    'After as many updates, a gradient of one sample gets about as far as a gradient of all samples, for a tiny part of the work, but ' +
    'noisily; a mini-batch is nearly as cheap, far less noisy, and takes a larger rate.',
  // As the notes: a rate of 0.64 is too large for inputs of variance 1.
  scale: 'unit',
  flags: {
    'gd-seeds': { value: 'N', help: 'runs of gradient descent, which takes nearly all of the time', default: '1' },
  },
  usual: { images: 60_000, iterations: 2000, seeds: 1 },
  quick: { images: 600, iterations: 200, seeds: 1 },
  plan(given, { iterations }) {
    const gdSeeds = readCount('--gd-seeds', given.get('gd-seeds') ?? '1');
    return { largestBatch: 64, run: (lab) => run(lab, iterations, gdSeeds) };
  },
};

async function run(lab: Lab, steps: number, gdSeeds: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const every = Math.min(EVERY, Math.ceil(steps / 2));
  const known = knownOf(lab);
  const specs = WAYS.map(
    ({ name, batchSize, lr }): RunSpec => ({
      ...{ name, model, steps, afterEvery: every, alone: true, also: known, rule: () => sgd({ lr }) },
      ...(batchSize === undefined ? { sampling: 'full', seeds: gdSeeds } : { sampling: 'replacement', batchSize }),
    }),
  );
  const trained = await lab.runs(specs);
  const log = lab.log === true;
  // As the notes plot it, where all curves get there.
  const below = trained.every(({ runs }) => median(runs.map((each) => lossOver(each, 0.25))) < 1);
  const view = { y: 'loss', logY: log, ...(!log && { range: [0, below ? 1 : 2.5] as const }) };
  const done = trained.every(({ runs }) => runs.every(({ final }) => final));
  return {
    panels: [
      { title: 'Loss of each batch, smoothed', x: ALONG.step, ...view, curves: lossCurves(trained) },
      {
        title: `Loss of the batch after its update, every ${every}`,
        ...{ x: ALONG.step, ...view, curves: lookedCurves(trained, ({ after }) => after) },
      },
      { title: 'Against epochs', x: ALONG.epoch, ...view, logX: true, curves: lossCurves(trained, 'epoch') },
      { title: 'Against time', x: ALONG.seconds, ...view, logX: true, curves: lossCurves(trained, 'seconds') },
    ],
    table: [
      ['', 'iterations', 'epochs', `loss after, last ${every}`, 'training images', 'test loss', 'accuracy', 'time'],
      ...trained.map(({ spec, runs }) => {
        const one = runs[0];
        const steps = one?.losses.length ?? 0;
        return [
          spec.name,
          steps,
          Number((((spec.batchSize ?? lab.train.samples) * steps) / lab.train.samples).toPrecision(3)),
          lastOf({ spec, runs }),
          endOf({ spec, runs }, 'also'),
          endOf({ spec, runs }, 'final'),
          accuracyText({ spec, runs }),
          one && duration(one.seconds.at(-1) ?? 0),
        ];
      }),
    ],
    claims: done ? claims(trained) : [],
    notes: [
      SHAPE,
      `The notes train on 60,000 images; here there are ${lab.train.samples.toLocaleString('en-US')}, so that ${steps} single samples are ` +
        `${(steps / lab.train.samples).toPrecision(2)} epochs, and ${steps} mini-batches ${((64 * steps) / lab.train.samples).toPrecision(3)}.`,
    ],
  };
}

/** Some of the images that were trained on, to be judged by as the test part is. */
const knownOf = ({ train, test }: Lab): Dataset =>
  train.samples > test.samples ? split(train, test.samples)[0] : train;

const endOf = ({ runs }: Trained, what: 'final' | 'also'): number | undefined =>
  runs.length > 0 ? median(runs.map((each) => each[what]?.loss ?? Number.NaN)) : undefined;

/** The median over the seeds of the last losses after the update. */
const lastOf = ({ runs }: Trained): number | undefined =>
  runs.length > 0 ? median(runs.map(({ after }) => after.at(-1)?.loss ?? Number.NaN)) : undefined;

/** How much a loss jumps from batch to batch in the last half: the standard deviation of differences, over √2. */
function noise({ runs }: Trained): number {
  const of = (losses: readonly number[]) => {
    const half = losses.slice(losses.length >> 1);
    const jumps = half.slice(1).map((loss, i) => (loss - half[i]!) ** 2);
    return Math.sqrt(jumps.reduce((sum, each) => sum + each, 0) / jumps.length / 2);
  };
  return median(runs.map(({ losses }) => of(losses)));
}

function claims([gd, single, mini]: readonly Trained[]): Claim[] {
  const seconds = (of: Trained) => median(of.runs.map((run) => run.seconds.at(-1)!));
  const [test, known] = (['final', 'also'] as const).map((what) =>
    [gd!, single!, mini!].map((of) => endOf(of, what)!),
  ) as [number[], number[]];
  const lowest = ([all, one, few]: readonly number[]) => few! < all! && few! < one!;
  return [
    {
      text: 'an update of one sample or of 64 costs a small part of one of all samples',
      holds: seconds(mini!) < seconds(gd!) / 2 && seconds(single!) < seconds(gd!) / 2,
      measured: `${duration(seconds(gd!))}, ${duration(seconds(single!))}, ${duration(seconds(mini!))}`,
    },
    {
      text: 'all three together take GD’s time and 20 % more at most',
      holds: seconds(single!) + seconds(mini!) < 0.2 * seconds(gd!),
      measured: `${((100 * (seconds(single!) + seconds(mini!))) / seconds(gd!)).toFixed(1)} % more`,
    },
    {
      text: 'a gradient of all samples has no noise',
      holds: noise(gd!) < 0.1 * Math.min(noise(single!), noise(mini!)),
      measured: `${[gd!, single!, mini!].map((each) => lossText(noise(each))).join(', ')} from batch to batch`,
    },
    {
      text: 'single samples are noisier than mini-batches',
      holds: noise(single!) > noise(mini!),
      measured: [single!, mini!].map((each) => lossText(noise(each))).join(', '),
    },
    {
      text: 'after as many updates mini-batches have the lowest loss of images that were trained on',
      holds: lowest(known),
      measured: known.map(lossText).join(', '),
    },
    {
      text: 'and of test images',
      holds: lowest(test),
      measured: test.map(lossText).join(', '),
    },
  ];
}
