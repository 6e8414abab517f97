import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import { batchNorm, batchNormGradient, momentsBytes } from '../../src/kernels/batch-norm.js';
import { wholePiece } from '../../src/kernels/dense.js';
import { dropout } from '../../src/kernels/dropout.js';
import {
  layerNorm,
  layerNormGradient,
  layerNormWeightGradient,
  rowMomentsBytes,
} from '../../src/kernels/layer-norm.js';
import { lower } from '../../src/kernels/lower.js';
import { matrixBytes, rowStride } from '../../src/kernels/matrix.js';
import { nnForms } from '../../src/kernels/nn-forms.js';
import type { Op } from '../../src/kernels/op.js';
import { type ReferencePass, ROUNDING, referenceLayers, worst } from '../../src/reference/index.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';

/*
 * Norms by themselves, element by element against float64, at odd sizes, with both ways to share out rows, with rows that are
 * not valid, and with columns whose mean is large beside their deviation.
 */

const SIZES: readonly [rows: number, valid: number, width: number][] = [
  [7, 7, 5],
  [33, 30, 130],
  [2, 2, 1],
  [200, 200, 3],
];
const EPS = 1e-5;

/** What both norms are tested on. */
async function problem(rows: number, valid: number, width: number, offset: number) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'norm');
  const stride = rowStride(width);
  const stream = new Uint32Array(STREAM_BYTES / 4);
  stream[streamWord('valid')] = valid;
  const x = randomFloats(rows * width, 1).map((v, i) => v + offset * (1 + (i % width)));
  const dy = randomFloats(rows * width, 2).map((v, i) => (i < valid * width ? v : 0));
  const weight = randomFloats(width, 3);
  const bias = randomFloats(width, 4);
  const bytes = matrixBytes(rows, width);
  const made = {
    x: range(buffers.upload('x', strided(x, width, stride))),
    dy: range(buffers.upload('dy', strided(dy, width, stride))),
    weight: wholePiece(range(buffers.upload('weight', weight)), width),
    bias: wholePiece(range(buffers.upload('bias', bias)), width),
    y: range(buffers.storage('y', bytes), 0, bytes),
    dx: range(buffers.storage('dx', bytes), 0, bytes),
    dWeight: wholePiece(range(buffers.storage('weight-gradient', 4 * width), 0, 4 * width), width),
    dBias: wholePiece(range(buffers.storage('bias-gradient', 4 * width), 0, 4 * width), width),
    stream: range(buffers.upload('stream', stream)),
    scratch: (size: number) => range(buffers.storage('moments', size)),
  };
  const run = async (ops: readonly Op[], lanes: 1 | 8) => {
    const forms = nnForms.filter(({ name }) => !name.includes('/lanes-') || name.endsWith(`/lanes-${lanes}`));
    await dispatch(gpu, lower(ops, forms, gpu).passes);
    const matrix = async (at: typeof made.y) => dense(await readFloats(gpu, at), width, stride);
    const found = {
      y: await matrix(made.y),
      dx: await matrix(made.dx),
      weight: await readFloats(gpu, made.dWeight.range),
      bias: await readFloats(gpu, made.dBias.range),
    };
    buffers.destroy();
    return found;
  };
  return { x, dy, weight, bias, made, run };
}

/** The same in float64, of the valid rows. */
function expected(
  name: string,
  valid: number,
  width: number,
  given: Pick<Awaited<ReturnType<typeof problem>>, 'x' | 'dy' | 'weight' | 'bias'>,
) {
  const layer = referenceLayers[name]!(width, width, { eps: EPS, momentum: 0.1 });
  const pass: ReferencePass = { rows: valid, mode: 'train', seed: 0, step: 0, place: 0, buffers: [] };
  const [x, dy] = [given.x, given.dy].map((all) => Float64Array.from(all.subarray(0, valid * width)));
  const tensors = [Float64Array.from(given.weight), Float64Array.from(given.bias)];
  const y = layer.forward(x!, tensors, pass);
  const { gradients, dx } = layer.backward(dy!, { ...pass, x: x!, y }, tensors, true);
  return { y, dx: dx!, weight: gradients[0]!, bias: gradients[1]! };
}

/**
 * 2^-24 · 32 of the largest element: mean, variance, root and a few products, each good to some units of its size. For dx that
 * of weight/deviation, since its terms cancel.
 */
function check(
  found: Record<'y' | 'dx' | 'weight' | 'bias', Float32Array>,
  wanted: ReturnType<typeof expected>,
  size: number,
) {
  for (const key of ['y', 'dx', 'weight', 'bias'] as const) {
    const largest = Math.max(size, ...wanted[key].map(Math.abs));
    const own = found[key].subarray(0, wanted[key].length);
    const { ratio, index, actual, expected: right } = worst(own, wanted[key], () => 32 * ROUNDING * largest);
    expect(ratio, `${key}[${index}] is ${actual}, not ${right}`).toBeLessThanOrEqual(1);
    expect(found[key].subarray(wanted[key].length).every((value) => key !== 'dx' || value === 0)).toBe(true);
  }
}

