import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import type { Piece } from '../../src/kernels/dense.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { nnForms } from '../../src/kernels/nn-forms.js';
import { initialize } from '../../src/nn/init.js';
import { gelu, identity, linear, relu, sigmoid, silu, tanh } from '../../src/nn/layers.js';
import { mse } from '../../src/nn/losses.js';
import { type Model, sequential, tensorsOf } from '../../src/nn/model.js';
import { bindNetwork } from '../../src/nn/network.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';

/*
 * Whole models, layer rows and their ops bound together, against the float64 oracle: gradients of parameters and the loss.
 * Tolerance: a few products of f32 one after another, each good to some units of its own size: 2^-24 · 64 of the largest.
 */
const LIMIT = 64 * 2 ** -24;

const SAMPLES = 12;
const ROWS = 9;
const VALID = 7;
const PICKED = Uint32Array.from({ length: ROWS }, (_, row) => (row * 5 + 2) % SAMPLES);
const length = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

interface Run {
  readonly seeds?: readonly number[];
  readonly alone?: boolean;
  /** Weights in buffers of their own, the first in two pieces. */
  readonly scattered?: boolean;
  readonly bytes?: boolean;
}

/** Where tensors lie: in one arena, every replica's after another's, or each in a buffer of its own. */
function placer(buffers: ReturnType<typeof buffersFor>, name: string, model: Model, { seeds = [1], scattered }: Run) {
  const pieces = new Map<string, Piece[]>();
  const stride = tensorsOf(model).reduce((sum, { shape }) => sum + roundUp(length(shape), 64), 0);
  const arena = buffers.storage(name, 4 * stride * seeds.length);
  let at = 0;
  for (const { name: tensor, shape } of tensorsOf(model)) {
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

async function gradients(model: Model, run: Run = {}) {
  const { seeds = [1], alone = false, bytes = false } = run;
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
  for (const i of seeds.keys()) stream[i * (STREAM_BYTES / 4) + streamWord('valid')] = VALID;
  const batch = range(buffers.upload('batch', Uint32Array.from(seeds.flatMap(() => [...PICKED]))));
  const [params, grads] = [placer(buffers, 'params', model, run), placer(buffers, 'grads', model, run)];
  for (const [replica, seed] of seeds.entries()) {
    for (const [i, { name }] of tensorsOf(model).entries()) {
      const tensor = initialize(model, seed)[i]!;
      for (const { range: at, stride, start, elements } of params(name)) {
        gpu.queue.writeBuffer(at.buffer, at.offset + 4 * replica * stride, tensor, start, elements);
      }
    }
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
    input: { x: range(x), batch: { indices: batch, encoding: bytes ? 'bytes' : 'f32', scale, shift } },
    targets: range(buffers.upload('targets', classes ? labels : values)),
    batch,
    stream: range(buffers.upload('stream', stream)),
    result: range(result),
    train: true,
  });
  const forms = alone ? nnForms.filter(({ name }) => !name.includes('+')) : nnForms;
  const { passes, choice } = lower([...bound.forward, ...bound.loss, ...bound.backward], forms, gpu);
  await dispatch(gpu, passes);
  const rowLosses = dense(await readFloats(gpu, range(result)), 1, 2);
  const replicas = [];
  for (const replica of seeds.keys()) {
    const tensors: Record<string, Float32Array> = {};
    for (const { name, shape } of tensorsOf(model)) {
      const whole = new Float32Array(length(shape));
      for (const { range: at, stride, start, elements } of grads(name)) {
        const own = await readFloats(gpu, range(at.buffer, at.offset + 4 * replica * stride, 4 * elements));
        whole.set(own, start);
      }
      tensors[name] = whole;
    }
    replicas.push({ tensors, losses: rowLosses.slice(replica * ROWS, replica * ROWS + VALID) });
  }
  const { bytes: memory } = bound.memory;
  buffers.destroy();
  const picked = PICKED.subarray(0, VALID);
  const rowsOf = (all: ArrayLike<number>, width: number) =>
    Float64Array.from({ length: VALID * width }, (_, i) => all[picked[Math.floor(i / width)]! * width + (i % width)]!);
  const expected = referenceNetwork(model).lossAndGradients(
    initialize(model, seeds[0]!),
    rowsOf(raw, input).map((v) => Math.fround(v * scale + shift)),
    classes ? rowsOf(labels, 1) : rowsOf(values, output),
    VALID,
  );
  return { replicas, choice, memory, expected, labels: passes.map(({ label }) => label) };
}

const MODELS: readonly [string, Model][] = [
  ['an activation after every layer', [linear(9), relu(), linear(6), tanh()]],
  ['two activations in a row', [linear(9), tanh(), gelu(), linear(5), silu(), sigmoid(), linear(3)]],
  ['no activation between layers', [linear(7), linear(5), linear(3)]],
  ['an activation first', [gelu(), linear(6), relu(), linear(4)]],
  ['no biases', [linear(9, { bias: false }), silu(), linear(4, { bias: false })]],
  ['identity, first, between and last', [identity(), linear(5), identity(), identity(), linear(4), identity()]],
  ['one layer', [linear(3)]],
].map(([name, layers], i) => [
  name as string,
  sequential({ input: 10, layers: layers as never, init: 'pytorch', ...(i % 2 === 1 && { loss: mse() }) }),
]);

describe.each(MODELS)('%s', (_, model) => {
  it('has the gradients of the float64 oracle, fused and alone, to the bit', async () => {
    const { replicas, expected, choice } = await gradients(model);
    const [{ tensors, losses }] = replicas as [(typeof replicas)[number]];
    for (const [row, own] of [...losses].entries()) {
      expect(Math.abs(own - expected.rowLosses[row]!)).toBeLessThanOrEqual(
        LIMIT * Math.max(1, expected.rowLosses[row]!),
      );
    }
    for (const [i, { name }] of tensorsOf(model).entries()) {
      const wanted = expected.gradients[i]!;
      const largest = Math.max(...wanted.map(Math.abs));
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
    for (const [i, { tensors }] of scattered.replicas.entries()) {
      for (const [name, own] of Object.entries(tensors)) {
        const wanted = both.replicas[i]!.tensors[name]!;
        const largest = Math.max(...wanted.map(Math.abs));
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
