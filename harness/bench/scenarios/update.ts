/** The update alone: every rule's kernel and optimizer beside a copy of as many arrays, the naive kernel, and the peers'. */
import { type Rule, type RuleRow, resolveRule, rules, sgd } from '../../../src/index.js';
import { Path, type ReferenceRule, referenceRules, referenceState, worst } from '../../../src/reference/index.js';
import { places, uniform } from '../../common/random.js';
import type {
  BenchConfig,
  CaseSpec,
  Check,
  Contender,
  Environment,
  OpenCase,
  Runner,
  Scenario,
  UpdatePeer,
  UpdateTask,
} from '../contract.js';
import { slowed } from '../ours/slowed.js';
import { checkElements, downhillUpdate, optimizerUpdate } from '../ours/update.js';
import { copyKernel, naiveUpdate } from '../ours/yardsticks.js';
import { peerContenders, peersDoing } from './contenders.js';

interface Row {
  readonly title: string;
  readonly make: () => Rule;
  readonly peer?: UpdateTask['rule'];
  /** The lecture's ten tensors also in quick runs. */
  readonly lecture?: boolean;
}

/** Rules in the table that are one kernel, with their defaults; and SGD with what it is mostly used with. */
const RULES: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(
    Object.entries(rules)
      .filter(([, { row }]) => !(row as RuleRow).passes)
      .map(([name, { row }]) => [name, { title: row.title, make: () => resolveRule(rules, name) }]),
  ),
  sgd: { title: 'SGD', make: () => sgd() as Rule, peer: 'sgd', lecture: true },
  'sgd-momentum': { title: 'SGD, momentum 0.9', make: () => sgd({ momentum: 0.9 }) as Rule, peer: 'momentum' },
  adam: { title: 'Adam', make: () => resolveRule(rules, 'adam'), peer: 'adam', lecture: true },
};

const SIZES = [1e4, 1e5, 1e6, 4e6, 1e7, 1e8];
const QUICK_SIZES = [1e6];
/** Weights and biases of the lecture's net, one behind the other: what an app's optimizer gets. */
const LECTURE = [784, 100, 100, 100, 100, 10].flatMap((outputs, i, widths) =>
  i === 0 ? [] : [widths[i - 1]! * outputs, outputs],
);
const LECTURE_ELEMENTS = LECTURE.reduce((sum, size) => sum + size, 0);

const CHECKED = 1024;
const UPDATES = 3;
/**
 * Of the movement of a parameter, in units of 2^-24: what others may be off. Some form 1 - beta or a power of beta in f32,
 * which costs up to 1e-3 of a step; a wrong formula costs tens of per cent.
 */
const OTHERS = 2 ** 14;
const OURS = 64;

