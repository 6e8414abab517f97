import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import { add } from '../../src/kernels/add.js';
import { dense, wholePiece } from '../../src/kernels/dense.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { loadForms } from '../../src/kernels/nn-forms.js';
import { productForms } from '../../src/kernels/product-forms.js';
import { initialize } from '../../src/nn/init.js';
import { batchNorm, dropout, layerNorm, linear, tanh } from '../../src/nn/layers.js';
import type { LossFunction } from '../../src/nn/loss.js';
import { mse } from '../../src/nn/losses.js';
import { sequential, tensorsOf } from '../../src/nn/model.js';
import { bindNetwork } from '../../src/nn/network.js';
import { bindProduct, checkProduct, loadProduct, stored } from '../../src/nn/product.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { arenaSpace } from '../../src/space/arena.js';
import { pieces, readTensors, writeTensor } from '../../src/space/vectors.js';
import { buffersFor, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';
import { PRODUCT_CASES, type ProductCase, samplesFor } from '../support/product-cases.js';

/*
 * Products of the Hessian with a vector on the GPU against the float64 oracle, element by element.
 * Tolerance: twice the products of a gradient, one behind another, each good to some units of its own size: 2^-24 · 128 of
 * the network's largest.
 */
const LIMIT = 128 * 2 ** -24;

const [SAMPLES, ROWS, VALID] = [12, 9, 7];
const PICKED = Uint32Array.from({ length: ROWS }, (_, row) => (row * 5 + 2) % SAMPLES);

interface Run {
  readonly seeds?: readonly number[];
  readonly gaussNewton?: boolean;
  /** Of an arena, so that tensors are cut. */
  readonly maxBytes?: number;
}

/** Hv of each replica; the direction's seed is the replica's. */
async function products(each: ProductCase, { seeds = [1], gaussNewton = false, maxBytes = 2 ** 20 }: Run = {}) {
  const { model, kind } = each;
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'product');
  const { x, values, labels } = samplesFor(each, SAMPLES);
  const [replicas, tensors] = [seeds.length, tensorsOf(model)];
  const space = arenaSpace(tensors, { replicas, maxBytes });
  const [params, grads, v, hv, part] = ['params', 'grads', 'v', 'hv', 'part'].map((name) =>
    space.vector(buffers, name),
  );
  for (const [replica, seed] of seeds.entries()) {
    for (const [i, { name, shape }] of tensors.entries()) {
      writeTensor(gpu, space, params!, name, initialize(model, seed)[i]!, replica);
      writeTensor(gpu, space, v!, name, directionOf(shape, seed, i), replica);
    }
  }
  const stream = new Uint32Array((STREAM_BYTES / 4) * replicas);
  for (const i of seeds.keys()) stream[(i * STREAM_BYTES) / 4 + streamWord('valid')] = VALID;
  const batch = range(buffers.upload('batch', Uint32Array.from(seeds.flatMap(() => [...PICKED]))));
  const network = bindNetwork({
    label: 'test',
    model,
    rows: ROWS,
    replicas,
    buffers,
    params: pieces(space, params!),
    grads: pieces(space, grads!),
    statistics: () => [],
    input: {
      x: range(buffers.upload('x', strided(x, model.input, rowStride(model.input), 0))),
      batch: { indices: batch, encoding: 'f32', scale: 1, shift: 0 },
    },
    targets: range(buffers.upload('targets', kind === 'classes' ? labels : values)),
    kind,
    batch,
    stream: range(buffers.upload('stream', stream)),
    result: range(buffers.storage('result', 8 * ROWS * replicas)),
    train: true,
  });
  const ops = bindProduct(network, await loadProduct('test', model), {
    direction: pieces(space, v!),
    product: pieces(space, hv!),
    part: pieces(space, part!),
    gaussNewton,
  });
  const sums = space.spans.map(({ elements }, i) =>
    add({ label: `test/sum-${i}`, source: part!.ranges[i]!, goal: hv!.ranges[i]!, elements, replicas }),
  );
  const pass = [...network.forward, ...network.loss, ...network.backward];
  const forms = [...(await loadForms(gpu)), ...productForms];
  await dispatch(gpu, lower([...stored(pass), ...ops, ...sums], forms, gpu).passes);
  const read = await Promise.all(
    seeds.map(async (_, replica) => [...(await readTensors(gpu, 'test', space, [hv!], replica))[0]!.values()]),
  );
  buffers.destroy();
  return read;
}

const directionOf = (shape: readonly number[], seed: number, i: number) =>
  randomFloats(
    shape.reduce((a, b) => a * b, 1),
    1000 * seed + i,
  );

