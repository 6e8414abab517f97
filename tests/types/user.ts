/** A user's TypeScript, compiled against the packed package by tests/slow/package.test.ts; `tsc -p .` leaves it out. */
import type {
  EarlyStoppingOptions,
  NamedSchedule,
  Optimizer,
  Rule,
  StepReport,
  Trainer,
  ValidationOptions,
} from 'downhill';
import {
  adam,
  adamw,
  arrays,
  cosine,
  createOptimizer,
  createTrainer,
  DownhillError,
  mlp,
  requestDevice,
  sgd,
  warmup,
} from 'downhill';
import * as bundle from 'downhill/bundle';
import { gradcheck, type InitLossReport, initLoss, overfitBatch } from 'downhill/checks';
import { csv, type TableEncoding } from 'downhill/csv';
import { defineRule, number, type OptionsOf } from 'downhill/fields';
import { tensors as jaxTensors } from 'downhill/interop/jax';
import { tensor as ortTensor } from 'downhill/interop/ort';
import { tensors as tfTensors } from 'downhill/interop/tfjs';
import { tensor as threeTensor } from 'downhill/interop/three';
import { tensor as typeGpuTensor } from 'downhill/interop/typegpu';
import { type BufferRange, createPasses, encodePass, range } from 'downhill/kernels';
import { type Landscape, landscape, recordPath } from 'downhill/landscape';
import { requestDevice as requestNodeDevice } from 'downhill/node';
import { toOnnx } from 'downhill/onnx';
import { minimize, minimizeAll, type Problem, resolveProblem, rosenbrock, type Trajectory } from 'downhill/problems';
import { referenceRules } from 'downhill/reference';
import { linear } from 'downhill/schedules';
import { choice, logUniform, type SearchResult, search } from 'downhill/search';
import { adamShader } from 'downhill/shaders/optim/adam';
import text from 'downhill/shaders/optim/adam.wgsl';
import raw from 'downhill/shaders/optim/adam.wgsl?raw';

const texts: readonly string[] = [text, raw, adamShader.code];
const same: typeof adam = bundle.adam;
export const table = async (text: string, encoding?: TableEncoding) => {
  const data = encoding ? await csv(text, { encoding }) : await csv(text, { target: 'y', missing: { a: 'mean' } });
  // @ts-expect-error: no way to fill
  await csv(text, { target: 'y', missing: 'zero' });
  return arrays({
    x: data.x,
    y: [...(data.targets.kind === 'values' ? data.targets.values : [])],
    features: data.features,
  });
};
export const searched: Promise<SearchResult> = search('cpu', {
  space: { lr: logUniform(1e-5, 1), width: choice([64, 128]), activation: choice(['relu', 'tanh']) },
  // @ts-expect-error: not one of the choices
  objective: ({ params }) => params.lr * params.width + (params.activation === 'gelu' ? 1 : 0),
  budget: { trials: 8 },
});
const schedule: NamedSchedule = linear(0.1, { to: 0, steps: 10 });
const rules: readonly Rule[] = [
  adam({ lr: warmup(cosine(1e-3, { steps: 10 }), { steps: 2 }), betas: [0.9, 0.999] }),
  adamw({ lr: (count) => 1 / (1 + count), weightDecay: schedule }),
  sgd({ lr: 0.1, momentum: 0.9, nesterov: true }),
];
// @ts-expect-error: no option of this name
adam({ learningRate: 0.1 });
// @ts-expect-error: a number or a schedule
sgd({ lr: 'fast' });
// @ts-expect-error: not one of the activations
mlp({ sizes: [2, 2], activation: 'relux' });

