/** Looking for hyper-parameters: on a grid, at random, from coarse to fine. */
import { adam, type Rule, split } from '../../../src/index.js';
import {
  coarseToFine,
  grid,
  type Importance,
  importanceOf,
  logUniform,
  type Method,
  random,
  type SearchResult,
  search as searchFor,
  training,
  uniform,
} from '../../../src/search/index.js';
import type { Chapter, Claim, Curve, Lab, Outcome } from '../chapter.js';
import { below } from '../ends.js';
import { lectureNet } from '../network.js';
import { readCount } from '../read.js';
import { across, median } from '../smooth.js';

const BATCH = 64;
/** Adam's four. */
const SPACE = {
  lr: logUniform(1e-4, 1),
  beta1: uniform(0, 0.99),
  beta2: uniform(0.9, 0.999),
  eps: logUniform(1e-10, 1e-5),
};
type Params = Readonly<Record<keyof typeof SPACE, number>>;
const NAMES: Readonly<Record<keyof Params, string>> = { lr: 'rate', beta1: 'β₁', beta2: 'β₂', eps: 'eps' };
/** Of the images, to judge trials by. */
const HELD_OUT = 0.2;
/** Three values of each parameter. */
const TRIALS = 81;
const QUICK_TRIALS = 24;

const METHODS: readonly { readonly name: string; make(): Method }[] = [
  { name: 'grid', make: () => grid() },
  { name: 'random', make: () => random() },
  { name: 'coarse to fine', make: () => coarseToFine() },
];

/** A trial that is done; without a value where it diverged. */
interface Tried {
  readonly params: Params;
  readonly value: number | null;
}

/** One search; without its trials where it was interrupted. */
interface Searched {
  readonly tried: readonly Tried[];
  readonly trials?: SearchResult['trials'];
}

interface Found {
  readonly name: string;
  readonly searches: readonly Searched[];
  /** The median over the searches of the best value. */
  readonly best: number | undefined;
}

export const search: Chapter = {
  name: 'search',
  title: 'Searching hyper-parameters: grid, random, coarse to fine',
  claim:
    'Of several hyper-parameters few matter: a grid of 81 points in four dimensions tries only 3 values of each, 81 random draws try 81. So random search does better than a grid for as ' +
    'many trials; going from coarse to fine does better still.',
  flags: {
    trials: { value: 'N', help: 'trials of each search', default: `${TRIALS}, or ${QUICK_TRIALS} with --quick` },
  },
  usual: { images: 8000, iterations: 100, seeds: 5 },
  quick: { images: 600, iterations: 24, seeds: 1 },
  plan(given, { images, iterations }, quick) {
    const trials = readCount('--trials', given.get('trials') ?? String(quick ? QUICK_TRIALS : TRIALS), 4, 1000);
    const largestBatch = Math.min(images, Math.ceil(BATCH / (1 - HELD_OUT)));
    return { largestBatch, run: (lab) => run(lab, trials, iterations) };
  },
};

async function run(lab: Lab, trials: number, steps: number): Promise<Outcome> {
  const { seeds } = lab.amounts;
  const found: Found[] = [];
  for (const { name, make } of METHODS) {
    // A grid is the same whatever the seed of the draws; of its trainings the seed is that of the search, too.
    const searches: Searched[] = [];
    for (let seed = 0; seed < seeds && !lab.signal.aborted; seed++) {
      lab.phase(`${name}, search ${seed + 1} of ${seeds}: ${trials} trials of ${steps} steps`);
      const one = await searchOnce(lab, make(), { trials, steps, seed });
      if (one.tried.length > 0) searches.push(one);
    }
    const bests = searches.map(({ tried }) => soFar(tried).at(-1) ?? Number.NaN);
    found.push({ name, searches, best: bests.length > 0 ? median(bests) : undefined });
  }
  const importance = importanceOfRates(found[1]!);
  return {
    panels: panels(lab, found),
    table: tableOf(found),
    claims: [...claimOf(importance), ...claims(found)],
    notes: [
      `${trials} trials of ${steps} steps each, of Adam: rates from ${SPACE.lr.low} to ${SPACE.lr.high}, β₁ from ${SPACE.beta1.low} to ${SPACE.beta1.high}, ` +
        `β₂ from ${SPACE.beta2.low} to ${SPACE.beta2.high}, eps from ${SPACE.eps.low} to ${SPACE.eps.high}. Judged by the loss on ${100 * HELD_OUT} % of the images, ` +
        `which are not trained on${seeds > 1 ? `; medians of ${seeds} searches with other draws and other starts` : ''}.`,
      ...(importance.length > 0
        ? [`What each explains of the order of random trials: ${importance.map(importanceText).join(', ')}.`]
        : []),
    ],
    more: { importance },
  };
}