function expected(each: ProductCase, gaussNewton: boolean, seed = 1) {
  const { model, kind } = each;
  const { x, targets } = samplesFor(each, SAMPLES);
  const picked = PICKED.subarray(0, VALID);
  const rowsOf = (all: ArrayLike<number>) => {
    const width = all.length / SAMPLES;
    return Float64Array.from(
      { length: VALID * width },
      (_, i) => all[picked[Math.floor(i / width)]! * width + (i % width)]!,
    );
  };
  const v = tensorsOf(model).map(({ shape }, i) => directionOf(shape, seed, i));
  const network = referenceNetwork(model, kind);
  return network.hessianProduct(initialize(model, seed), rowsOf(x), rowsOf(targets), VALID, v, { gaussNewton });
}

describe.each(PRODUCT_CASES)('$name', (each) => {
  it.each([false, true])('agrees with float64 (Gauss-Newton: %s)', async (gaussNewton) => {
    const [own] = await products(each, { gaussNewton });
    const wanted = expected(each, gaussNewton);
    const largest = Math.max(...wanted.flatMap((tensor) => [...tensor].map(Math.abs)));
    for (const [i, { name }] of tensorsOf(each.model).entries()) {
      for (const [j, value] of wanted[i]!.entries())
        expect(Math.abs(own![i]![j]! - value), `${name}[${j}]`).toBeLessThanOrEqual(LIMIT * largest);
    }
  });
});

it('gives each of two replicas the bits of a run of its own', async () => {
  const each = PRODUCT_CASES.find(({ name }) => name === 'gelu')!;
  const [first, second] = await products(each, { seeds: [1, 4] });
  expect(first).toEqual((await products(each))[0]);
  expect(second).toEqual((await products(each, { seeds: [4] }))[0]);
});

it('takes tensors that are cut', async () => {
  const wide = sequential({ input: 150, layers: [linear(6), tanh(), linear(3)], init: 'pytorch' });
  const each: ProductCase = { name: 'cut', model: wide, kind: 'classes' };
  // Arenas of 64 rows of the first weights.
  const [own] = await products(each, { maxBytes: 4 * roundUp(64 * 6, 64) });
  const wanted = expected(each, false);
  const largest = Math.max(...wanted.flatMap((tensor) => [...tensor].map(Math.abs)));
  for (const [i, tensor] of wanted.entries()) {
    for (const [j, value] of tensor.entries())
      expect(Math.abs(own![i]![j]! - value), `${i}[${j}]`).toBeLessThanOrEqual(LIMIT * largest);
  }
});

it('every form of a product adds onto what stands there', async () => {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'onto');
  const [rows, inputs, outputs] = [20, 132, 12];
  const [x, w, y0] = [rows * inputs, inputs * outputs, rows * outputs].map((length, i) => randomFloats(length, i));
  const weight = [wholePiece(range(buffers.upload('w', w!)), w!.length)];
  const made = buffers.storage('y', 4 * y0!.length);
  const operands = { rows, inputs, outputs, weight, x: range(buffers.upload('x', x!)), y: range(made) };
  const op = dense({ ...operands, label: 'test/onto', onto: true });
  // Those that adapters take by themselves; a larger tile is one of these with other numbers, and slow to compile.
  const named = /^dense\/(tile|stationary-\d|tile-64x64|tile-64x64-split)$/;
  const forms = (await loadForms(gpu, true)).filter(
    (form) => named.test(form.name) && form.match([op], 0, gpu) > 0 && !form.needs?.([op], 0, gpu),
  );
  expect(forms.length).toBe(4);
  for (const form of forms) {
    await form.load?.([op], gpu);
    gpu.queue.writeBuffer(made, 0, y0!);
    await dispatch(gpu, form.lower([op], gpu));
    const own = await readFloats(gpu, range(made));
    for (const [at, before] of y0!.entries()) {
      const [row, column] = [Math.floor(at / outputs), at % outputs];
      let wanted = before;
      for (let k = 0; k < inputs; k++) wanted += x![row * inputs + k]! * w![k * outputs + column]!;
      // 132 products of numbers up to 1.
      expect(Math.abs(own[at]! - wanted), `${form.name} ${at}`).toBeLessThan(1e-5);
    }
  }
  buffers.destroy();
});

it('refuses layers and losses without products, and says why', () => {
  const net = (layer: unknown, loss: LossFunction = mse()) =>
    sequential({ input: 4, layers: [linear(3), layer, linear(2)] as never, loss });
  const refusal = (model: Parameters<typeof checkProduct>[1]) => {
    try {
      checkProduct('curvature', model);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  expect(refusal(net(batchNorm()))).toContain('layers[1] (batch-norm) has not: its outputs depend on all rows');
  expect(refusal(net(layerNorm()))).toContain('layers[1] (layer-norm) has not');
  expect(refusal(net(dropout()))).toContain('layers[1] (dropout) has not: it draws another mask');
  expect(
    refusal(net(tanh(), { row: { ...mse.row, name: 'own', curvature: undefined } as never, settings: {} })),
  ).toContain('which the loss own has not');
});
