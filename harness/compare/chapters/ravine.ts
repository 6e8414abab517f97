/** A ravine: 64 times as steep across as along. */
import { curvaturesOf, ravine as problemOf, stepsBelow } from '../../../src/trajectory/index.js';
import type { Bench, Chapter, Claim, Outcome } from '../chapter.js';
import {
  contenders,
  outcomeOf,
  RATES,
  rateText,
  SURFACE_FLAGS,
  stepPanel,
  type Way,
  wayPanel,
  waysOf,
} from './surface.js';

/** Of f above its minimum: where a rule counts as there. */
const TOLERANCE = 1e-3;

export const ravine: Chapter = {
  name: 'ravine',
  title: 'A ravine: what a condition number costs',
  claim:
    'In a ravine the steep direction bounds the rate, and gradient descent crawls along the flat one, zigzagging. Momentum adds up what points ' +
    'the same way step after step; rules with a rate for each coordinate do not feel a ravine that lies along the axes.',
  flags: SURFACE_FLAGS,
  usual: { images: 0, iterations: 200, seeds: 1 },
  quick: { images: 0, iterations: 150, seeds: 1 },
  plan(given, { iterations }) {
    const names = contenders(given);
    return { withoutData: true, run: (bench) => run(bench, names, iterations) };
  },
};

async function run(bench: Bench, names: readonly string[], steps: number): Promise<Outcome> {
  const problem = problemOf();
  const ways = await waysOf(bench, problem, names, { steps, rate: { tolerance: TOLERANCE } });
  const reached = ways.map(({ trajectory }) => stepsBelow(trajectory, TOLERANCE).stays);
  const { condition, stableBelow } = curvaturesOf(problem);
  const panel = { title: 'How far above the minimum', y: 'f', logY: bench.log !== false, range: [1e-8, 10] as const };
  return outcomeOf(problem, ways, {
    panels: [wayPanel(problem, ways), stepPanel(ways, panel, ({ values }, step) => values[step]!)],
    table: [
      ['', 'rate', `steps to ${TOLERANCE}`, 'f at the end'],
      ...ways.map(({ name, lr, trajectory }, i) => [name, rateText(lr), reached[i], trajectory.values.at(-1)]),
    ],
    claims: claims(ways, reached),
    notes: [
      `f = x²/64 + y², condition number ${condition}; gradient descent is stable below a rate of ${stableBelow}. Each rule has the best of ${RATES.length} rates up to 1.`,
    ],
  });
}

function claims(ways: readonly Way[], reached: readonly (number | undefined)[]): Claim[] {
  const of = (name: string) => {
    const at = ways.findIndex((way) => way.name === name);
    return at < 0 ? undefined : (reached[at] ?? Number.POSITIVE_INFINITY);
  };
  const gd = of('sgd');
  return [
    ['momentum', 'momentum needs fewer steps than gradient descent'],
    ['nesterov', 'Nesterov’s needs fewer steps than gradient descent'],
    ['adagrad', 'AdaGrad, with a rate for each coordinate, does not feel the ravine: half of the steps'],
  ].flatMap(([name, text]) => {
    const own = of(name!);
    if (own === undefined || gd === undefined) return [];
    return [{ text: text!, holds: name === 'adagrad' ? own < gd / 2 : own < gd, measured: `${own}, ${gd}` }];
  });
}
