/** Many small networks at once: in the same dispatches, beside one network and beside as many one by one. */
import type { BenchConfig, CaseSpec, Contender, Environment, OpenCase, Scenario, StepTask } from '../contract.js';
import { downhillPopulation } from '../ours/population.js';
import { slowed } from '../ours/slowed.js';
import { replicasName, singlesName } from '../report/verdict.js';
import { expectedLosses } from './check-step.js';
import { type NetShape, stepFlops, stepTask } from './tasks.js';

const COUNTS = [1, 4, 16, 64];
const QUICK_COUNTS = [1, 16, 64];

interface Net extends NetShape {
  readonly title: string;
  /** Left out of --quick. */
  readonly full?: boolean;
}

const NETS: Readonly<Record<string, Net>> = {
  'mlp-64': {
    title: '784-32-10, batch 64, SGD',
    sizes: [784, 32, 10],
    batchSize: 64,
    loss: 'softmax-cross-entropy',
    rule: 'sgd',
    batches: 1,
  },
  'xor-4': {
    title: '2-8-1 (XOR), batch 4, SGD',
    sizes: [2, 8, 1],
    batchSize: 4,
    loss: 'mse',
    rule: 'sgd',
    batches: 1,
    full: true,
  },
};
const netOf = (id: string): Net => NETS[id.slice('population/'.length)]!;

export const population: Scenario = {
  name: 'population',
  help: `up to ${COUNTS.at(-1)} networks in the same dispatches, beside one network and as many one by one`,
  cases: ({ quick }) =>
    Object.entries(NETS)
      .filter(([, net]) => !(quick && net.full))
      .map(([id, { title, sizes, batchSize, rule }]) => ({
        scenario: 'population',
        id: `population/${id}`,
        title: `1 to ${COUNTS.at(-1)} networks ${title}`,
        parameters: { sizes: sizes.join('-'), batchSize, rule },
      })),
  guess({ id }, { quick }) {
    const { sizes, batchSize } = netOf(id);
    return { contenders: (quick ? QUICK_COUNTS : COUNTS).length + 1, work: 20 * stepFlops(sizes, batchSize) };
  },
  async open({ id }: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    const net = netOf(id);
    const tasks = Array.from({ length: COUNTS.at(-1)! }, (_, i) => stepTask(net, config.seed + 10_000 * i));
    const contender = (name: string, count: number, together: boolean): Contender => ({
      name,
      async open() {
        const own = tasks.slice(0, count);
        const members = own.map(({ weights }) => weights);
        const part = await downhillPopulation(tasks[0]!, members, together, environment);
        return {
          part,
          run: (steps) => part.run(steps),
          check: () => checkMembers(part.losses.bind(part), own, config),
        };
      },
    });
    const all = [
      ...(config.quick ? QUICK_COUNTS : COUNTS).map((count) => contender(replicasName(count), count, true)),
      contender(singlesName(COUNTS.at(-1)!), COUNTS.at(-1)!, false),
    ];
    return {
      work: { unit: 'step' },
      baseline: replicasName(1),
      contenders: all.map((each) => slowed(each, config.slow)),
    };
  },
};

/** The losses of the first network and of the last, by the reference. */
async function checkMembers(
  losses: (member: number, steps: number) => Promise<number[]>,
  tasks: readonly StepTask[],
  { quick }: BenchConfig,
) {
  const { batches } = tasks[0]!; // all learn the same rows
  const looked = [...new Set([0, tasks.length - 1])];
  const results = [];
  for (const member of looked) {
    const expected = expectedLosses({ ...tasks[member]!, batches }, quick);
    results.push(await expected.compare({ losses: (steps) => losses(member, steps) }));
  }
  const wrong = results.find(({ ok }) => !ok);
  const which = looked.map((member) => member + 1).join(' and ');
  return wrong ?? { ok: true, detail: `network${looked.length > 1 ? 's' : ''} ${which}: ${results[0]!.detail}` };
}
