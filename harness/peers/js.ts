/**
 * Plain JavaScript: float32 typed arrays on one thread. In the products the inner loop runs along rows of both arrays it
 * touches; nothing is allocated per step. What a good programmer writes in an hour, and no more: no blocking, no SIMD.
 */
import type {
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
import { ADAM, MOMENTUM } from './place.js';

type Floats = Float32Array<ArrayBuffer>;

/** out[rows, outputs] = a[rows, inputs] · b[inputs, outputs], plus the bias where there is one. */
function forward(
  a: Floats,
  b: Floats,
  out: Floats,
  rows: number,
  inputs: number,
  outputs: number,
  bias?: Floats,
): void {
  for (let row = 0; row < rows; row++) {
    const to = row * outputs;
    for (let j = 0; j < outputs; j++) out[to + j] = bias ? bias[j]! : 0;
    for (let i = 0; i < inputs; i++) {
      const value = a[row * inputs + i]!;
      const from = i * outputs;
      for (let j = 0; j < outputs; j++) out[to + j] = out[to + j]! + value * b[from + j]!;
    }
  }
}

/** out[rows, inputs] = a[rows, outputs] · b[inputs, outputs]ᵀ. */
function inputGradient(a: Floats, b: Floats, out: Floats, rows: number, inputs: number, outputs: number): void {
  for (let row = 0; row < rows; row++) {
    const left = row * outputs;
    for (let i = 0; i < inputs; i++) {
      const right = i * outputs;
      let sum = 0;
      for (let j = 0; j < outputs; j++) sum += a[left + j]! * b[right + j]!;
      out[row * inputs + i] = sum;
    }
  }
}

/** out[inputs, outputs] = a[rows, inputs]ᵀ · b[rows, outputs]. */
function weightGradient(a: Floats, b: Floats, out: Floats, rows: number, inputs: number, outputs: number): void {
  out.fill(0);
  for (let row = 0; row < rows; row++) {
    const from = row * outputs;
    for (let i = 0; i < inputs; i++) {
      const value = a[row * inputs + i]!;
      const to = i * outputs;
      for (let j = 0; j < outputs; j++) out[to + j] = out[to + j]! + value * b[from + j]!;
    }
  }
}

/** The update of one tensor, its state with it. */
function updaterOf(rule: UpdateTask['rule'], lr: number, param: Floats): (grad: Floats) => void {
  const { length } = param;
  if (rule === 'sgd') {
    return (grad) => {
      for (let i = 0; i < length; i++) param[i] = param[i]! - lr * grad[i]!;
    };
  }
  const first = new Float32Array(length);
  if (rule === 'momentum') {
    return (grad) => {
      for (let i = 0; i < length; i++) {
        const velocity = MOMENTUM * first[i]! + grad[i]!;
        first[i] = velocity;
        param[i] = param[i]! - lr * velocity;
      }
    };
  }
  const { beta1, beta2, epsilon } = ADAM;
  const second = new Float32Array(length);
  let t = 0;
  return (grad) => {
    t++;
    const rate = lr / (1 - beta1 ** t);
    const scale = 1 / Math.sqrt(1 - beta2 ** t);
    for (let i = 0; i < length; i++) {
      const g = grad[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * second[i]! + (1 - beta2) * g * g;
      first[i] = m;
      second[i] = v;
      param[i] = param[i]! - (rate * m) / (Math.sqrt(v) * scale + epsilon);
    }
  };
}

/** Mean loss of the rows in `outputs`, which become the gradient by the outputs. */
function lossAndDelta(outputs: Floats, batch: StepBatch, rows: number, width: number): number {
  let total = 0;
  if (batch.values) {
    const count = rows * width;
    for (let i = 0; i < count; i++) {
      const difference = outputs[i]! - batch.values[i]!;
      total += difference * difference;
      outputs[i] = (2 * difference) / count;
    }
    return total / count;
  }
  for (let row = 0; row < rows; row++) {
    const at = row * width;
    let largest = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < width; j++) largest = Math.max(largest, outputs[at + j]!);
    const label = at + batch.labels![row]!;
    const logit = outputs[label]! - largest;
    let sum = 0;
    for (let j = 0; j < width; j++) {
      const e = Math.exp(outputs[at + j]! - largest);
      outputs[at + j] = e;
      sum += e;
    }
    total += Math.log(sum) - logit;
    for (let j = 0; j < width; j++) outputs[at + j] = outputs[at + j]! / (sum * rows);
    outputs[label] = outputs[label]! - 1 / rows;
  }
  return total / rows;
}

/** A network with all the arrays a step needs. */
function network({ sizes, batchSize, weights, rule, lr }: StepTask) {
  const layers = weights.map(({ w, b }, l) => {
    const [inputs, outputs] = [sizes[l]!, sizes[l + 1]!];
    const tensors = { w: w.slice(), b: b.slice() };
    return {
      inputs,
      outputs,
      ...tensors,
      gradW: new Float32Array(w.length),
      gradB: new Float32Array(b.length),
      y: new Float32Array(batchSize * outputs), // its values on the way forward, the gradient by them on the way back
      back: new Float32Array(batchSize * inputs),
      updateW: updaterOf(rule, lr, tensors.w),
      updateB: updaterOf(rule, lr, tensors.b),
    };
  });

  /** One step; the loss before its update. */
  return function step(batch: StepBatch): number {
    let x = batch.x;
    for (const [l, { w, b, y, inputs, outputs }] of layers.entries()) {
      forward(x, w, y, batchSize, inputs, outputs, b);
      if (l < layers.length - 1) for (let i = 0; i < y.length; i++) if (y[i]! < 0) y[i] = 0;
      x = y;
    }
    const loss = lossAndDelta(x, batch, batchSize, sizes.at(-1)!);
    let delta = x;
    for (let l = layers.length - 1; l >= 0; l--) {
      const { w, b, gradW, gradB, back, inputs, outputs, updateW, updateB } = layers[l]!;
      const input = l === 0 ? batch.x : layers[l - 1]!.y;
      weightGradient(input, delta, gradW, batchSize, inputs, outputs);
      gradB.fill(0);
      for (let row = 0; row < batchSize; row++)
        for (let j = 0; j < b.length; j++) gradB[j] = gradB[j]! + delta[row * outputs + j]!;
      if (l > 0) {
        inputGradient(delta, w, back, batchSize, inputs, outputs);
        for (let i = 0; i < back.length; i++) if (input[i] === 0) back[i] = 0;
        delta = back;
      }
      updateW(gradW);
      updateB(gradB);
    }
    return loss;
  };
}

async function step(task: StepTask): Promise<StepPeer> {
  let next = 0;
  let train = network(task);
  return {
    async losses(steps) {
      train = network(task);
      next = 0;
      return Array.from({ length: steps }, () => train(task.batches[0]!));
    },
    // Every step has its loss at hand; there is nothing to wait for.
    async train(steps, _read?: ReadLoss) {
      for (let i = 0; i < steps; i++) train(task.batches[next++ % task.batches.length]!);
    },
    destroy() {},
  };
}

const PRODUCTS = { forward, 'input-gradient': inputGradient, 'weight-gradient': weightGradient } as const;

async function gemm({ op, rows, inputs, outputs, ...task }: GemmTask): Promise<GemmPeer> {
  let { a, b } = task;
  const size = { forward: rows * outputs, 'input-gradient': rows * inputs, 'weight-gradient': inputs * outputs }[op];
  const out = new Float32Array(size);
  return {
    async set(left, right) {
      [a, b] = [left, right];
    },
    async product() {
      PRODUCTS[op](a, b, out, rows, inputs, outputs);
      return out.slice();
    },
    async run(products) {
      for (let i = 0; i < products; i++) PRODUCTS[op](a, b, out, rows, inputs, outputs);
    },
    destroy() {},
  };
}

async function update({ rule, lr, ...task }: UpdateTask): Promise<UpdatePeer> {
  let param = task.param.slice();
  let { grad } = task;
  let updater = updaterOf(rule, lr, param);
  return {
    async set(values, gradient) {
      param = values.slice();
      grad = gradient;
      updater = updaterOf(rule, lr, param);
    },
    async run(updates) {
      for (let i = 0; i < updates; i++) updater(grad);
    },
    read: async () => param.slice(),
    destroy() {},
  };
}

export const peers: readonly Peer[] = [peer('js', { step, gemm, update })];
