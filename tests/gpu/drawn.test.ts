import { afterEach, describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { lossForms } from '../../src/kernels/loss.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import type { LossFunction, TargetKind } from '../../src/nn/loss.js';
import { binaryCrossEntropy, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { referenceLosses, worst } from '../../src/reference/index.js';
import { drawnNumbers } from '../../src/reference/loss.js';
import { buffersFor, dense, dispatch, readFloats, testDevice } from '../support/gpu.js';

/* Targets drawn from the model: gradients against float64, and whether they are distributed as they should be. */

const N = 5;
/** About 0.03, 0.08, 0.2, 0.12, 0.57 of a softmax. */
const LOGITS = [-1.5, -0.5, 0.4, -0.1, 1.45];
const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});

interface Batch {
  readonly rows: number;
  readonly valid?: number;
  readonly step?: number;
  readonly seed?: number;
  /** Of a row. Default `LOGITS` for all. */
  readonly logits?: (row: number, j: number) => number;
  readonly targets: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  readonly kind: TargetKind;
}

/** The gradients [rows, N] and results [rows, 2] of one dispatch for two replicas, of which the second has the next seed. */
async function draw(loss: LossFunction, batch: Batch) {
  const { rows, valid = rows, step = 0, seed = 7, logits = (_, j) => LOGITS[j]!, targets, kind } = batch;
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'drawn');
  close.push(buffers);
  const [replicas, stride] = [2, rowStride(N)];
  const padded = Float32Array.from({ length: replicas * rows * stride }, (_, i) =>
    i % stride < N ? logits(Math.floor(i / stride) % rows, i % stride) : 0,
  );
  const streams = [seed, seed + 1].flatMap((each) => [step, valid, 0, each]);
  const upload = (name: string, data: ArrayBufferView<ArrayBuffer>) => range(buffers.upload(name, data));
  const batchOf = Uint32Array.from({ length: replicas * rows }, (_, i) => i % rows);
  const operands = {
    ...{ label: 'test/loss', rows, outputs: N, replicas, kind, settings: loss.settings },
    ...{ z: upload('z', padded), targets: upload('targets', targets), batch: upload('batch', batchOf) },
    stream: upload('stream', Uint32Array.from(streams)),
    dz: range(buffers.storage('dz', padded.byteLength)),
    result: range(buffers.storage('result', 8 * rows * replicas)),
    constant: (name: string, values: readonly number[]) => upload(name, Float32Array.from(values)),
    scratch: (name: string, bytes: number) => range(buffers.storage(name, bytes)),
  };
  const kernel = await loss.row.drawn!();
  const ops = loss.row
    .ops(operands)
    .map((op) => (op.kind === 'loss' ? { ...op, shape: { ...(op.shape as object), shader: kernel } } : op));
  await dispatch(gpu, lower(ops, lossForms, gpu).passes);
  const [dz, result] = await Promise.all([readFloats(gpu, operands.dz), readFloats(gpu, operands.result)]);
  return [0, 1].map((replica) => ({
    dz: dense(dz.subarray(replica * rows * stride, (replica + 1) * rows * stride), N, stride),
    result: result.subarray(2 * replica * rows, 2 * (replica + 1) * rows),
  }));
}

const classes = (rows: number) => Uint32Array.from({ length: rows }, (_, i) => (3 * i + 1) % N);
const shares = (rows: number) => Float32Array.from({ length: rows * N }, (_, i) => ((i * 7) % 4) / 6);
const values = (rows: number) => Float32Array.from({ length: rows * N }, (_, i) => ((i * 5) % 9) / 8);
const WEIGHTS = [0.5, 4, 2, 1, 0.25];

const CASES: readonly [string, LossFunction, TargetKind, (rows: number) => Batch['targets']][] = [
  ['softmax cross-entropy', softmaxCrossEntropy(), 'classes', classes],
  [
    'softmax cross-entropy with class weights and smoothing',
    softmaxCrossEntropy({ classWeights: WEIGHTS, labelSmoothing: 0.1 }),
    'classes',
    classes,
  ],
  [
    'softmax cross-entropy of probabilities with class weights',
    softmaxCrossEntropy({ classWeights: WEIGHTS }),
    'probabilities',
    shares,
  ],
  ['binary cross-entropy', binaryCrossEntropy(), 'values', values],
  ['binary cross-entropy with weights', binaryCrossEntropy({ posWeight: WEIGHTS }), 'values', values],
  ['mean squared error', mse(), 'values', values],
];

const referenceOf = ({ row, settings }: LossFunction, kind: TargetKind) =>
  referenceLosses[row.name as keyof typeof referenceLosses](settings, kind);

