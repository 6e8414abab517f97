/**
 * TensorFlow.js, on its WebGPU and its WebAssembly backend, as its guides train by hand: variables, `optimizer.minimize`
 * on a loss, `applyGradients` where the gradient is given. Layers are `fused.matMul`, which is what tf.layers' dense
 * layer calls. TensorFlow.js enqueues on WebGPU without waiting; nothing is read but what is asked for.
 */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'; // the core alone has none
import type {
  Environment,
  GemmPeer,
  GemmTask,
  Peer,
  ReadLoss,
  StepBatch,
  StepPeer,
  StepTask,
  UpdatePeer,
  UpdateTask,
} from '../bench/contract.js';
import { peer } from './names.js';
import { ADAM, besideModule, MOMENTUM, offerWebGpu, oneHot } from './place.js';

/** A backend that is open for one peer. */
interface Backend {
  readonly device?: GPUDevice;
  /** Makes it TensorFlow.js's current one; at once, since it is initialized. Several may be open in turns. */
  use(): void;
  destroy(): void;
}

let opened = 0;

/** A backend on a device of its own. Kernels are registered by backend name, hence the copy for the new name. */
async function openWebGpu(environment: Environment): Promise<Backend> {
  offerWebGpu(environment);
  const name = `webgpu-${++opened}`;
  const device = await environment.requestDevice('tfjs-webgpu');
  tf.copyRegisteredKernels('webgpu', name);
  tf.registerBackend(name, () => new WebGPUBackend(device, device.adapterInfo));
  await tf.setBackend(name);
  return {
    device,
    // Only where it is another: setting it walks all kernels, which would be timed.
    use: () => void (tf.getBackend() === name || tf.setBackend(name)),
    destroy() {
      tf.removeBackend(name);
      for (const { kernelName } of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
      device.destroy();
    },
  };
}

/** The one WebAssembly backend: with SIMD, and with threads where the page is cross-origin isolated. */
async function openWasm(): Promise<Backend> {
  wasm ??= startWasm();
  await wasm;
  return { use: () => void tf.setBackend('wasm'), destroy: () => {} };
}
let wasm: Promise<void> | undefined;

async function startWasm(): Promise<void> {
  setWasmPaths(besideModule());
  if (!(await tf.setBackend('wasm'))) throw new Error("TensorFlow.js's WebAssembly backend did not start.");
}

/** Waits until what `tensor` stands for is computed, and all that was enqueued before: one element of it comes back. */
async function settled(tensor: tf.Tensor): Promise<void> {
  const element = tf.tidy(() => tf.slice(tf.reshape(tensor, [-1]), 0, 1));
  await element.data();
  element.dispose();
}

const optimizerOf = (rule: 'sgd' | 'momentum' | 'adam', lr: number): tf.Optimizer => {
  if (rule === 'sgd') return tf.train.sgd(lr);
  if (rule === 'momentum') return tf.train.momentum(lr, MOMENTUM);
  return tf.train.adam(lr, ADAM.beta1, ADAM.beta2, ADAM.epsilon);
};

/** Where the steps take their batch: x and its targets, on the device. */
const placeBatch = ({ x, labels, values }: StepBatch, { sizes, batchSize }: StepTask) => {
  const outputs = sizes.at(-1)!;
  return {
    x: tf.tensor2d(x, [batchSize, sizes[0]!]),
    y: tf.tensor2d(values ?? oneHot(labels!, outputs), [batchSize, outputs]),
  };
};
type Batch = ReturnType<typeof placeBatch>;

function openStep(backend: Backend, task: StepTask): StepPeer {
  backend.use();
  const initial = task.weights.map(({ w, b }, layer) => [
    tf.tensor2d(w, [task.sizes[layer]!, task.sizes[layer + 1]!]),
    tf.tensor1d(b),
  ]);
  const layers = initial.map((tensors) => tensors.map((tensor) => tf.variable(tf.clone(tensor))));
  const variables = layers.flat();
  const batches = task.batches.map((batch) => placeBatch(batch, task));
  let optimizer = optimizerOf(task.rule, task.lr);
  let next = 0;

  const lossOf = ({ x, y }: Batch): tf.Scalar => {
    let h: tf.Tensor = x;
    for (const [i, [w, bias]] of layers.entries()) {
      const activation = i < layers.length - 1 ? 'relu' : 'linear';
      h = tf.fused.matMul({ a: h, b: w!, bias, activation });
    }
    return task.loss === 'mse' ? tf.losses.meanSquaredError(y, h) : tf.losses.softmaxCrossEntropy(y, h);
  };
  const step = (batch: Batch): tf.Scalar => optimizer.minimize(() => lossOf(batch), true, variables)!;
  const record = (steps: number): tf.Scalar | undefined => {
    backend.use();
    let loss: tf.Scalar | undefined;
    for (let i = 0; i < steps; i++) {
      loss?.dispose();
      loss = step(batches[next++ % batches.length]!);
    }
    return loss;
  };
  const settle = () => settled(variables.at(-1)!);

  return {
    device: backend.device,
    async losses(steps) {
      backend.use();
      optimizer.dispose();
      optimizer = optimizerOf(task.rule, task.lr);
      for (const [i, tensor] of initial.flat().entries()) tf.tidy(() => variables[i]!.assign(tf.clone(tensor)));
      next = 0;
      const found: number[] = [];
      for (let i = 0; i < steps; i++) {
        backend.use();
        const loss = step(batches[0]!);
        found.push((await loss.data())[0]!);
        loss.dispose();
      }
      return found;
    },
    async train(steps, read?: ReadLoss) {
      const stride = typeof read === 'number' ? read : steps;
      for (let done = 0; done < steps; done += stride) {
        const loss = record(Math.min(stride, steps - done));
        if (read !== undefined) await loss?.data();
        loss?.dispose();
      }
      await settle();
    },
    ...(backend.device && {
      record: (steps: number) => record(steps)?.dispose(),
      settle,
    }),
    destroy() {
      backend.use();
      optimizer.dispose();
      tf.dispose([initial, variables, batches]);
      backend.destroy();
    },
  };
}

function openGemm(backend: Backend, { op, rows, inputs, outputs, a, b }: GemmTask): GemmPeer {
  const [transposeA, transposeB] = [op === 'weight-gradient', op === 'input-gradient'];
  const shapeA: [number, number] = [rows, op === 'input-gradient' ? outputs : inputs];
  const shapeB: [number, number] = op === 'weight-gradient' ? [rows, outputs] : [inputs, outputs];
  let operands: tf.Tensor2D[] = [];
  const place = (left: Float32Array, right: Float32Array) => {
    backend.use();
    tf.dispose(operands);
    operands = [tf.tensor2d(left, shapeA), tf.tensor2d(right, shapeB)];
  };
  place(a, b);

  let last: tf.Tensor | undefined;
  const record = (products: number) => {
    backend.use();
    for (let i = 0; i < products; i++) {
      last?.dispose();
      last = tf.matMul(operands[0]!, operands[1]!, transposeA, transposeB);
    }
  };
  const settle = async () => {
    if (last) await settled(last);
  };
  return {
    device: backend.device,
    set: async (left, right) => place(left, right),
    async product() {
      record(1);
      return (await last!.data()) as Float32Array;
    },
    async run(products) {
      record(products);
      await settle();
    },
    ...(backend.device && { record, settle }),
    destroy() {
      backend.use();
      tf.dispose([operands, last ?? []]);
      backend.destroy();
    },
  };
}

function openUpdate(backend: Backend, task: UpdateTask): UpdatePeer {
  let variable: tf.Variable | undefined;
  let grad: tf.Tensor | undefined;
  let optimizer: tf.Optimizer | undefined;
  const clear = () => {
    backend.use();
    optimizer?.dispose();
    tf.dispose([variable ?? [], grad ?? []]);
  };
  const place = (param: Float32Array, gradient: Float32Array) => {
    clear();
    variable = tf.tidy(() => tf.variable(tf.tensor1d(param)));
    grad = tf.tensor1d(gradient);
    optimizer = optimizerOf(task.rule, task.lr);
  };
  place(task.param, task.grad);

  const record = (updates: number) => {
    backend.use();
    for (let i = 0; i < updates; i++) optimizer!.applyGradients([{ name: variable!.name, tensor: grad! }]);
  };
  const settle = () => settled(variable!);
  return {
    device: backend.device,
    set: async (param, gradient) => place(param, gradient),
    async run(updates) {
      record(updates);
      await settle();
    },
    async read() {
      backend.use();
      return (await variable!.data()) as Float32Array;
    },
    ...(backend.device && { record, settle }),
    destroy() {
      clear();
      backend.destroy();
    },
  };
}

const does = (open: (environment: Environment) => Promise<Backend>) => ({
  step: async (task: StepTask, environment: Environment) => openStep(await open(environment), task),
  gemm: async (task: GemmTask, environment: Environment) => openGemm(await open(environment), task),
  update: async (task: UpdateTask, environment: Environment) => openUpdate(await open(environment), task),
});

export const peers: readonly Peer[] = [peer('tfjs-webgpu', does(openWebGpu)), peer('tfjs-wasm', does(openWasm))];
