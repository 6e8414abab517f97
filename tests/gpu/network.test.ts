import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import { CLOCK_BYTES } from '../../src/kernels/advance.js';
import type { Piece } from '../../src/kernels/dense.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { nnForms } from '../../src/kernels/nn-forms.js';
import { initialize } from '../../src/nn/init.js';
import {
  batchNorm,
  dropout,
  elu,
  gelu,
  geluTanh,
  identity,
  layerNorm,
  leakyRelu,
  linear,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../../src/nn/layers.js';
import { mse } from '../../src/nn/losses.js';
import { buffersOf, type Model, sequential, tensorsOf } from '../../src/nn/model.js';
import { bindNetwork } from '../../src/nn/network.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { advanceShader } from '../../src/shaders/optim/advance.gen.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';

/*
 * Whole models, layer rows and their ops bound together, against the float64 oracle: gradients of parameters, the loss, and
 * what layers keep.
 * Tolerance: a few products of f32 one after another, each good to some units of its own size: 2^-24 · 64 of the largest.
 */
const LIMIT = 64 * 2 ** -24;

const SAMPLES = 12;
const ROWS = 9;
const VALID = 7;
const STEP = 5;
const PICKED = Uint32Array.from({ length: ROWS }, (_, row) => (row * 5 + 2) % SAMPLES);
const length = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

interface Run {
  readonly seeds?: readonly number[];
  /** Every op in a pass of its own. */
  readonly alone?: boolean;
  /** Tensors in buffers of their own, the first in two pieces. */
  readonly scattered?: boolean;
  readonly bytes?: boolean;
  /** Of the step, for its commit: 0 it counts, 1 it was left out, 2 it waits. */
  readonly fate?: number;
}

/** Where tensors lie: in one arena, every replica's after another's, or each in a buffer of its own. */
function placer(
  buffers: ReturnType<typeof buffersFor>,
  name: string,
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
  { seeds = [1], scattered }: Run,
) {
  const pieces = new Map<string, Piece[]>();
  const stride = tensors.reduce((sum, { shape }) => sum + roundUp(length(shape), 64), 0);
  const arena = buffers.storage(name, 4 * stride * seeds.length);
  let at = 0;
  for (const { name: tensor, shape } of tensors) {
    const elements = length(shape);
    const size = 4 * ((seeds.length - 1) * stride + elements);
    pieces.set(tensor, [{ range: range(arena, 4 * at, size), stride, start: 0, elements }]);
    at += roundUp(elements, 64);
    if (!scattered) continue;
    const cut = shape.length > 1 && shape[0]! > 4 ? 4 * shape[1]! : elements;
    const parts = [
      [0, cut],
      [cut, elements],
    ].filter(([from, to]) => from! < to!);
    pieces.set(
      tensor,
      parts.map(([from, to]) => {
        const own = roundUp(to! - from!, 4);
        const buffer = buffers.storage(tensor, 4 * own * seeds.length);
        return { range: range(buffer), stride: own, start: from!, elements: to! - from! };
      }),
    );
  }
  return (tensor: string) => pieces.get(tensor)!;
}

async function readTensor(gpu: GPUDevice, pieces: readonly Piece[], shape: readonly number[], replica: number) {
  const whole = new Float32Array(length(shape));
  for (const { range: at, stride, start, elements } of pieces)
    whole.set(await readFloats(gpu, range(at.buffer, at.offset + 4 * replica * stride, 4 * elements)), start);
  return whole;
}

async function gradients(model: Model, run: Run = {}) {
  const { seeds = [1], alone = false, bytes = false, fate = 0 } = run;
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'network');
  const { input, output } = model;
  const [scale, shift] = bytes ? [1 / 64, -2] : [1, 0];
  const raw = randomFloats(SAMPLES * input, 31).map((v) => (bytes ? Math.floor((v + 1) * 127) : v));
  const padded = strided(raw, input, rowStride(input), 0);
  const x = buffers.upload('x', bytes ? Uint8Array.from(padded) : padded);
  const classes = model.loss.row.targets === 'classes';
  const values = randomFloats(SAMPLES * output, 32);
  const labels = Uint32Array.from({ length: SAMPLES }, (_, i) => (i * 3) % output);
  const stream = new Uint32Array((STREAM_BYTES / 4) * seeds.length);
  const clock = new Uint32Array((CLOCK_BYTES / 4) * seeds.length);
  for (const [i, seed] of seeds.entries()) {
    const own = stream.subarray((i * STREAM_BYTES) / 4);
    own[streamWord('valid')] = VALID;
    own[streamWord('seed')] = seed;
    own[streamWord('step')] = STEP;
    clock[(i * CLOCK_BYTES + advanceShader.structs.Clock!.fields.fate!.offset) / 4] = fate;
  }
  const batch = range(buffers.upload('batch', Uint32Array.from(seeds.flatMap(() => [...PICKED]))));
  const place = (name: string, tensors: Parameters<typeof placer>[2]) => placer(buffers, name, tensors, run);
  const [params, grads] = [place('params', tensorsOf(model)), place('grads', tensorsOf(model))];
  const statistics = place('statistics', buffersOf(model));
  const write = (pieces: readonly Piece[], replica: number, values: Float32Array<ArrayBuffer>) => {
    for (const { range: at, stride, start, elements } of pieces)
      gpu.queue.writeBuffer(at.buffer, at.offset + 4 * replica * stride, values, start, elements);
  };
  for (const [replica, seed] of seeds.entries()) {
    for (const [i, { name }] of tensorsOf(model).entries()) write(params(name), replica, initialize(model, seed)[i]!);
    for (const { name, shape, initial } of buffersOf(model))
      write(statistics(name), replica, new Float32Array(length(shape)).fill(initial));
  }
  const result = buffers.storage('result', 8 * ROWS * seeds.length);
  const bound = bindNetwork({
    label: 'test',
    model,
    rows: ROWS,
    replicas: seeds.length,
    buffers,
    params,
    grads,
    statistics,
    input: { x: range(x), batch: { indices: batch, encoding: bytes ? 'bytes' : 'f32', scale, shift } },
    targets: range(buffers.upload('targets', classes ? labels : values)),
    batch,
    stream: range(buffers.upload('stream', stream)),
    result: range(result),
    train: true,
  });
  const forms = alone ? nnForms.filter(({ name }) => !name.includes('+')) : nnForms;
  const commit = bound.commit(range(buffers.upload('clock', clock)));
  const { passes, choice } = lower([...bound.forward, ...bound.loss, ...bound.backward, ...commit], forms, gpu);
  await dispatch(gpu, passes);
  const rowLosses = dense(await readFloats(gpu, range(result)), 1, 2);
  const replicas = [];
  for (const replica of seeds.keys()) {
    const tensors: Record<string, Float32Array> = {};
    const kept: Record<string, Float32Array> = {};
    for (const { name, shape } of tensorsOf(model)) tensors[name] = await readTensor(gpu, grads(name), shape, replica);
    for (const { name, shape } of buffersOf(model))
      kept[name] = await readTensor(gpu, statistics(name), shape, replica);
    replicas.push({ tensors, kept, losses: rowLosses.slice(replica * ROWS, replica * ROWS + VALID) });
  }
  const { bytes: memory } = bound.memory;
  buffers.destroy();
  const picked = PICKED.subarray(0, VALID);
  const rowsOf = (all: ArrayLike<number>, width: number) =>
    Float64Array.from({ length: VALID * width }, (_, i) => all[picked[Math.floor(i / width)]! * width + (i % width)]!);
  const reference = referenceNetwork(model);
  const kept = reference.buffers();
  const expected = reference.lossAndGradients(
    initialize(model, seeds[0]!),
    rowsOf(raw, input).map((v) => Math.fround(v * scale + shift)),
    classes ? rowsOf(labels, 1) : rowsOf(values, output),
    VALID,
    { seed: seeds[0]!, step: STEP, buffers: kept },
  );
  return { replicas, choice, memory, expected: { ...expected, kept }, labels: passes.map(({ label }) => label) };
}

