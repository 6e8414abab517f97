import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { nnForms } from '../../src/kernels/nn-forms.js';
import { losses } from '../../src/nn/losses.js';
import { referenceLosses, worst } from '../../src/reference/index.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';

/*
 * Losses against float64. exp is good to 3 + 2|x| units in the last place in WGSL, x being at most a few tens where the
 * result matters; a sum over N classes adds log2 N. Limits below: 64 units of the loss's own size.
 */
const LIMIT = 64 * 2 ** -24;

interface LossCase {
  readonly loss: 'softmax-cross-entropy' | 'mse';
  readonly rows: number;
  readonly outputs: number;
  readonly valid?: number;
  readonly z?: Float32Array<ArrayBuffer>;
  readonly labels?: Uint32Array<ArrayBuffer>;
}

async function runLoss({ loss, rows, outputs, valid = rows, ...given }: LossCase) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'loss');
  const z = given.z ?? randomFloats(rows * outputs, 21).map((v) => 5 * v);
  const stride = rowStride(outputs);
  const classes = loss === 'softmax-cross-entropy';
  // Samples are looked up through the batch: row r is sample rows - 1 - r.
  const labels = given.labels ?? Uint32Array.from({ length: rows }, (_, i) => (i * 7) % outputs);
  const values = randomFloats(rows * outputs, 22);
  const stream = new Uint32Array(STREAM_BYTES / 4);
  stream[streamWord('valid')] = valid;
  const dz = buffers.upload('dz', new Float32Array(rows * stride).fill(99));
  const result = buffers.upload('result', new Float32Array(rows * 2).fill(99));
  const operands = {
    label: 'test/loss',
    rows,
    outputs,
    z: range(buffers.upload('z', strided(z, outputs, stride))),
    targets: range(buffers.upload('targets', classes ? labels : values)),
    batch: range(
      buffers.upload(
        'batch',
        Uint32Array.from({ length: rows }, (_, row) => rows - 1 - row),
      ),
    ),
    stream: range(buffers.upload('stream', stream)),
    dz: range(dz),
    result: range(result),
  };
  const op = losses[loss]().row.op(operands, {});
  await dispatch(gpu, lower([op], nnForms, gpu).passes);
  const actual = {
    gradient: dense((await readFloats(gpu, range(dz))).subarray(0, rows * stride), outputs, stride),
    result: (await readFloats(gpu, range(result))).subarray(0, rows * 2),
  };
  buffers.destroy();

  const targets = classes
    ? Float64Array.from({ length: valid }, (_, row) => labels[rows - 1 - row]!)
    : Float64Array.from(
        { length: valid * outputs },
        (_, i) => values[(rows - 1 - Math.floor(i / outputs)) * outputs + (i % outputs)]!,
      );
  const rowLosses = new Float64Array(valid);
  const gradient = new Float64Array(valid * outputs);
  referenceLosses[loss].rows(Float64Array.from(z.subarray(0, valid * outputs)), targets, outputs, rowLosses, gradient);
  return { actual, losses: rowLosses, gradient, labels, z };
}

const SHAPES: readonly [number, number][] = [
  [1, 2],
  [64, 10],
  [33, 1000],
  [130, 3],
];

describe.each(['softmax-cross-entropy', 'mse'] as const)('%s', (loss) => {
  it.each(SHAPES)('%i rows of %i agree with float64', async (rows, outputs) => {
    const { actual, losses, gradient } = await runLoss({ loss, rows, outputs });
    const rowLosses = Float32Array.from({ length: rows }, (_, row) => actual.result[2 * row]!);
    expect(worst(rowLosses, losses, (i) => LIMIT * Math.max(1, losses[i]!)).ratio).toBeLessThanOrEqual(1);
    expect(
      worst(actual.gradient, gradient, (i) => LIMIT * (Math.abs(gradient[i]!) + 1 / (outputs * rows))).ratio,
    ).toBeLessThanOrEqual(1);
  });

  it('gives rows past the valid ones loss 0 and gradient 0, and divides by the valid ones', async () => {
    const { actual, losses, gradient } = await runLoss({ loss, rows: 40, outputs: 7, valid: 13 });
    const rowLosses = Float32Array.from({ length: 13 }, (_, row) => actual.result[2 * row]!);
    expect(worst(rowLosses, losses, (i) => LIMIT * Math.max(1, losses[i]!)).ratio).toBeLessThanOrEqual(1);
    expect(worst(actual.gradient.subarray(0, 13 * 7), gradient, () => LIMIT / 13).ratio).toBeLessThanOrEqual(1);
    expect(actual.gradient.subarray(13 * 7).every((value) => Object.is(value, 0))).toBe(true);
    expect(actual.result.subarray(26).every((value) => Object.is(value, 0))).toBe(true);
  });
});

describe('softmax cross-entropy', () => {
  it('stays finite and exact at extreme logits', async () => {
    const z = Float32Array.from([1e4, -1e4, 0, -1.5e38, 1.5e38, 0, 88, 89, 90, -500, -500, -500]);
    // Row r takes sample 3 - r: the labels are 1, 0, 2, 0 row by row.
    const labels = Uint32Array.from([0, 2, 0, 1]);
    const { actual, losses } = await runLoss({ loss: 'softmax-cross-entropy', rows: 4, outputs: 3, z, labels });
    expect(losses[0]).toBe(2e4);
    expect(losses[1]).toBeGreaterThan(2.9e38);
    const rowLosses = Float32Array.from({ length: 4 }, (_, row) => actual.result[2 * row]!);
    expect(worst(rowLosses, losses, (i) => LIMIT * Math.max(1, losses[i]!)).ratio).toBeLessThanOrEqual(1);
    expect(actual.gradient.every(Number.isFinite)).toBe(true);
  });

  it('marks the rows whose largest logit is the label', async () => {
    const { actual, labels, z } = await runLoss({ loss: 'softmax-cross-entropy', rows: 64, outputs: 10 });
    for (let row = 0; row < 64; row++) {
      const own = [...z.subarray(row * 10, (row + 1) * 10)];
      expect(actual.result[2 * row + 1]).toBe(own.indexOf(Math.max(...own)) === labels[63 - row] ? 1 : 0);
    }
  });
});