export async function optimize(device: GPUDevice, buffer: GPUBuffer): Promise<Optimizer> {
  const tensors = [
    { name: 'w', shape: [3, 4], param: buffer, grad: { buffer, offset: 48 } },
    { name: 'b', shape: [4], param: { buffer, offset: 96 }, grad: { buffer, offset: 112 }, group: { weightDecay: 0 } },
  ];
  const optimizer = await createOptimizer(device, adamw({ lr: 1e-3 }), tensors, { clip: { globalNorm: 1 } });
  const encoder: GPUCommandEncoder = device.createCommandEncoder();
  optimizer.step(encoder);
  optimizer.set({ lr: 1e-4 });
  const { count, lr }: { count: number; lr: number } = await optimizer.read();
  const ranges: BufferRange[] = [range(buffer)];
  return count + lr + ranges.length > 0 ? optimizer : Promise.reject(new DownhillError('OPTION-RANGE', 'what', 'fix'));
}

export async function train(inNode: boolean): Promise<StepReport[]> {
  const device = await (inNode ? requestNodeDevice() : requestDevice());
  const data = arrays({ x: new Float32Array(8), y: new Uint8Array(4), features: 2, classes: 2 });
  const model = mlp({ sizes: [2, 3, 2], activation: 'tanh' });
  const trainer: Trainer = await createTrainer(device, { model, rule: adam({ lr: 1e-2 }), data, batchSize: 4 });
  // @ts-expect-error: one unit
  const every: ValidationOptions['every'] = { epochs: 1, batches: 2 };
  // @ts-expect-error: not one of the metrics
  const metric: EarlyStoppingOptions['metric'] = 'acuracy';
  if (every && metric) trainer.pause();
  // @ts-expect-error: how long?
  trainer.run({});
  // @ts-expect-error: one unit
  trainer.run({ steps: 1, epochs: 1 });
  const signal = new AbortController().signal;
  for await (const { loss } of trainer.run({ epochs: 1, signal, watch: { every: 10 } })) if (loss < 0.1) break;
  const steps: StepReport[] = [];
  for await (const step of trainer.run({ steps: 10 })) steps.push(step);
  return Object.keys(trainer.parameters()).length > 0 ? steps : [];
}

/** Before a training, and after it. */
export async function check(device: GPUDevice): Promise<Uint8Array<ArrayBuffer>> {
  const data = arrays({ x: new Float32Array(8), y: new Uint8Array(4), features: 2, classes: 2 });
  const model = mlp({ sizes: [2, 3, 2], activation: 'identity' });
  const start: InitLossReport = await initLoss(device, { model, data });
  const [gradients, batch] = [await gradcheck(device, { model, data }), await overfitBatch(device, { model, data })];
  if (!(start.loss > 0) || Object.keys({ ...gradients, ...batch }).length === 0) throw new Error('none');
  const trainer = await createTrainer(device, { model, rule: adam(), data });
  return toOnnx(await trainer.checkpoint({ state: false }));
}

/** Ways down analytic functions, with and without a device. */
export async function walk(device: GPUDevice): Promise<Trajectory[]> {
  const problem: Problem = rosenbrock({ n: 4 });
  // @ts-expect-error: no option of this name
  rosenbrock({ dimensions: 4 });
  const way = await minimize('cpu', problem, adam({ lr: 0.1 }), { start: [0, 0, 0, 0], steps: 10 });
  const points: Float64Array | Float32Array = way.points;
  // @ts-expect-error: 'cpu' or a device
  minimize('gpu', problem, adam());
  const runs = [{ rule: sgd() }, { rule: adam(), seed: 1 }];
  return points.length > 0 ? minimizeAll(device, resolveProblem({ rosenbrock }, 'rosenbrock'), runs, { steps: 3 }) : [];
}

const fields = { lr: number('step size', 0.1, { min: 0 }) };
const own: OptionsOf<typeof fields> = { lr: schedule };

const hosts = [jaxTensors, ortTensor, tfTensors, threeTensor, typeGpuTensor];

export const used = [own, hosts, defineRule, texts, same, rules, createPasses, encodePass, referenceRules];
export const planes = async (trainer: Trainer): Promise<Landscape> => {
  const path = await recordPath(trainer, { every: 5 });
  // @ts-expect-error: no such plane
  await landscape(trainer, { plane: 'flat' });
  return landscape(trainer, { plane: 'pca', path, grid: 9 });
};
