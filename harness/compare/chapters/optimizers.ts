/** Update rules side by side. */
import { checkChoice, type Model } from '../../../src/index.js';
import { LECTURE_OPTIMIZERS, OPTIMIZERS, readOptimizers } from '../../common/optimizers.js';
import type { Chapter, Claim, Lab, Outcome } from '../chapter.js';
import { ALONG, lookedCurves, lossCurves } from '../curves.js';
import { below, END_TITLES, endCells, endLoss } from '../ends.js';
import { lectureNet } from '../network.js';
import { readRate } from '../read.js';
import { lossOver, type RunSpec, type Trained } from '../runs.js';

const RATES = ['equal', 'default', 'tuned'] as const;
type Rates = (typeof RATES)[number];

/** Rates that a short search tries. */
const TRIED = Array.from({ length: 9 }, (_, i) => 10 ** (-4 + i / 2));
/** Of the steps, for a try: short ones favour large rates. */
const TRY_SHARE = 0.25;
const TRY_LEAST = 20;
const BATCH = 64;

interface Asked {
  readonly names: readonly string[];
  readonly rates: Rates;
  readonly lr: number;
}

export const optimizers: Chapter = {
  name: 'optimizers',
  title: 'Update rules side by side',
  claim:
    'Momentum and Nesterov get further than plain SGD at the same rate; AdaGrad, RMSProp and Adam scale every parameter by its ' +
    'gradients, and do well without a rate found for the problem.',
  flags: {
    optimizers: {
      value: 'NAMES',
      help: 'which ones, by the names of --optimizer, momentum and nesterov',
      default: LECTURE_OPTIMIZERS.join(','),
    },
    rates: {
      value: 'WAY',
      help: 'equal (the rate of --lr for all), default (each rule its own), tuned (each by a short search)',
      default: 'tuned',
    },
    lr: { value: 'X', help: 'the rate, with --rates equal', default: '0.01' },
  },
  usual: { images: 60_000, iterations: 2000, seeds: 1 },
  quick: { images: 1000, iterations: 80, seeds: 1 },
  plan(given, { iterations }) {
    const rates = checkChoice('--rates', given.get('rates') ?? (given.has('lr') ? 'equal' : 'tuned'), RATES);
    const asked = {
      names: readOptimizers('--optimizers', given.get('optimizers') ?? LECTURE_OPTIMIZERS.join(',')),
      rates,
      lr: readRate('--lr', given.get('lr') ?? '0.01'),
    };
    return { largestBatch: BATCH, run: (lab) => run(lab, asked, iterations) };
  },
};

async function run(lab: Lab, { names, rates, lr }: Asked, steps: number): Promise<Outcome> {
  const model = lectureNet(lab.train);
  const given =
    rates === 'tuned' ? await tuned(lab, model, names, steps) : names.map(() => (rates === 'equal' ? lr : undefined));
  const specs = names.map((name, i) => specOf(name, model, given[i], steps));
  // Beside the rate found, the one that a rule has where nobody looks for one.
  const unsought = rates === 'tuned' ? names.map((name) => plainOf(name, model, steps)) : [];
  const all = await lab.runs([...specs, ...unsought]);
  const [trained, plain] = [all.slice(0, specs.length), all.slice(specs.length)];
  const log = lab.log !== false;
  const way = {
    equal: `the rate ${lr} for all`,
    default: 'the default rate of each',
    tuned: 'the rate of each found by a short search',
  };
  const curves = lossCurves(trained);
  return {
    panels: [
      { title: `Training loss, ${way[rates]}`, x: ALONG.step, y: 'loss', logY: log, curves },
      {
        title: 'Accuracy on the test part',
        x: ALONG.step,
        y: 'accuracy',
        curves: lookedCurves(trained, ({ tests }) => tests, 'accuracy'),
      },
    ],
    table: [
      ['', 'rate', ...END_TITLES, ...(plain.length > 0 ? ['default rate', 'training loss with it'] : [])],
      ...trained.map((each, i) => [
        each.spec.name,
        String(given[i] === undefined ? ruleRate(names[i]!) : Number(given[i]!.toPrecision(2))),
        ...endCells(each),
        ...(plain[i] ? [String(ruleRate(names[i]!)), endLoss(plain[i])] : []),
      ]),
    ],
    claims: [...claims(names, trained, rates), ...unsoughtClaims(names, trained, plain)],
    notes: rates === 'tuned' ? [tries(steps)] : [],
    more: { rates, given },
  };
}

