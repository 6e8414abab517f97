import type { Environment, GemmTask, Peer, StepTask, UpdateTask } from '../../harness/bench/contract.js';
import type { PeerTask } from '../../harness/bench/peers.js';
import { mlp } from '../../src/nn/mlp.js';
import { hyperAt } from '../../src/optim/rule.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { type ReferenceRule, referenceMlp, referenceRules, referenceState } from '../../src/reference/index.js';

/** Small work for every peer, and what should come of it in float64. Plain data: it crosses to a page and back. */

/** Deterministic numbers in [-1, 1), as float32. */
function floats(length: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  });
}

const STEPS = 10;

function stepTask(
  sizes: number[],
  batchSize: number,
  loss: StepTask['loss'],
  rule: StepTask['rule'],
  lr: number,
): StepTask {
  const outputs = sizes.at(-1)!;
  const batch = (seed: number) => ({
    x: floats(batchSize * sizes[0]!, seed),
    ...(loss === 'mse'
      ? { values: floats(batchSize * outputs, seed + 1) }
      : { labels: Int32Array.from({ length: batchSize }, (_, row) => (row * 7 + seed) % outputs) }),
  });
  const weights = sizes.slice(1).map((out, l) => ({
    w: floats(sizes[l]! * out, 10 + l, Math.sqrt(3 / sizes[l]!)),
    b: floats(out, 20 + l, 0.1),
  }));
  return { sizes, loss, batchSize, rule, lr, weights, batches: [batch(1), batch(3)] };
}

export const STEP_TASKS: Readonly<Record<string, StepTask>> = {
  'cross-entropy, sgd': stepTask([20, 16, 8, 4], 8, 'softmax-cross-entropy', 'sgd', 0.1),
  'cross-entropy, adam': stepTask([20, 16, 8, 4], 8, 'softmax-cross-entropy', 'adam', 0.01),
  'mse, sgd': stepTask([2, 4, 1], 6, 'mse', 'sgd', 0.05),
};

function gemmTask(op: GemmTask['op'], rows: number, inputs: number, outputs: number): GemmTask {
  const a = floats(rows * (op === 'input-gradient' ? outputs : inputs), 31);
  const b = floats((op === 'weight-gradient' ? rows : inputs) * outputs, 32);
  return { op, rows, inputs, outputs, a, b };
}

export const GEMM_TASKS: Readonly<Record<string, GemmTask>> = {
  forward: gemmTask('forward', 7, 33, 5),
  'input-gradient': gemmTask('input-gradient', 7, 33, 5),
  'weight-gradient': gemmTask('weight-gradient', 7, 33, 5),
};

/** 1500: above the 1000 elements under which TensorFlow.js computes on the CPU. */
const updateTask = (rule: UpdateTask['rule'], lr: number): UpdateTask => ({
  rule,
  lr,
  param: floats(1500, 41),
  grad: floats(1500, 42),
});

export const UPDATE_TASKS: Readonly<Record<string, UpdateTask>> = {
  sgd: updateTask('sgd', 0.1),
  momentum: updateTask('momentum', 0.1),
  adam: updateTask('adam', 0.01),
};

/** Arrays of numbers by the name of the case. */
export type PeerResults = Record<string, number[]>;

/** What a peer makes of all that it offers. Runs in Node and in a page. */
export async function runPeer(peer: Peer, environment: Environment): Promise<PeerResults> {
  const results: PeerResults = {};
  for (const [name, task] of Object.entries(peer.step ? STEP_TASKS : {})) {
    const opened = await peer.step!(task, environment);
    await opened.train(3, 'end'); // losses() starts over from the task's weights
    opened.record?.(2);
    await opened.settle?.();
    results[`step: ${name}`] = await opened.losses(STEPS);
    await opened.train(5);
    await opened.train(5, 2);
    results[`again: ${name}`] = await opened.losses(2);
    await opened.destroy();
  }
  for (const [name, task] of Object.entries(peer.gemm ? GEMM_TASKS : {})) {
    const opened = await peer.gemm!(task, environment);
    await opened.run(3);
    opened.record?.(2);
    await opened.settle?.();
    results[`gemm: ${name}`] = [...(await opened.product())];
    await opened.set(
      task.a.map((v) => 2 * v),
      task.b,
    );
    results[`doubled: ${name}`] = [...(await opened.product())];
    await opened.destroy();
  }
  for (const [name, task] of Object.entries(peer.update ? UPDATE_TASKS : {})) {
    const opened = await peer.update!(task, environment);
    await opened.run(3);
    results[`update: ${name}`] = [...(await opened.read())];
    await opened.set(
      task.param,
      task.grad.map((v) => -v),
    );
    await opened.run(2);
    opened.record?.(1);
    if (!opened.record) await opened.run(1);
    results[`reversed: ${name}`] = [...(await opened.read())];
    await opened.destroy();
  }
  return results;
}

