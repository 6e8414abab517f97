/** Training steps of whole networks: forward, loss, backward, update. */
import type {
  BenchConfig,
  CaseSpec,
  Contender,
  Environment,
  OpenCase,
  Runner,
  Scenario,
  StepPeer,
  StepTask,
} from '../contract.js';
import { slowed } from '../ours/slowed.js';
import { downhillStep } from '../ours/step.js';
import { expectedLosses } from './check-step.js';
import { peerContenders, peersDoing } from './contenders.js';
import { type NetShape, stepFlops, stepTask } from './tasks.js';

const LECTURE = [784, 100, 100, 100, 100, 10];
const WIDE = [1024, 1024, 1024, 1024, 10];

interface Net extends NetShape {
  readonly title: string;
  /** Left out of --quick. */
  readonly full?: boolean;
}

const classify = { loss: 'softmax-cross-entropy', rule: 'sgd', batches: 16 } as const;
export const NETS: Readonly<Record<string, Net>> = {
  'lecture-64-sgd': { ...classify, title: 'lecture net, batch 64, SGD', sizes: LECTURE, batchSize: 64 },
  'lecture-64-adam': { ...classify, title: 'lecture net, batch 64, Adam', sizes: LECTURE, batchSize: 64, rule: 'adam' },
  'lecture-1-sgd': { ...classify, title: 'lecture net, batch 1, SGD', sizes: LECTURE, batchSize: 1, full: true },
  'lecture-1024-sgd': {
    ...classify,
    title: 'lecture net, batch 1024, SGD',
    sizes: LECTURE,
    batchSize: 1024,
    batches: 4,
    full: true,
  },
  'wide-1024-sgd': {
    ...classify,
    title: '1024-1024-1024-1024-10, batch 1024, SGD',
    sizes: WIDE,
    batchSize: 1024,
    batches: 2,
    full: true,
  },
  'xor-4-sgd': {
    title: '2-8-1 (XOR), batch 4, SGD',
    sizes: [2, 8, 1],
    batchSize: 4,
    loss: 'mse',
    rule: 'sgd',
    batches: 16,
  },
};

const netOf = (id: string): Net => NETS[id.slice('step/'.length)]!;

export const step: Scenario = {
  name: 'step',
  help: 'training steps per second: the lecture net 784-100-100-100-100-10, a 1024-wide one, a tiny one',
  cases: ({ quick }) =>
    Object.entries(NETS)
      .filter(([, net]) => !(quick && net.full))
      .map(([id, { title, sizes, batchSize, rule }]) => ({
        scenario: 'step',
        id: `step/${id}`,
        title,
        parameters: { sizes: sizes.join('-'), batchSize, rule },
      })),
  guess({ id }, config) {
    const { sizes, batchSize } = netOf(id);
    return { contenders: 1 + peersDoing('step', config).length, work: stepFlops(sizes, batchSize) };
  },
  async open(spec: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    const net = netOf(spec.id);
    const task = stepTask(net, config.seed);
    return {
      work: { unit: 'step', flops: stepFlops(net.sizes, net.batchSize) },
      baseline: 'downhill',
      contenders: stepContenders(task, config, environment),
    };
  },
};

/** downhill and every peer that trains, each checked against the same losses. */
function stepContenders(task: StepTask, config: BenchConfig, environment: Environment): Contender[] {
  const expected = expectedLosses(task, config.quick);
  const runner = (peer: StepPeer): Runner => ({
    part: peer,
    run: (steps) => peer.train(steps),
    check: () => expected.compare(peer),
  });
  const ours = { name: 'downhill', open: async () => runner(await downhillStep(task, environment)) };
  return [
    slowed(ours, config.slow),
    ...peerContenders('step', config, environment, async (peer) => runner(await peer.step!(task, environment))),
  ];
}
