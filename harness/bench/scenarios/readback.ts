/** What it costs to look at the loss while training: of every step, of every tenth, at the end alone. */
import type {
  BenchConfig,
  CaseSpec,
  Check,
  Contender,
  Environment,
  OpenCase,
  ReadLoss,
  Scenario,
  StepPeer,
} from '../contract.js';
import { downhillStep } from '../ours/step.js';
import { expectedLosses } from './check-step.js';
import { peerContenders, peersDoing } from './contenders.js';
import { NETS } from './step.js';
import { stepFlops, stepTask } from './tasks.js';

const EVERY = 10;
/** Behind a contender's name: when it waits for a loss before it goes on. downhill's losses all arrive in any mode. */
const MODES: Readonly<Record<string, ReadLoss>> = { '': 'end', [` every ${EVERY}`]: EVERY, ' every 1': 1 };

// On the CPU a loss is there when its step is: only what trains on a GPU can lose time over it.
const onGpu = (config: BenchConfig): BenchConfig => ({
  ...config,
  peers: config.peers.filter((name) => name.endsWith('-webgpu')),
});

export const readback: Scenario = {
  name: 'readback',
  help: 'the lecture net, waiting for the loss of every step, of every tenth, or of the last one',
  cases: () => [
    {
      scenario: 'readback',
      id: 'readback/lecture-64-sgd',
      title: 'lecture net, batch 64, SGD: waiting for the last loss, or for more of them',
      parameters: { batchSize: 64, every: EVERY },
    },
  ],
  guess: (_, config) => ({
    contenders: (config.quick ? 2 : 3) * (1 + peersDoing('step', onGpu(config)).length),
    work: 0,
  }),
  async open(_: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    const net = NETS['lecture-64-sgd']!;
    const task = stepTask(net, config.seed);
    const expected = expectedLosses(task, config.quick);
    const chosen = Object.entries(MODES).filter(([, read]) => !(config.quick && read === EVERY));
    const modes = (name: string, open: () => Promise<StepPeer>): Contender[] => {
      const share = shared(open);
      const checks: Promise<Check>[] = [];
      return chosen.map(([suffix, read]) => ({
        name: name + suffix,
        async open() {
          const { part, release } = await share();
          let calls = 0;
          // They are one trainer: what it computes need not be looked at for each way of waiting for it.
          const check = () => {
            checks[calls] ??= expected.compare(part);
            return checks[calls++]!;
          };
          return {
            part,
            run: (steps: number) => part.train(steps, read),
            check,
            destroy: release,
          };
        },
      }));
    };
    const peers = new Map<string, StepPeer>();
    const others = peerContenders('step', onGpu(config), environment, async (peer) => {
      const part = await peer.step!(task, environment);
      peers.set(peer.name, part);
      return { part: part, run: (steps) => part.train(steps), check: () => expected.compare(part) };
    });
    return {
      work: { unit: 'step', flops: stepFlops(net.sizes, net.batchSize) },
      baseline: 'downhill',
      contenders: [
        ...modes('downhill', () => downhillStep(task, environment)),
        ...others.flatMap(({ name, open }) =>
          modes(name, async () => {
            await open();
            return peers.get(name)!;
          }),
        ),
      ],
    };
  },
};

/** One part for several contenders: made by the first that asks, destroyed after the last has let go. */
function shared<T extends { destroy(): void | Promise<void> }>(open: () => Promise<T>) {
  let made: Promise<T> | undefined;
  let users = 0;
  return async () => {
    made ??= open();
    const part = await made;
    users++;
    const release = async () => {
      users--;
      if (users === 0) await part.destroy();
    };
    return { part, release };
  };
}
