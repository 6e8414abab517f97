/** The Adam of the lecture's code beside the paper's, in float64 on the CPU. */
import { createTrainer, type Dataset, mlp, sgd, subset } from '../../../src/index.js';
import { referenceNetwork, referenceRules, referenceState } from '../../../src/reference/index.js';
import { lossText } from '../../common/format.js';
import type { Chapter, Curve, Lab, Outcome } from '../chapter.js';
import { ALONG } from '../curves.js';
import { mean } from '../runs.js';
import { smooth } from '../smooth.js';

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

export const adamVariants: Chapter = {
  name: 'adam-variants',
  title: 'Adam as in the paper, and as in the notes’ code',
  claim:
    'The notes’ code has β₂ = 0.99 and eps under the root, and divides the moments that it keeps by their correction, in place. The first two hardly matter. ' +
    'The last corrects again and again what was corrected: the second moment grows by far more than the first, and the steps vanish.',
  usual: { images: 8000, iterations: 400, seeds: 1 },
  quick: { images: 500, iterations: 60, seeds: 1 },
  plan: (_, { iterations }) => ({ largestBatch: BATCH, run: (lab) => run(lab, iterations) }),
};

/** A training in float64: its losses, and how long its steps are against lr in every parameter. */
interface Path {
  readonly losses: number[];
  readonly lengths: number[];
}

async function run(lab: Lab, steps: number): Promise<Outcome> {
  const { start, batches } = await startOf(lab, steps);
  const paths: Path[] = [];
  for (const { name, hyper } of WAYS) {
    lab.phase(`${name}, in float64`);
    paths.push(await descend(lab, start, batches, hyper));
  }
  const curves = (of: (path: Path) => (number | null)[]) =>
    paths.map((path, i): Curve => ({ name: WAYS[i]!.name, x: of(path).map((_, step) => step + 1), y: of(path) }));
  const end = ({ losses }: Path) => mean(losses.slice(-Math.max(1, Math.round(losses.length / 10))));
  const [, paper, notes] = paths as [Path, Path, Path];
  const at = Math.min(STOPPED, steps) - 1;
  const done = paths.every(({ losses }) => losses.length === steps);
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
      ...paths.map((path, i) => [WAYS[i]!.name, path.lengths[0], path.lengths[at]?.toExponential(1), end(path)]),
    ],
    claims: done
      ? [
          {
            text: 'the first step is the same',
            holds: Math.abs(notes.lengths[0]! / paper.lengths[0]! - 1) < 0.05,
            measured: `${lossText(notes.lengths[0]!)}, ${lossText(paper.lengths[0]!)}`,
          },
          {
            text: `at step ${at + 1} the notes’ steps are less than a thousandth of the paper’s`,
            holds: notes.lengths[at]! < 1e-3 * paper.lengths[at]!,
            measured: `${notes.lengths[at]!.toExponential(1)}, ${paper.lengths[at]!.toExponential(1)}`,
          },
          {
            text: 'the notes’ Adam ends at a higher loss',
            holds: end(notes) > end(paper),
            measured: `${lossText(end(notes))}, ${lossText(end(paper))}`,
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
async function startOf(lab: Lab, steps: number) {
  const model = mlp({ sizes: [lab.train.features, HIDDEN, classesOf(lab.train)], activation: 'relu' });
  const trainer = await createTrainer(lab.device, {
    model,
    data: lab.train,
    batchSize: BATCH,
    dropLast: true,
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
    await new Promise((resolve) => setImmediate(resolve));
  }
  return path;
}

const classesOf = ({ targets }: Dataset) => (targets.kind === 'values' ? targets.width : targets.classes);

/** What the network sees of samples, in float64. */
function seen({ x, features, scale, shift, targets }: Dataset) {
  const at = (scaling: Dataset['scale'], i: number) => (typeof scaling === 'number' ? scaling : scaling[i % features]!);
  return {
    x: Float64Array.from(x, (raw, i) => raw * at(scale, i) + at(shift, i)),
    labels: targets.kind === 'classes' ? targets.labels : targets.values,
  };
}