const MODELS: readonly [string, Model][] = [
  ['an activation after every layer', [linear(9), relu(), linear(6), tanh()]],
  ['two activations in a row', [linear(9), tanh(), gelu(), linear(5), silu(), sigmoid(), linear(3)]],
  ['no activation between layers', [linear(7), linear(5), linear(3)]],
  ['an activation first', [gelu(), linear(6), relu(), linear(4)]],
  ['no biases', [linear(9, { bias: false }), silu(), linear(4, { bias: false })]],
  ['identity, first, between and last', [identity(), linear(5), identity(), identity(), linear(4), identity()]],
  ['one layer', [linear(3)]],
  [
    'activations with options',
    [
      linear(9),
      elu({ alpha: 0.5 }),
      linear(6),
      leakyRelu({ negativeSlope: 0.2 }),
      linear(4),
      geluTanh(),
      linear(5),
      softplus(),
    ],
  ],
  [
    'norms and dropout',
    [batchNorm(), linear(9), batchNorm({ affine: false }), tanh(), dropout({ p: 0.3 }), linear(6), layerNorm()].concat([
      gelu(),
      linear(3),
    ]),
  ],
  [
    'dropout first, layer norm without parameters, batch norm last',
    [dropout({ p: 0.2 }), layerNorm({ affine: false }), linear(7), silu(), layerNorm(), linear(3), batchNorm()],
  ],
].map(([name, layers], i) => [
  name as string,
  sequential({ input: 10, layers: layers as never, init: 'pytorch', ...(i % 2 === 1 && { loss: mse() }) }),
]);