describe.each([1, 8] as const)('with %i lanes', (lanes) => {
  it.each(SIZES)('batch norm of %i rows, %i of them valid, %i wide', async (rows, valid, width) => {
    for (const offset of [0, 1000]) {
      const { made, run, ...given } = await problem(rows, valid, width, offset);
      const shared = { rows, width, affine: { weight: made.weight, bias: made.bias }, x: made.x, stream: made.stream };
      const moments = made.scratch(momentsBytes(width));
      const found = await run(
        [
          batchNorm({ ...shared, label: 'test/norm', eps: EPS, y: made.y, moments }),
          batchNormGradient({
            ...shared,
            label: 'test/gradient',
            gradient: { weight: made.dWeight, bias: made.dBias },
            dy: made.dy,
            moments,
            dx: made.dx,
          }),
        ],
        lanes,
      );
      check(found, expected('batch-norm', valid, width, given), Math.sqrt(rows));
    }
  });

  it.each(SIZES)('layer norm of %i rows, %i of them valid, %i wide', async (rows, valid, width) => {
    for (const offset of [0, 1000]) {
      // Over features with one large mean each, not one for all of them: the deviation is as large.
      const { made, run, ...given } = await problem(rows, valid, width, offset);
      const affine = { weight: made.weight, bias: made.bias };
      const shared = { rows, width, x: made.x, moments: made.scratch(rowMomentsBytes(rows)), dy: made.dy };
      const found = await run(
        [
          layerNorm({ ...shared, affine, label: 'test/norm', eps: EPS, y: made.y }),
          layerNormGradient({ ...shared, affine, label: 'test/gradient', dx: made.dx }),
          layerNormWeightGradient({
            ...shared,
            label: 'test/weight-gradient',
            affine: { weight: made.dWeight, bias: made.dBias },
          }),
        ],
        lanes,
      );
      check(found, expected('layer-norm', valid, width, given), Math.sqrt(rows));
    }
  });
});

it('batch norm keeps a deviation of 1e-3 beside a mean of 1e4, and a constant column', async () => {
  const [rows, width] = [64, 4];
  const { made, run, ...given } = await problem(rows, rows, width, 0);
  // 1e4 has units of 1e-3: columns of one, two or three values near it, and one of 7.
  const x = given.x.map((v, i) => (i % width === 3 ? 7 : 1e4 + Math.round(v) * 2 ** -10));
  const gpu = await testDevice();
  gpu.queue.writeBuffer(made.x.buffer, 0, x);
  const found = await run(
    [
      batchNorm({
        label: 'test/norm',
        rows,
        width,
        eps: 1e-12,
        x: made.x,
        y: made.y,
        moments: made.scratch(momentsBytes(width)),
        stream: made.stream,
      }),
    ],
    1,
  );
  const layer = referenceLayers['batch-norm']!(width, width, { eps: 1e-12, momentum: 0.1 });
  const wanted = layer.forward(Float64Array.from(x), [], {
    rows,
    mode: 'train',
    seed: 0,
    step: 0,
    place: 0,
    buffers: [],
  });
  expect(worst(found.y, wanted, () => 8 * ROUNDING * Math.max(...wanted)).ratio).toBeLessThanOrEqual(1);
  expect(found.y.filter((_, i) => i % width === 3)).toEqual(new Float32Array(rows));
});

describe('dropout', () => {
  const [rows, width] = [40, 131];
  async function masked(p: number, step: number, layer: number, seeds: readonly number[] = [7]) {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'dropout');
    const words = STREAM_BYTES / 4;
    const stream = new Uint32Array(words * seeds.length);
    for (const [i, seed] of seeds.entries()) {
      stream[i * words + streamWord('seed')] = seed;
      stream[i * words + streamWord('step')] = step;
    }
    const x = new Float32Array(seeds.length * rows * width).map((_, i) => 1 + (i % (rows * width)));
    const bytes = matrixBytes(rows, width, seeds.length);
    const y = range(buffers.storage('y', bytes), 0, bytes);
    const op = dropout({
      label: 'test/dropout',
      rows,
      width,
      replicas: seeds.length,
      p,
      layer,
      x: range(buffers.upload('x', strided(x, width, rowStride(width)))),
      y,
      stream: range(buffers.upload('stream', stream)),
    });
    await dispatch(gpu, lower([op], nnForms, gpu).passes);
    const found = dense(await readFloats(gpu, y), width, rowStride(width));
    buffers.destroy();
    const reference = referenceLayers.dropout!(width, width, { p });
    const pass = { rows, mode: 'train', seed: seeds[0]!, step, place: layer, buffers: [] } as const;
    return { found, wanted: reference.forward(Float64Array.from(x.subarray(0, rows * width)), [], pass) };
  }

  it('draws the mask of the reference, keeps 1 - p of the elements, and their mean', async () => {
    for (const p of [0, 0.2, 0.5, 0.99]) {
      const { found, wanted } = await masked(p, 3, 2);
      expect(worst(found, wanted, (i) => ROUNDING * 2 * wanted[i]!).ratio).toBeLessThanOrEqual(1);
      const kept = found.filter((value) => value !== 0).length / found.length;
      // Five standard deviations of a share of 5,240 draws.
      expect(Math.abs(kept - (1 - p))).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / found.length));
    }
  });

  it('draws another for another step, layer or seed, and for a replica that of its seed alone', async () => {
    const masks = [
      await masked(0.5, 3, 2),
      await masked(0.5, 4, 2),
      await masked(0.5, 3, 3),
      await masked(0.5, 3, 2, [8]),
    ];
    const zeros = masks.map(({ found }) => [...found].map((value) => value === 0));
    for (const [i, mask] of zeros.slice(1).entries()) {
      // Two independent masks agree in half of the elements.
      const alike = mask.filter((dropped, j) => dropped === zeros[0]![j]).length / mask.length;
      expect(Math.abs(alike - 0.5), `${i}`).toBeLessThan(5 * Math.sqrt(0.25 / mask.length));
    }
    const { found } = await masked(0.5, 3, 2, [7, 8]);
    expect(found.subarray(0, rows * width)).toEqual(masks[0]!.found);
    expect(found.subarray(rows * width)).toEqual(masks[3]!.found);
  });
});
