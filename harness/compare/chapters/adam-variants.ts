/** The Adam of the lecture's code beside the paper's, in float64 on the CPU. */
import { createTrainer, type Dataset, mlp, sgd, subset } from '../../../src/index.js';
import { referenceNetwork, referenceRules, referenceState } from '../../../src/reference/index.js';
import { lossText } from '../../common/format.js';
import type { Chapter, Curve, Lab, Outcome } from '../chapter.js';
import { ALONG } from '../curves.js';
import { classesOf } from '../network.js';
import { mean } from '../runs.js';
import { across, median, smooth } from '../smooth.js';

const BATCH = 64;
const LR = 1e-3;
/** Small: it is trained in float64 on one core. */
const HIDDEN = 30;
/** Of the first steps, which look alike; and when the notes' rule has stopped. */
const STOPPED = 30;

interface Way {
  readonly name: string;
  readonly hyper: { readonly betas: [number, number]; readonly convention: string };
}

const WAYS: readonly Way[] = [
  { name: 'paper, β₂ 0.999', hyper: { betas: [0.9, 0.999], convention: 'pytorch' } },
  { name: 'paper, β₂ 0.99', hyper: { betas: [0.9, 0.99], convention: 'pytorch' } },
  { name: 'notes, β₂ 0.99', hyper: { betas: [0.9, 0.99], convention: 'notes' } },
];

/** Of the ways, those that differ in the convention alone. */
const [PAPER, NOTES] = [1, 2];

export const adamVariants: Chapter = {
  name: 'adam-variants',
  title: 'Adam as in the paper, and as in the notes’ code',
  claim:
    'The notes’ code has β₂ = 0.99 and eps under the root, and divides the moments that it keeps by their correction, in place. The first two hardly matter. ' +
    'The last corrects again and again what was corrected: the second moment grows by far more than the first, and the steps vanish.',
  usual: { images: 8000, iterations: 400, seeds: 1 },
  quick: { images: 500, iterations: 40, seeds: 1 },
  plan: (_, { iterations }) => ({ largestBatch: BATCH, run: (lab) => run(lab, iterations) }),
};

/** A training in float64: its losses, and how long its steps are against lr in every parameter. */
interface Path {
  readonly losses: number[];
  readonly lengths: number[];
}

async function run(lab: Lab, steps: number): Promise<Outcome> {
  const paths: Path[][] = WAYS.map(() => []);
  for (let seed = 0; seed < lab.amounts.seeds && !lab.signal.aborted; seed++) {
    const { start, batches } = await startOf(lab, steps, seed);
    for (const [i, { name, hyper }] of WAYS.entries()) {
      lab.phase(`${name}, in float64${seed > 0 ? `, seed ${seed}` : ''}`);
      paths[i]!.push(await descend(lab, start, batches, hyper));
    }
  }
  const curves = (of: (path: Path) => (number | null)[]) =>
    paths.flatMap((own, i): Curve[] => {
      const { y, ...band } = across(own.map(of));
      return y.length > 0 ? [{ name: WAYS[i]!.name, x: y.map((_, step) => step + 1), y, ...band }] : [];
    });
  const end = ({ losses }: Path) => mean(losses.slice(-Math.max(1, Math.round(losses.length / 10))));
  const at = Math.min(STOPPED, steps) - 1;
  /** Medians over the seeds. */
  const over = (of: (path: Path) => number) => paths.map((own) => median(own.map(of)));
  const [first, later, ends] = [over(({ lengths }) => lengths[0]!), over(({ lengths }) => lengths[at]!), over(end)];
  const done = paths.every((own) => own.length > 0 && own.every(({ losses }) => losses.length === steps));
  return {
    panels: [
      {
        title: `Training loss, rate ${LR}`,
        x: ALONG.step,
        y: 'loss',
        logY: lab.log !== false,
        curves: curves(({ losses }) => smooth(losses)),
      },
      {
        title: 'Length of a step, by lr in each parameter',
        x: ALONG.step,
        y: 'length',
        logY: true,
        curves: curves(({ lengths }) => lengths),
      },
    ],
    table: [
      ['', 'length of step 1', `of step ${at + 1}`, 'training loss, last tenth'],
      ...WAYS.map(({ name }, i) => [name, first[i], later[i]?.toExponential(1), ends[i]]),
    ],
    claims: done
      ? [
          {
            text: 'the first step is the same',
            holds: Math.abs(first[NOTES]! / first[PAPER]! - 1) < 0.05,
            measured: `${lossText(first[NOTES]!)}, ${lossText(first[PAPER]!)}`,
          },
          {
            text: `at step ${at + 1} the notes’ steps are less than a thousandth of the paper’s`,
            holds: later[NOTES]! < 1e-3 * later[PAPER]!,
            measured: `${later[NOTES]!.toExponential(1)}, ${later[PAPER]!.toExponential(1)}`,
          },
          {
            text: 'the notes’ Adam ends at a higher loss',
            holds: ends[NOTES]! > ends[PAPER]!,
            measured: `${lossText(ends[NOTES]!)}, ${lossText(ends[PAPER]!)}`,
          },
        ]
      : [],
    notes: [
      `A network with one hidden layer of ${HIDDEN}, in float64 on the CPU: convention 'notes' is in the reference alone, no kernel has it. In float32 the notes’ second moment ` +
        'would overflow within the first hundred steps, and the step be 0 from then on.',
    ],
  };
}

