/**
 * A 2-second check that the kernels compute on this adapter what they should: every rule trains a small network a few
 * steps, once per loss, and the losses and weights are compared with the float64 reference.
 */
import {
  type Activation,
  arrays,
  createTrainer,
  type Loss,
  mlp,
  type RuleRow,
  resolveRule,
  rules,
} from '../src/index.js';
import { type ReferenceRule, referenceMlp, referenceRules, referenceState } from '../src/reference/index.js';

export interface SelfTestResult {
  readonly name: string;
  readonly ok: boolean;
  /** Largest relative difference, in words. */
  readonly detail: string;
}

const SIZES = [9, 12, 7, 4] as const;
const SAMPLES = 37;
const STEPS = 5;
/** Ten roundings of f32 on numbers near 1, and five steps of them; a wrong formula is off by far more. */
const TOLERANCE = 1e-5;
/** Smooth ones: with relu one pre-activation that crosses 0 another way makes the runs part. */
const ACTIVATIONS: readonly Activation[] = ['tanh', 'gelu', 'silu', 'sigmoid'];

export async function selfTest(device: GPUDevice): Promise<SelfTestResult[]> {
  const results: SelfTestResult[] = [];
  for (const [i, name] of Object.keys(rules).entries()) {
    results.push(await compare(device, name, ACTIVATIONS[i % ACTIVATIONS.length]!, 'softmax-cross-entropy'));
  }
  results.push(await compare(device, Object.keys(rules)[0]!, 'tanh', 'mse'));
  return results;
}

async function compare(device: GPUDevice, name: string, activation: Activation, loss: Loss): Promise<SelfTestResult> {
  const features = SIZES[0];
  const classes = SIZES.at(-1)!;
  // Irrational steps: no two samples alike, the same on every machine.
  const wave = (length: number, step: number) => Float32Array.from({ length }, (_, i) => ((i * step) % 2) - 1);
  const x = wave(SAMPLES * features, Math.SQRT2);
  const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => (i * 3) % classes);
  const values = wave(SAMPLES * classes, Math.E);
  const data = loss === 'mse' ? arrays({ x, y: values, features }) : arrays({ x, y: labels, classes, features });
  const rule = resolveRule(rules, name);
  const model = mlp({ sizes: [...SIZES], activation, loss });
  const trainer = await createTrainer(device, { model, rule, data, sampling: 'full', label: 'self-test' });

  const expected = Object.values(await trainer.readParameters()).map((tensor) => Float64Array.from(tensor));
  const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>)[name]!;
  const states = expected.map((tensor) => referenceState(reference, tensor.length, rule.hyper));
  const network = referenceMlp(model);
  let worst = 0;
  for await (const report of trainer.run({ steps: STEPS })) {
    const step = network.lossAndGradients(expected, x, loss === 'mse' ? values : labels, SAMPLES);
    worst = Math.max(worst, Math.abs(report.loss / step.loss - 1));
    for (const [i, gradient] of step.gradients.entries()) {
      reference.update(expected[i]!, gradient, states[i]!, report.step, rule.hyper);
    }
  }
  const actual = Object.values(await trainer.readParameters());
  for (const [i, tensor] of expected.entries()) {
    for (const [j, value] of tensor.entries()) worst = Math.max(worst, Math.abs(actual[i]![j]! - value));
  }
  trainer.destroy();
  const { title } = rule.row as RuleRow;
  return {
    name: `${title}, ${activation}, ${loss}`,
    // Written so that NaN fails.
    ok: worst <= TOLERANCE,
    detail: `${STEPS} steps within ${worst.toExponential(1)} of float64 (allowed ${TOLERANCE.toExponential(0)})`,
  };
}
