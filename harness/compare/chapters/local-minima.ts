/** Three valleys: which minimum a rule ends in. */
import { localMinima as problemOf } from '../../../src/trajectory/index.js';
import { lossText } from '../../common/format.js';
import type { Bench, Chapter, Claim, Outcome } from '../chapter.js';
import { readRate } from '../read.js';
import { contenders, outcomeOf, rateText, SURFACE_FLAGS, stepPanel, type Way, wayPanel, waysOf } from './surface.js';

const LR = 0.03;

export const localMinima: Chapter = {
  name: 'local-minima',
  title: 'Local minima: who gets past the nearest',
  claim:
    'Gradient descent ends in the valley it starts in. Momentum may roll through it and over the ridge into a lower one; that depends on the rate, ' +
    'and nothing promises the lowest.',
  flags: { ...SURFACE_FLAGS, lr: { value: 'X', help: 'the rate of all', default: String(LR) } },
  usual: { images: 0, iterations: 300, seeds: 1 },
  quick: { images: 0, iterations: 200, seeds: 1 },
  plan(given, { iterations }) {
    const names = contenders(given);
    const lr = readRate('--lr', given.get('lr') ?? String(LR));
    return { withoutData: true, run: (bench) => run(bench, names, lr, iterations) };
  },
};

async function run(bench: Bench, names: readonly string[], lr: number, steps: number): Promise<Outcome> {
  const problem = problemOf();
  const ways = await waysOf(bench, problem, names, { steps, rate: lr });
  const panel = { title: 'Height', y: 'f', range: [-1, 6] as const };
  return outcomeOf(problem, ways, {
    panels: [wayPanel(problem, ways), stepPanel(ways, panel, ({ values }, step) => values[step]!)],
    table: [
      ['', 'rate', 'x at the end', 'f at the end'],
      ...ways.map(({ name, lr: own, trajectory: { points, values } }) => [
        name,
        rateText(own),
        points.at(-2)!.toFixed(2),
        lossText(values.at(-1)!),
      ]),
    ],
    claims: claims(ways),
    notes: [
      `f = x²(x² - 4)²/16 + x/4 + y² from (${problem.start.join(', ')}); its minima, the lowest first: ` +
        `${problem.minima.map(({ x, value }) => `${value.toFixed(2)} at x = ${x[0]!.toFixed(2)}`).join(', ')}.`,
    ],
  });
}

function claims(ways: readonly Way[]): Claim[] {
  const end = (name: string) => ways.find((way) => way.name === name)?.trajectory.values.at(-1);
  const [gd, momentum] = [end('sgd'), end('momentum')];
  if (gd === undefined || momentum === undefined) return [];
  const nearest = problemOf().minima.at(-1)!.value;
  return [
    {
      text: 'gradient descent ends in the nearest valley',
      holds: Math.abs(gd - nearest) < 0.01,
      measured: lossText(gd),
    },
    { text: 'momentum ends in a lower one', holds: momentum < gd - 0.1, measured: lossText(momentum) },
  ];
}