const ruleRate = (name: string) => OPTIMIZERS[name]!.make().hyper.lr;

const specOf = (name: string, model: Model, lr: number | undefined, steps: number): RunSpec => ({
  ...{ name, model, steps, sampling: 'shuffle', batchSize: BATCH },
  rule: () => OPTIMIZERS[name]!.make(lr),
  testEvery: Math.max(1, Math.round(steps / 10)),
});

/** With its own rate; only its losses count. */
function plainOf(name: string, model: Model, steps: number): RunSpec {
  const { testEvery: _, ...spec } = specOf(name, model, undefined, steps);
  return { ...spec, name: `${name}, default rate`, tried: true };
}

const trySteps = (steps: number) => Math.min(steps, Math.max(TRY_LEAST, Math.round(TRY_SHARE * steps)));
const tries = (steps: number) =>
  `Each rate is the best of ${TRIED.length} from ${Number(TRIED[0]!.toPrecision(1))} to ${Number(TRIED.at(-1)!.toPrecision(1))}, by the loss at the end of ${trySteps(steps)} steps.`;

/** The rate of each, by a short training with each of some. */
async function tuned(lab: Lab, model: Model, names: readonly string[], steps: number): Promise<number[]> {
  lab.phase('looking for rates');
  const tried = names.flatMap((name) => TRIED.map((lr) => ({ name, lr })));
  const specs = tried.map(({ name, lr }): RunSpec => {
    const { testEvery: _, ...spec } = specOf(name, model, lr, trySteps(steps));
    return { ...spec, name: `${name}, rate ${lr.toPrecision(1)}`, tried: true };
  });
  const trained = await lab.runs(specs, { seeds: 1 });
  return names.map((name) => {
    const own = tried.flatMap((each, i) => {
      const one = trained[i]?.runs[0];
      return each.name === name && one ? [{ lr: each.lr, loss: lossOver(one, 0.25) }] : [];
    });
    const best = own.reduce(
      (a, b) => (b.loss < a.loss || Number.isNaN(a.loss) ? b : a),
      own[0] ?? { lr: TRIED[0]!, loss: Number.NaN },
    );
    return best.lr;
  });
}

function claims(names: readonly string[], trained: readonly Trained[], rates: Rates): Claim[] {
  const how = {
    tuned: 'with rates found for each',
    equal: 'at the same rate',
    default: 'with the default rates',
  }[rates];
  const loss = (name: string) => {
    const own = trained[names.indexOf(name)];
    return own && endLoss(own);
  };
  return [
    ...below(`momentum gets further than SGD ${how}`, loss('momentum'), loss('sgd')),
    ...below(`Nesterov's gets further than SGD ${how}`, loss('nesterov'), loss('sgd')),
    ...below(`Adam gets further than SGD ${how}`, loss('adam'), loss('sgd')),
  ];
}

/** How much a rule loses that is left its default rate: the ratio of its loss to that with the rate found. */
function unsoughtClaims(names: readonly string[], trained: readonly Trained[], plain: readonly Trained[]): Claim[] {
  const ratio = (name: string) => {
    const at = names.indexOf(name);
    const [own, found] = [plain[at] && endLoss(plain[at]), trained[at] && endLoss(trained[at])];
    return own === undefined || found === undefined ? undefined : own / found;
  };
  return ['adagrad', 'rmsprop', 'adam'].flatMap((name) =>
    below(
      `${name}: its default rate costs less, against the one found, than SGD’s does (times)`,
      ratio(name),
      ratio('sgd'),
    ),
  );
}