export const update: Scenario = {
  name: 'update',
  help: 'one update by every rule, 1e4 to 1e8 elements: bytes per element, share of the bandwidth of a copy',
  cases: ({ quick }) =>
    Object.entries(RULES).flatMap(([name, { title, lecture }]) => {
      const spec = (id: string, elements: number, what: string) => ({
        scenario: 'update',
        id: `update/${name}-${id}`,
        title: `${title}, ${what}`,
        parameters: { rule: name, elements },
      });
      return [
        ...(quick ? QUICK_SIZES : SIZES).map((elements) =>
          spec(elements.toExponential().replace('+', ''), elements, `${elements.toLocaleString('en')} elements`),
        ),
        ...(quick && !lecture ? [] : [spec('lecture', LECTURE_ELEMENTS, 'the ten tensors of the lecture net')]),
      ];
    }),
  guess({ parameters }, config) {
    const elements = parameters.elements as number;
    const { peer } = RULES[parameters.rule as string]!;
    const peers = elements === LECTURE_ELEMENTS ? 0 : peersDoing('update', config).length;
    return { contenders: peer ? 4 + peers : config.quick ? 2 : 3, work: 24 * elements };
  },
  async open({ parameters }: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    const { make, peer: peerRule } = RULES[parameters.rule as string]!;
    const elements = parameters.elements as number;
    const rule = make();
    const states = rule.row.slots(rule.hyper).length;
    const contender = (peer: UpdatePeer, roundings = OTHERS): Runner => {
      let checks = 0;
      return {
        part: peer,
        run: (updates) => peer.run(updates),
        check: () => checkUpdates(peer, rule, elements, config.seed + 2 * checks++, roundings),
      };
    };
    const lecture = elements === LECTURE_ELEMENTS;
    const ours: Contender[] = [
      { name: 'downhill', open: async () => contender(await downhillUpdate(rule, elements, environment), OURS) },
    ];
    // Its kernels are the same for every rule but the rule: a quick run takes the best-known ones.
    if (peerRule || !config.quick) {
      const sizes = lecture ? LECTURE : [elements];
      const open = async () => contender(await optimizerUpdate(rule, sizes, environment), OURS);
      ours.push({ name: 'downhill createOptimizer', open });
    }
    const others: Contender[] = [{ name: 'copy', open: () => copyKernel(elements, states, environment) }];
    if (peerRule) {
      const { lr } = rule.hyper as { readonly lr: number };
      others.push({
        name: 'naive',
        open: async () => contender(await naiveUpdate(peerRule, lr, elements, environment)),
      });
      const task = (): UpdateTask => ({ rule: peerRule, lr, ...inputs(elements, config.seed) });
      others.push(
        // What a library would make of ten tensors is not asked here.
        ...peerContenders('update', lecture ? { ...config, peers: [] } : config, environment, async (peer) => {
          if (peer.name.endsWith('-webgpu')) await checkFits(elements, environment);
          return contender(await peer.update!(task(), environment));
        }),
      );
    }
    return {
      // Parameter and states are read and written, the gradient is read.
      work: { unit: 'update', bytes: 4 * (3 + 2 * states) * elements },
      baseline: 'downhill',
      contenders: [...ours.map((each) => slowed(each, config.slow)), ...others],
    };
  },
};

/** A library would fail in a way of its own where a size is above the adapter's limits, and with the inputs made. */
async function checkFits(elements: number, environment: Environment): Promise<void> {
  const device = await environment.requestDevice('bench:limits');
  checkElements(device, elements);
  device.destroy();
}

const inputs = (elements: number, seed: number) => ({
  param: uniform(elements, seed),
  grad: uniform(elements, seed + 1, 0.1),
});

/** A few updates of fresh numbers, a sample of them against the float64 reference. */
async function checkUpdates(
  peer: UpdatePeer,
  { row, hyper }: Rule,
  elements: number,
  seed: number,
  roundings: number,
): Promise<Check> {
  const { param, grad } = inputs(elements, seed);
  await peer.set(param, grad);
  await peer.run(UPDATES);
  const result = await peer.read();
  if (result.length !== elements) return { ok: false, detail: `${result.length} parameters, expected ${elements}` };

  const at = places(elements, CHECKED, seed);
  const expected = Float64Array.from(at, (i) => param[i]!);
  const g = Float64Array.from(at, (i) => grad[i]!);
  const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>)[row.name]!;
  const state = referenceState(reference, at.length, hyper);
  const path = new Path(expected);
  for (let t = 1; t <= UPDATES; t++) {
    reference.update(expected, g, state, t, hyper);
    path.advance(expected);
  }
  // Four roundings of a parameter per update, which an f32 kernel of any make may need, and those within.
  const { ratio } = worst(
    Float32Array.from(at, (i) => result[i]!),
    expected,
    (i) => path.limit(i, UPDATES, 4, roundings),
  );
  const detail = `${at.length} of ${elements} parameters after ${UPDATES} updates within ${ratio.toFixed(2)} of the limit`;
  return { ok: ratio <= 1, detail };
}
