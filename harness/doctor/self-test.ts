/**
 * A 2-second check that the kernels compute on this adapter what they should: small networks train a few steps, with
 * every rule, every activation and every loss, and the losses and weights are compared with the float64 reference.
 */
import {
  ACTIVATIONS,
  type Activation,
  arrays,
  createTrainer,
  LOSSES,
  type Loss,
  type LossFunction,
  losses,
  mlp,
  type RuleRow,
  resolveRule,
  rules,
} from '../../src/index.js';
import {
  type ReferenceRule,
  referenceMlp,
  referenceRules,
  referenceState,
  referenceStep,
} from '../../src/reference/index.js';

export interface SelfTestResult {
  readonly name: string;
  readonly ok: boolean;
  /** Largest relative difference, in words. */
  readonly detail: string;
}

const SIZES = [9, 12, 7, 4] as const;
const SAMPLES = 37;
const STEPS = 5;
/** Ten times every rule's default: a gradient that is off by 1 % then shows in the weights, with SGD as well. */
const LEARNING_RATE = 0.01;
/** Ten roundings of f32 on numbers near 1, and five steps of them; a wrong formula is off by far more. */
const TOLERANCE = 1e-5;
/** One step only: at a kink f32 and float64 may later take different sides, and part without any fault. */
const KINKED: readonly Activation[] = ['relu', 'leaky-relu'];
const SMOOTH = ACTIVATIONS.filter((activation) => !KINKED.includes(activation));

export async function selfTest(device: GPUDevice): Promise<SelfTestResult[]> {
  const names = Object.keys(rules);
  const pick = <T>(list: readonly T[], i: number) => list[i % list.length]!;
  // A rule that draws labels from the model takes losses to draw them from.
  const lossOf = (i: number) =>
    pick(
      drawsLabels(pick(names, i)) ? LOSSES.filter((loss) => (losses[loss].row as LossFunction['row']).drawn) : LOSSES,
      i,
    );
  const results: SelfTestResult[] = [];
  for (let i = 0; i < Math.max(names.length, SMOOTH.length); i++) {
    results.push(await compare(device, pick(names, i), pick(SMOOTH, i), lossOf(i), STEPS));
  }
  for (const [i, activation] of KINKED.entries()) {
    results.push(await compare(device, pick(names, i), activation, lossOf(i), 1));
  }
  return results;
}

const curvatureOf = (name: string) => (resolveRule(rules, name).row as RuleRow).curvature;
const drawsLabels = (name: string) => curvatureOf(name) !== undefined;

async function compare(
  device: GPUDevice,
  name: string,
  activation: Activation,
  loss: Loss,
  steps: number,
): Promise<SelfTestResult> {
  const features = SIZES[0];
  const classes = SIZES.at(-1)!;
  // Irrational steps: no two samples alike, the same on every machine.
  const wave = (length: number, step: number) => Float32Array.from({ length }, (_, i) => ((i * step) % 2) - 1);
  const x = wave(SAMPLES * features, Math.SQRT2);
  const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => (i * 3) % classes);
  const { targets, within } = losses[loss].row as LossFunction['row'];
  const [low, high] = within ?? [-1, 1];
  const values = wave(SAMPLES * classes, Math.E).map((v) => low + ((high - low) * (v + 1)) / 2);
  const y = targets === 'classes' ? labels : values;
  const data = arrays({ x, y, features, ...(targets === 'classes' && { classes }) });
  const curvature = curvatureOf(name);
  const rule = resolveRule(rules, name, { lr: LEARNING_RATE, ...(curvature && { [curvature.samples]: SAMPLES }) });
  const model = mlp({ sizes: [...SIZES], activation, loss });
  const trainer = await createTrainer(device, { model, rule, data, sampling: 'full', label: 'self-test' });

  const expected = Object.values(await trainer.readParameters()).map((tensor) => Float64Array.from(tensor));
  const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>)[name]!;
  const shapes = Object.values(trainer.parameters()).map(({ shape }) => shape);
  const states = shapes.map((shape) => referenceState(reference, shape, rule.hyper));
  const network = referenceMlp(model);
  let worst = 0;
  for await (const report of trainer.run({ steps })) {
    if (curvature && (report.step - 1) % curvature.interval(rule.hyper) === 0) {
      const drawn = network.drawnGradients(expected, x, y, SAMPLES, { step: report.step - 1 });
      for (const [i, grad] of drawn.entries()) reference.curvature!(grad, states[i]!, rule.hyper);
    }
    const step = network.lossAndGradients(expected, x, y, SAMPLES);
    worst = Math.max(worst, Math.abs(report.loss / step.loss - 1));
    const tensors = step.gradients.map((grad, i) => ({
      shape: shapes[i]!,
      param: expected[i]!,
      grad,
      state: states[i]!,
    }));
    referenceStep(reference, tensors, report.step, rule.hyper);
  }
  const actual = Object.values(await trainer.readParameters({ weights: 'current' }));
  for (const [i, tensor] of expected.entries()) {
    for (const [j, value] of tensor.entries()) worst = Math.max(worst, Math.abs(actual[i]![j]! - value));
  }
  trainer.destroy();
  const { title, roundings = 0 } = rule.row as RuleRow;
  // A change of a weight is about the learning rate.
  const allowed = TOLERANCE + steps * LEARNING_RATE * roundings * 2 ** -24;
  return {
    name: `${title}, ${activation}, ${loss}`,
    // Written so that NaN fails.
    ok: worst <= allowed,
    detail: `${steps === 1 ? '1 step' : `${steps} steps`} within ${worst.toExponential(1)} of float64 (allowed ${allowed.toExponential(0)})`,
  };
}
