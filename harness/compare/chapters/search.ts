/** Looking for hyper-parameters: on a grid, at random, from coarse to fine. */
import { sgd, split } from '../../../src/index.js';
import {
  coarseToFine,
  grid,
  logUniform,
  type Method,
  random,
  search as searchFor,
  training,
  uniform,
} from '../../../src/search/index.js';
import { lossText } from '../../common/format.js';
import type { Chapter, Curve, Lab, Outcome } from '../chapter.js';
import { below } from '../ends.js';
import { lectureNet } from '../network.js';
import { readCount } from '../read.js';
import { across, median } from '../smooth.js';

const BATCH = 64;
const SPACE = { lr: logUniform(1e-4, 1), momentum: uniform(0, 0.95) };
/** Of the images, to judge trials by. */
const HELD_OUT = 0.2;

const METHODS: readonly { readonly name: string; make(): Method }[] = [
  { name: 'grid', make: () => grid() },
  { name: 'random', make: () => random() },
  { name: 'coarse to fine', make: () => coarseToFine() },
];

/** A trial that is done; without a value where it diverged. */
interface Tried {
  readonly lr: number;
  readonly momentum: number;
  readonly value: number | null;
}

export const search: Chapter = {
  name: 'search',
  title: 'Searching hyper-parameters: grid, random, coarse to fine',
  claim:
    'Of two parameters only one or two matter much: a grid of 16 tries only 4 values of each, random draws 16. Random search does as well as a grid or better for as ' +
    'many trials; going from coarse to fine does better still.',
  flags: { trials: { value: 'N', help: 'trials of each search', default: '16' } },
  usual: { images: 8000, iterations: 200, seeds: 3 },
  quick: { images: 1000, iterations: 40, seeds: 1 },
  plan(given, { images, iterations }) {
    const trials = readCount('--trials', given.get('trials') ?? '16', 4, 1000);
    const largestBatch = Math.min(images, Math.ceil(BATCH / (1 - HELD_OUT)));
    return { largestBatch, run: (lab) => run(lab, trials, iterations) };
  },
};

async function run(lab: Lab, trials: number, steps: number): Promise<Outcome> {
  const { seeds } = lab.amounts;
  const found: { readonly name: string; readonly searches: Tried[][] }[] = [];
  for (const { name, make } of METHODS) {
    // A grid is the same whatever the seed of the draws; of its trainings the seed is that of the search, too.
    const searches: Tried[][] = [];
    for (let seed = 0; seed < seeds && !lab.signal.aborted; seed++) {
      lab.phase(`${name}, search ${seed + 1} of ${seeds}`);
      searches.push(await one(lab, make(), { trials, steps, seed }));
    }
    found.push({ name, searches: searches.filter(({ length }) => length > 0) });
  }
  const bests = found.map(({ searches }) =>
    searches.length > 0 ? median(searches.map((own) => soFar(own).at(-1) ?? Number.NaN)) : undefined,
  );
  const points = (x: 'lr' | 'momentum') =>
    found.flatMap(({ name, searches: [own = []] }): Curve[] => [
      { name, x: own.map((each) => each[x]), y: own.map(({ value }) => value), style: 'points' },
    ]);
  const view = { y: 'validation loss', logY: lab.log !== false };
  return {
    panels: [
      { title: 'Trials by their rate', x: 'rate', logX: true, ...view, curves: points('lr') },
      { title: 'Trials by their momentum', x: 'momentum', ...view, curves: points('momentum') },
      {
        title: 'The best so far',
        ...{ x: 'trial', y: 'validation loss' },
        curves: found.flatMap(({ name, searches }): Curve[] => {
          if (searches.length === 0) return [];
          const best = across(searches.map((own) => soFar(own).map((each) => (Number.isFinite(each) ? each : null))));
          return [{ name, x: best.y.map((_, i) => i + 1), ...best }];
        }),
      },
    ],
    table: [
      ['', 'best validation loss', 'its rate', 'its momentum', 'diverged'],
      ...found.map(({ name, searches: [own = []] }, i) => {
        const best = own.reduce<Tried | undefined>((a, b) => (worth(b) < worth(a) ? b : a), undefined);
        return [
          name,
          bests[i],
          best && Number(best.lr.toPrecision(2)).toString(),
          best?.momentum.toFixed(2),
          own.filter(({ value }) => value === null).length,
        ];
      }),
    ],
    claims: [
      ...below('random search finds a lower loss than the grid', bests[1], bests[0]),
      ...below('coarse to fine finds a lower loss than random search', bests[2], bests[1]),
    ],
    notes: [
      `${trials} trials of ${steps} steps each, of SGD: rates from ${SPACE.lr.low} to ${SPACE.lr.high}, momentum from ${SPACE.momentum.low} to ${SPACE.momentum.high}. ` +
        `Judged by the loss on ${100 * HELD_OUT} % of the images, which are not trained on${seeds > 1 ? `; medians of ${seeds} searches with other draws` : ''}. ` +
        `Bests: ${bests.map((each) => (each === undefined ? 'none' : lossText(each))).join(', ')}.`,
    ],
  };
}

/** One search, as far as it comes until the signal. */
async function one(
  lab: Lab,
  method: Method,
  { trials, steps, seed }: { readonly trials: number; readonly steps: number; readonly seed: number },
): Promise<Tried[]> {
  const [data, validation] = split(lab.train, Math.floor(lab.train.samples * (1 - HELD_OUT)));
  const model = lectureNet(data);
  const tried: Tried[] = [];
  try {
    await searchFor(lab.device, {
      ...{ space: SPACE, method, budget: { trials, steps }, seed, seeds: [seed], signal: lab.signal },
      objective: training<{ readonly lr: number; readonly momentum: number }>({
        ...{ model, data, validation, batchSize: Math.min(BATCH, data.samples) },
        rule: ({ lr, momentum }) => sgd({ lr, momentum }),
      }) as never,
      onEvent: (event) => {
        if (event.type !== 'result') return;
        const { lr, momentum } = event.task.params as { lr: number; momentum: number };
        tried.push({ lr, momentum, value: event.entry.value });
      },
    });
  } catch (error) {
    if (!lab.signal.aborted) throw error;
  }
  return tried;
}

const worth = (tried: Tried | undefined): number => tried?.value ?? Number.POSITIVE_INFINITY;

/** The best value of the trials up to each. */
function soFar(tried: readonly Tried[]): number[] {
  let best = Number.POSITIVE_INFINITY;
  return tried.map((each) => {
    best = Math.min(best, worth(each));
    return best;
  });
}