describe.each(CASES)('%s', (_, loss, kind, targetsOf) => {
  it('draws and weighs as float64, for every row that is valid', async () => {
    const [rows, valid, step, seed] = [150, 141, 12, 7];
    const logits = (row: number, j: number) => Math.fround(Math.sin(row * 3 + j * 1.7) * (row % 7));
    const targets = targetsOf(rows);
    const seen = await draw(loss, { rows, valid, step, seed, logits, targets, kind });
    const outputs = Float64Array.from({ length: valid * N }, (_, i) => logits(Math.floor(i / N), i % N));
    const own = Float64Array.from(targets.subarray(0, (targets.length / rows) * valid));
    for (const [replica, { dz }] of seen.entries()) {
      const expected = new Float64Array(rows * N);
      const part = expected.subarray(0, valid * N);
      referenceOf(loss, kind).drawn!(outputs, own, N, part, drawnNumbers(seed + replica, step), rows);
      // As the losses' own gradients: a few roundings of numbers up to the largest.
      const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      const found = worst(dz, expected, () => 4e-6 * largest);
      expect(found.ratio, JSON.stringify({ replica, ...found })).toBeLessThanOrEqual(1);
    }
    expect(seen[0]!.dz).not.toEqual(seen[1]!.dz);
  });

  it('has gradients whose mean is 0 and whose products are the Hessian at the outputs', async () => {
    const rows = 4096;
    // Every row the same, so that their mean is one expectation.
    const targets = targetsOf(1);
    const many = Array.from({ length: rows }, () => [...targets]).flat();
    const same = targets instanceof Float32Array ? Float32Array.from(many) : Uint32Array.from(many);
    const [{ dz }] = (await draw(loss, { rows, targets: same, kind, step: 3 })) as [{ dz: Float32Array }, unknown];
    const own = Float64Array.from(targets);
    const slopes = (z: readonly number[]) => {
      const gradient = new Float64Array(N);
      referenceOf(loss, kind).rows(Float64Array.from(z), own, N, new Float64Array(1), gradient);
      return gradient;
    };
    for (let j = 0; j < N; j++) {
      const by = 1e-5;
      const at = (d: number) => slopes(LOGITS.map((z, k) => z + (k === j ? d : 0)));
      const [above, below] = [at(by), at(-by)];
      let mean = 0;
      for (let row = 0; row < rows; row++) mean += dz[row * N + j]!;
      const own2 = (above[j]! - below[j]!) / (2 * by);
      // Five standard deviations.
      expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(own2 / rows));
      for (let k = 0; k < N; k++) {
        let [sum, squares] = [0, 0];
        for (let row = 0; row < rows; row++) {
          const product = rows * rows * dz[row * N + j]! * dz[row * N + k]!;
          sum += product;
          squares += product * product;
        }
        const average = sum / rows;
        const deviation = Math.sqrt(Math.max(squares / rows - average * average, 0) / rows);
        expect(Math.abs(average - (above[k]! - below[k]!) / (2 * by)), `${j} ${k}`).toBeLessThan(5 * deviation + 1e-4);
      }
    }
  });
});

describe('labels', () => {
  const rows = 8192;
  const labelsOf = (result: Float32Array) => Array.from({ length: rows }, (_, row) => result[2 * row]!);

  it('come as often as softmax says, in every step, seed and class', async () => {
    const powers = LOGITS.map(Math.exp);
    const total = powers.reduce((a, b) => a + b);
    let all = 0;
    const drawn: number[][] = [];
    for (const step of [0, 1, 1000]) {
      for (const { result } of await draw(softmaxCrossEntropy(), {
        rows,
        step,
        targets: classes(rows),
        kind: 'classes',
      })) {
        const counts = new Array(N).fill(0);
        const labels = labelsOf(result);
        for (const label of labels) counts[label]++;
        const chi = counts.reduce((sum, count, j) => {
          const expected = (rows * powers[j]!) / total;
          return sum + (count - expected) ** 2 / expected;
        }, 0);
        // 4 degrees of freedom: one in a thousand is above 18.5.
        expect(chi, `step ${step}: ${counts}`).toBeLessThan(18.5);
        all += chi;
        drawn.push(labels);
      }
    }
    // Six times 4 degrees: one in a thousand is above 51.2, and one below 8.1: neither too unlike nor too alike.
    expect(all).toBeLessThan(51.2);
    expect(all).toBeGreaterThan(8.1);
    // Seeds and steps have nothing to do with one another: two draws agree as often as chance has it.
    const agree = powers.reduce((sum, power) => sum + (power / total) ** 2, 0);
    for (const [i, one] of drawn.entries()) {
      for (const other of drawn.slice(i + 1)) {
        const share = one.filter((label, row) => label === other[row]).length / rows;
        expect(Math.abs(share - agree)).toBeLessThan(5 * Math.sqrt((agree * (1 - agree)) / rows));
      }
    }
  });

  it('are the only ones there are, whatever the logits', async () => {
    // One class alone is left; infinite logits of others; all alike.
    const rowsOf = [
      [0, 200, 0, 0, 0],
      [Number.NEGATIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
      [-3e38, -3e38, -3e38, -3e38, 3e38],
    ];
    const logits = (row: number, j: number) => rowsOf[row % 3]![j]!;
    const batch = { rows, logits, targets: classes(rows), kind: 'classes' } as const;
    const [{ result, dz }] = (await draw(softmaxCrossEntropy(), batch)) as [
      { result: Float32Array; dz: Float32Array },
      unknown,
    ];
    expect(labelsOf(result).every((label, row) => label === [1, 1, 4][row % 3])).toBe(true);
    expect(dz.every((each) => Math.abs(each) < 1e-30)).toBe(true);
  });
});
