/** A saddle: how long a rule stays where the gradient is small. */
import { saddle as problemOf, stepsBeyond } from '../../../src/trajectory/index.js';
import type { Bench, Chapter, Claim, Outcome } from '../chapter.js';
import { readRate } from '../read.js';
import { contenders, outcomeOf, rateText, SURFACE_FLAGS, stepPanel, type Way, wayPanel, waysOf } from './surface.js';

const LR = 0.01;
/** Of the axis that leads off the saddle. */
const [OUT, AXIS] = [1, 1];

export const saddle: Chapter = {
  name: 'saddle',
  title: 'A saddle: who gets away, and when',
  claim:
    'Near a saddle the gradient is tiny, and gradient descent stays long: its distance grows by a factor a step. Momentum adds up that growth and ' +
    'leaves sooner. Rules that divide by the size of the gradient move off at once, by their rate in every step; but AdaGrad’s steps shrink.',
  flags: { ...SURFACE_FLAGS, lr: { value: 'X', help: 'the rate of all', default: String(LR) } },
  usual: { images: 0, iterations: 500, seeds: 1 },
  quick: { images: 0, iterations: 400, seeds: 1 },
  plan(given, { iterations }) {
    const names = contenders(given);
    const lr = readRate('--lr', given.get('lr') ?? String(LR));
    return { withoutData: true, run: (bench) => run(bench, names, lr, iterations) };
  },
};

async function run(bench: Bench, names: readonly string[], lr: number, steps: number): Promise<Outcome> {
  const problem = problemOf();
  const ways = await waysOf(bench, problem, names, { steps, rate: lr });
  const left = ways.map(({ trajectory }) => stepsBeyond(trajectory, AXIS, OUT));
  const panel = {
    title: 'How far off the saddle: |y|',
    y: '|y|',
    logY: bench.log !== false,
    range: [1e-3, 10] as const,
  };
  return outcomeOf(problem, ways, {
    panels: [wayPanel(problem, ways), stepPanel(ways, panel, ({ points }, step) => Math.abs(points[2 * step + 1]!))],
    table: [
      ['', 'rate', `steps until |y| > ${OUT}`],
      ...ways.map(({ name, lr: own }, i) => [name, rateText(own), left[i] ?? 'not in time']),
    ],
    claims: claims(ways, left),
    notes: [
      `f = x² - y² from (${problem.start.join(', ')}). It has no lowest point, so all have the rate ${lr}: under gradient descent y grows by ${1 + 2 * lr} a step.`,
    ],
  });
}

function claims(ways: readonly Way[], left: readonly (number | undefined)[]): Claim[] {
  const of = (name: string) => {
    const at = ways.findIndex((way) => way.name === name);
    return at < 0 ? undefined : (left[at] ?? Number.POSITIVE_INFINITY);
  };
  const before = (text: string, first: string, second: string): Claim[] => {
    const [a, b] = [of(first), of(second)];
    if (a === undefined || b === undefined) return [];
    return [{ text, holds: a < b, measured: `${a}, ${b}` }];
  };
  return [
    ...before('momentum leaves before gradient descent', 'momentum', 'sgd'),
    ...before('RMSProp leaves before momentum', 'rmsprop', 'momentum'),
    ...before('Adam leaves before gradient descent', 'adam', 'sgd'),
  ];
}