/** The same start and batches for all, as a trainer draws them. */
async function startOf(lab: Lab, steps: number, seed: number) {
  const model = mlp({ sizes: [lab.train.features, HIDDEN, classesOf(lab.train)], activation: 'relu' });
  const trainer = await createTrainer(lab.device, {
    model,
    data: lab.train,
    ...{ batchSize: BATCH, dropLast: true, seed },
    rule: sgd({ lr: 0 }),
  });
  try {
    const start = trainer.parameters();
    const values = await trainer.readParameters();
    const batches = Array.from({ length: steps }, (_, step) => trainer.batch(step).samples);
    return { start: { model, values: Object.keys(start).map((name) => values[name]!) }, batches };
  } finally {
    trainer.destroy();
  }
}

type Start = Awaited<ReturnType<typeof startOf>>['start'];

async function descend(
  { train, signal }: Lab,
  { model, values }: Start,
  batches: readonly ArrayLike<number>[],
  hyper: Way['hyper'],
): Promise<Path> {
  const network = referenceNetwork(model);
  const rule = referenceRules.adam;
  const params = values.map((each) => Float64Array.from(each));
  const states = params.map(({ length }) => referenceState(rule, length, hyper));
  const size = params.reduce((sum, { length }) => sum + length, 0);
  const path: Path = { losses: [], lengths: [] };
  for (const [step, samples] of batches.entries()) {
    if (signal.aborted) break;
    const { x, labels } = seen(subset(train, samples));
    const { loss, gradients } = network.lossAndGradients(params, x, labels, samples.length);
    let moved = 0;
    for (const [i, param] of params.entries()) {
      const before = param.slice();
      rule.update(param, gradients[i]!, states[i]!, step + 1, { ...hyper, lr: LR });
      for (let k = 0; k < param.length; k++) moved += (param[k]! - before[k]!) ** 2;
    }
    path.losses.push(loss);
    path.lengths.push(Math.sqrt(moved / size) / LR);
    // Ctrl+C is heard between steps.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return path;
}

/** What the network sees of samples, in float64. */
function seen({ x, features, scale, shift, targets }: Dataset) {
  const at = (scaling: Dataset['scale'], i: number) => (typeof scaling === 'number' ? scaling : scaling[i % features]!);
  return {
    x: Float64Array.from(x, (raw, i) => raw * at(scale, i) + at(shift, i)),
    labels: targets.kind === 'classes' ? targets.labels : targets.values,
  };
}