describe.each(MODELS)('%s', (_, model) => {
  const layerOf = (tensor: number) => tensorsOf(model)[tensor]!.layer;

  it('has the gradients of the float64 oracle, fused and alone, to the bit', async () => {
    const { replicas, expected, choice } = await gradients(model);
    const [{ tensors, losses }] = replicas as [(typeof replicas)[number]];
    for (const [row, own] of [...losses].entries()) {
      expect(Math.abs(own - expected.rowLosses[row]!)).toBeLessThanOrEqual(
        LIMIT * Math.max(1, expected.rowLosses[row]!),
      );
    }
    for (const [i, { name, dtype }] of buffersOf(model).entries()) {
      const own = replicas[0]!.kept[name]!;
      const values = dtype === 'u32' ? new Uint32Array(own.buffer) : own;
      for (const [j, value] of [...values].entries())
        expect(Math.abs(value - expected.kept[i]![j]!), `${name}[${j}]`).toBeLessThanOrEqual(LIMIT);
    }
    for (const [i, { name }] of tensorsOf(model).entries()) {
      const wanted = expected.gradients[i]!;
      // Of the layer's: a bias in front of a batch norm has no gradient but the rounding of a sum of the weights' size.
      const largest = Math.max(
        ...expected.gradients.filter((_, k) => layerOf(k) === layerOf(i)).flatMap((each) => [...each].map(Math.abs)),
      );
      for (const [j, own] of [...tensors[name]!].entries()) {
        expect(Math.abs(own - wanted[j]!), `${name}[${j}]`).toBeLessThanOrEqual(LIMIT * largest);
      }
    }
    const alone = await gradients(model, { alone: true });
    expect(alone.replicas).toEqual(replicas);
    expect(Object.values(alone.choice).some((name) => name.includes('+'))).toBe(false);
    expect(alone.labels.length).toBeGreaterThanOrEqual(Object.keys(choice).length);
  });

  it('gives the same bits from bytes or pieces scattered over buffers, and for each of two replicas', async () => {
    const { replicas } = await gradients(model);
    const both = await gradients(model, { seeds: [1, 4] });
    expect(both.replicas[0]).toEqual(replicas[0]);
    expect(both.replicas[1]).toEqual((await gradients(model, { seeds: [4] })).replicas[0]);
    const scattered = await gradients(model, { seeds: [1, 4], scattered: true });
    const first = model.layers.findIndex(({ tensors }) => tensors.length > 0);
    // A sum over two pieces is another order of additions; the other tensors follow from it.
    for (const [i, { tensors, kept }] of scattered.replicas.entries()) {
      for (const [name, own] of Object.entries(kept))
        for (const [j, value] of [...own].entries())
          expect(Math.abs(value - both.replicas[i]!.kept[name]![j]!)).toBeLessThanOrEqual(LIMIT);
      for (const { name, layer } of tensorsOf(model)) {
        const [own, wanted] = [tensors[name]!, both.replicas[i]!.tensors[name]!];
        const near = tensorsOf(model).filter((each) => each.layer === layer);
        const largest = Math.max(...near.flatMap((each) => [...both.replicas[i]!.tensors[each.name]!].map(Math.abs)));
        for (const [j, value] of [...own].entries()) {
          expect(Math.abs(value - wanted[j]!), `${first} ${name}`).toBeLessThanOrEqual(LIMIT * largest);
        }
      }
    }
    const { replicas: decoded, expected } = await gradients(model, { bytes: true });
    for (const [row, own] of [...decoded[0]!.losses].entries()) {
      const wanted = expected.rowLosses[row]!;
      expect(Math.abs(own - wanted)).toBeLessThanOrEqual(4 * LIMIT * Math.max(1, wanted));
    }
  });
});

it('makes no memory for what a fused form leaves out', async () => {
  const layers = [linear(9), relu(), linear(6), gelu(), linear(8)];
  const model = sequential({ input: 10, layers });
  const [fused, alone] = [await gradients(model), await gradients(model, { alone: true })];
  expect(fused.labels).toEqual(
    ['forward-0', 'forward-1', 'forward-2', 'loss', 'weight-gradient-2', 'input-gradient-2', 'weight-gradient-1']
      .concat(['input-gradient-1', 'weight-gradient-0'])
      .map((name) => `test/${name}`),
  );
  // Of five outputs and five gradients: relu's input is left out, and the gradients at the two activations' outputs.
  expect([fused.memory / (ROWS * 4), alone.memory / (ROWS * 4)].map(Math.floor)).toEqual([64, 96]);
});

it('keeps nothing of a step that is left out, and what a micro-step brings', async () => {
  const model = sequential({ input: 10, layers: [linear(9), batchNorm(), linear(3)] });
  const [done, left, waits] = [
    await gradients(model),
    await gradients(model, { fate: 1 }),
    await gradients(model, { fate: 2 }),
  ];
  expect(waits.replicas[0]!.kept).toEqual(done.replicas[0]!.kept);
  expect(left.replicas[0]!.kept).toEqual({
    '1.running_mean': new Float32Array(9),
    '1.running_var': new Float32Array(9).fill(1),
    '1.num_batches_tracked': new Float32Array(1),
  });
  expect(done.replicas[0]!.kept['1.running_mean']).not.toEqual(left.replicas[0]!.kept['1.running_mean']);
});