function losses({ sizes, loss, batchSize, rule, lr, weights, batches }: StepTask, steps: number): number[] {
  const net = referenceMlp(mlp({ sizes, loss }));
  const [{ x, labels, values }] = batches as [StepTask['batches'][number]];
  const parameters = weights.flatMap(({ w, b }) => [Float64Array.from(w), Float64Array.from(b)]);
  const { update, state, hyper } = updater(rule, lr, parameters);
  return Array.from({ length: steps }, (_, t) => {
    const { loss: value, gradients } = net.lossAndGradients(parameters, x, labels ?? values!, batchSize);
    for (const [i, parameter] of parameters.entries()) update(parameter, gradients[i]!, state[i]!, t + 1, hyper);
    return value;
  });
}

function updater(rule: UpdateTask['rule'], lr: number, parameters: readonly Float64Array[]) {
  const reference: ReferenceRule = rule === 'adam' ? referenceRules.adam : referenceRules.sgd;
  const hyper = hyperAt(rule === 'adam' ? adam({ lr }) : sgd({ lr, momentum: rule === 'momentum' ? 0.9 : 0 }), 0);
  return {
    update: reference.update.bind(reference),
    hyper,
    state: parameters.map(({ length }) => referenceState(reference, length, hyper)),
  };
}

function product({ op, rows, inputs, outputs, a, b }: GemmTask): number[] {
  const sum = (count: number, term: (k: number) => number) =>
    Array.from({ length: count }, (_, k) => term(k)).reduce((x, y) => x + y, 0);
  const grid = (height: number, width: number, at: (i: number, j: number) => number) =>
    Array.from({ length: height * width }, (_, k) => at(Math.floor(k / width), k % width));
  switch (op) {
    case 'forward':
      return grid(rows, outputs, (r, o) => sum(inputs, (i) => a[r * inputs + i]! * b[i * outputs + o]!));
    case 'input-gradient':
      return grid(rows, inputs, (r, i) => sum(outputs, (o) => a[r * outputs + o]! * b[i * outputs + o]!));
    case 'weight-gradient':
      return grid(inputs, outputs, (i, o) => sum(rows, (r) => a[r * inputs + i]! * b[r * outputs + o]!));
  }
}

function updated({ rule, lr, param, grad }: UpdateTask, sign: 1 | -1): number[] {
  const values = Float64Array.from(param);
  const gradient = Float64Array.from(grad, (g) => sign * g);
  const { update, state, hyper } = updater(rule, lr, [values]);
  for (let t = 1; t <= 3; t++) update(values, gradient, state[0]!, t, hyper);
  return [...values];
}

/** The float64 reference's answers, in the form of `runPeer`'s. */
export function expectedResults(tasks: readonly PeerTask[]): PeerResults {
  const results: PeerResults = {};
  for (const [name, task] of Object.entries(tasks.includes('step') ? STEP_TASKS : {})) {
    results[`step: ${name}`] = losses(task, STEPS);
    results[`again: ${name}`] = losses(task, 2);
  }
  for (const [name, task] of Object.entries(tasks.includes('gemm') ? GEMM_TASKS : {})) {
    results[`gemm: ${name}`] = product(task);
    results[`doubled: ${name}`] = product(task).map((v) => 2 * v);
  }
  for (const [name, task] of Object.entries(tasks.includes('update') ? UPDATE_TASKS : {})) {
    results[`update: ${name}`] = updated(task, 1);
    results[`reversed: ${name}`] = updated(task, -1);
  }
  return results;
}

/**
 * The largest error of each case. Tolerance of all: 2e-5, absolute, on numbers of order 1. float32 rounding alone stays
 * under 2e-6 here; TensorFlow.js and the jax-js peer keep the powers of Adam's betas in float32, where 1 - 0.999 is off by
 * 1.3e-5 of itself, which 10 steps of 0.01 turn into 1e-6 of a parameter.
 */
export const TOLERANCE = 2e-5;

export function errors(actual: PeerResults, expected: PeerResults): Record<string, number> {
  return Object.fromEntries(
    Object.entries(expected).map(([name, values]) => {
      const found = actual[name] ?? [];
      if (found.length !== values.length) return [name, Number.POSITIVE_INFINITY];
      const worst = values.map((value, i) => Math.abs(found[i]! - value));
      return [name, worst.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...worst)];
    }),
  );
}
