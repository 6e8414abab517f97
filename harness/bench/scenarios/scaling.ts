/** How the time of downhill's step grows: with the rows of a batch, and with the steps of a submit. */
import type { BenchConfig, CaseSpec, Contender, Environment, OpenCase, Scenario } from '../contract.js';
import { downhillStep } from '../ours/step.js';
import { rowsName, submitName } from '../report/verdict.js';
import { expectedLosses } from './check-step.js';
import { NETS } from './step.js';
import { stepFlops, stepTask } from './tasks.js';

const ROWS = [1, 64, 256, 1024];
const QUICK_ROWS = [64, 1024];
const PER_SUBMIT = [1, 10, 100];
/** Steps of an iteration: whole submits, however many steps one has. */
const BLOCK = 100;

/** Nets whose step is long, and short beside what a submit costs. */
const SUBMITTED = ['lecture-64-sgd', 'xor-4-sgd'];

export const scaling: Scenario = {
  name: 'scaling',
  help: 'how a step grows with the rows of its batch, and with the steps of a submit',
  cases: ({ quick }) => [
    {
      scenario: 'scaling',
      id: 'scaling/batch',
      title: 'lecture net, SGD: growing batches',
      parameters: {},
    },
    ...SUBMITTED.filter((net) => !quick || net.startsWith('xor')).map((net) => ({
      scenario: 'scaling',
      id: `scaling/submit-${net}`,
      title: `${NETS[net]!.title}: 1 to 100 steps of a submit`,
      parameters: { net },
    })),
  ],
  guess({ parameters }, { quick }) {
    const { sizes, batchSize } = NETS[(parameters.net as string) ?? 'lecture-1024-sgd']!;
    const flops = stepFlops(sizes, batchSize);
    return parameters.net
      ? { contenders: PER_SUBMIT.length, work: BLOCK * flops }
      : { contenders: (quick ? QUICK_ROWS : ROWS).length, work: flops };
  },
  async open({ parameters }: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    return parameters.net ? perSubmit(parameters.net as string, config, environment) : perRows(config, environment);
  },
};

function perRows(config: BenchConfig, environment: Environment): OpenCase {
  const net = NETS['lecture-64-sgd']!;
  return {
    work: { unit: 'step' },
    baseline: rowsName(64),
    contenders: (config.quick ? QUICK_ROWS : ROWS).map(
      (batchSize): Contender => ({
        name: rowsName(batchSize),
        async open() {
          const task = stepTask({ ...net, batchSize, batches: batchSize > 64 ? 4 : 16 }, config.seed);
          const part = await downhillStep(task, environment);
          const expected = expectedLosses(task, config.quick);
          return { part, run: (steps) => part.train(steps), check: () => expected.compare(part) };
        },
      }),
    ),
  };
}

function perSubmit(name: string, config: BenchConfig, environment: Environment): OpenCase {
  const task = stepTask(NETS[name]!, config.seed);
  const expected = expectedLosses(task, config.quick);
  return {
    work: { unit: `${BLOCK} steps` },
    baseline: submitName(1),
    contenders: PER_SUBMIT.map(
      (steps): Contender => ({
        name: submitName(steps),
        async open() {
          // A trainer makes of milliseconds what fits them, whole steps and at least one; a tenth more is for its rounding.
          const part = await downhillStep(task, environment, (stepMs) => (steps === 1 ? 1e-3 : 1.1 * steps * stepMs));
          return { part, run: (blocks) => part.train(BLOCK * blocks), check: () => expected.compare(part) };
        },
      }),
    ),
  };
}