function panels(lab: Lab, found: readonly Found[]): Outcome['panels'] {
  const view = { y: 'validation loss', logY: lab.log !== false };
  const points = (x: keyof Params) =>
    found.flatMap(({ name, searches: [own] }): Curve[] =>
      own
        ? [
            {
              ...{ name, x: own.tried.map(({ params }) => params[x]), style: 'points' },
              y: own.tried.map(({ value }) => value),
            },
          ]
        : [],
    );
  return [
    { title: 'Trials by their rate', x: 'rate', logX: true, ...view, curves: points('lr') },
    { title: 'Trials by their β₁', x: 'β₁', ...view, curves: points('beta1') },
    { title: 'Trials by their eps', x: 'eps', logX: true, ...view, curves: points('eps') },
    {
      title: 'The best so far',
      ...{ x: 'trial', ...view },
      curves: found.flatMap(({ name, searches }): Curve[] => {
        if (searches.length === 0) return [];
        const finite = (value: number) => (Number.isFinite(value) ? value : null);
        const best = across(searches.map(({ tried }) => soFar(tried).map(finite)));
        return [{ name, x: best.y.map((_, i) => i + 1), ...best }];
      }),
    },
  ];
}

function tableOf(found: readonly Found[]): Outcome['table'] {
  const keys = Object.keys(NAMES) as (keyof Params)[];
  return [
    ['', 'best validation loss', 'rates tried', ...keys.map((key) => `its ${NAMES[key]}`), 'diverged'],
    ...found.map(({ name, searches: [own], best }) => {
      const tried = own?.tried ?? [];
      const first = tried.reduce<Tried | undefined>((a, b) => (worth(b) < worth(a) ? b : a), undefined);
      return [
        ...[name, best, new Set(tried.map(({ params }) => params.lr)).size],
        ...keys.map((key) => first && Number(first.params[key].toPrecision(2)).toString()),
        tried.filter(({ value }) => value === null).length,
      ];
    }),
  ];
}

function claims([onGrid, drawn, refined]: readonly Found[]): Claim[] {
  return [
    ...below('random search finds a lower loss than the grid', drawn?.best, onGrid?.best),
    ...below('coarse to fine finds a lower loss than random search', refined?.best, drawn?.best),
  ];
}

/** Of all random trials. */
function importanceOfRates({ searches }: Found): Importance[] {
  const trials = searches.flatMap((each) => each.trials ?? []);
  return trials.length > 0 ? importanceOf(trials, SPACE, 'minimize') : [];
}

const importanceText = ({ name, r2 }: Importance) => `${NAMES[name as keyof Params]} ${(100 * r2).toFixed(0)} %`;

function claimOf(importance: readonly Importance[]): Claim[] {
  const of = (name: string) => importance.find((each) => each.name === name)?.r2;
  const [lr, beta2, eps] = [of('lr'), of('beta2'), of('eps')];
  if (lr === undefined || beta2 === undefined || eps === undefined) return [];
  return [
    {
      text: 'few matter: the rate alone explains more of the trials’ order than β₂ and eps together',
      holds: lr > beta2 + eps,
      measured: importance.map(importanceText).join(', '),
    },
  ];
}

/** One search, as far as it comes until the signal. */
async function searchOnce(
  lab: Lab,
  method: Method,
  { trials, steps, seed }: { readonly trials: number; readonly steps: number; readonly seed: number },
): Promise<Searched> {
  const [data, validation] = split(lab.train, Math.floor(lab.train.samples * (1 - HELD_OUT)));
  const model = lectureNet(data);
  const tried: Tried[] = [];
  try {
    const result = await searchFor(lab.device, {
      ...{ space: SPACE, method, budget: { trials, steps }, seed, seeds: [seed], signal: lab.signal },
      objective: training<Params>({
        ...{ model, data, validation, batchSize: Math.min(BATCH, data.samples) },
        rule: ({ lr, beta1, beta2, eps }) => adam({ lr, betas: [beta1, beta2], eps }) as Rule,
      }) as never,
      onEvent: (event) => {
        if (event.type !== 'result') return;
        tried.push({ params: event.task.params as unknown as Params, value: event.entry.value });
      },
    });
    return { tried, trials: result.trials };
  } catch (error) {
    if (!lab.signal.aborted) throw error;
    return { tried };
  }
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
