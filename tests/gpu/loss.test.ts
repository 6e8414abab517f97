import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { nnForms } from '../../src/kernels/nn-forms.js';
import type { LossFunction, TargetKind } from '../../src/nn/loss.js';
import { binaryCrossEntropy, huber, l1, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { type ReferenceLossOf, referenceLosses, worst } from '../../src/reference/index.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';

/*
 * Losses against float64. exp is good to 3 + 2|x| units in the last place in WGSL, x being at most a few tens where the
 * result matters; a sum over N classes adds log2 N. Limits below: 64 units of the loss's own size.
 */
const LIMIT = 64 * 2 ** -24;

interface LossCase {
  readonly loss: LossFunction;
  readonly kind?: TargetKind;
  readonly rows: number;
  readonly outputs: number;
  /** Valid rows of each replica. */
  readonly valid?: readonly number[];
  /** Of all replicas. */
  readonly z?: Float32Array<ArrayBuffer>;
  readonly targets?: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  readonly meanWeight?: number;
}

/** Targets of one kind for so many samples. */
function targetsOf(kind: TargetKind, samples: number, outputs: number, within?: readonly [number, number]) {
  if (kind === 'classes') return Uint32Array.from({ length: samples }, (_, i) => (i * 7) % outputs);
  const values = randomFloats(samples * outputs, 22);
  if (within) return values.map((v) => (v < -0.5 ? within[0] : v > 0.5 ? within[1] : v + 0.5));
  if (kind === 'values') return values;
  // Rows that sum to 1 in f32 to within a few units; every third class has none.
  for (let at = 0; at < values.length; at += outputs) {
    const row = values.subarray(at, at + outputs).map((v, j) => (j % 3 === 2 ? 0 : v + 1.01));
    const sum = row.reduce((a, b) => a + b);
    values.set(
      row.map((v) => v / sum),
      at,
    );
  }
  return values;
}

/** Runs a loss, and gives what it wrote per replica beside what float64 says. Row r of every replica is sample rows - 1 - r. */
async function runLoss({ loss, rows, outputs, valid = [rows], meanWeight, ...given }: LossCase) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'loss');
  const { row, settings } = loss;
  const kind = given.kind ?? row.targets;
  const replicas = valid.length;
  const z = given.z ?? randomFloats(replicas * rows * outputs, 21).map((v) => 5 * v);
  const stride = rowStride(outputs);
  const targets = given.targets ?? targetsOf(kind, rows, outputs, row.within);
  const stream = new Uint32Array((STREAM_BYTES / 4) * replicas);
  for (const [i, each] of valid.entries()) stream[(i * STREAM_BYTES) / 4 + streamWord('valid')] = each;
  const dz = range(buffers.upload('dz', new Float32Array(replicas * rows * stride).fill(99)));
  const result = range(buffers.upload('result', new Float32Array(replicas * rows * 2).fill(99)));
  const order = Uint32Array.from({ length: replicas * rows }, (_, i) => rows - 1 - (i % rows));
  const ops = row.ops({
    label: 'test/loss',
    rows,
    outputs,
    replicas,
    settings,
    kind,
    meanWeight,
    z: range(buffers.upload('z', strided(z, outputs, stride))),
    targets: range(buffers.upload('targets', targets)),
    batch: range(buffers.upload('batch', order)),
    stream: range(buffers.upload('stream', stream)),
    dz,
    result,
    constant: (name, values) => range(buffers.upload(name, Float32Array.from(values))),
    scratch: (name, bytes) => range(buffers.storage(name, bytes)),
  });
  await dispatch(gpu, lower(ops, nnForms, gpu).passes);
  const gradients = dense((await readFloats(gpu, dz)).subarray(0, replicas * rows * stride), outputs, stride);
  const results = (await readFloats(gpu, result)).subarray(0, replicas * rows * 2);
  buffers.destroy();

  return valid.map((count, replica) => {
    const perRow = kind === 'classes' ? 1 : outputs;
    const picked = Array.from({ length: count }, (_, r) =>
      targets.subarray((rows - 1 - r) * perRow, (rows - r) * perRow),
    );
    const rowLosses = new Float64Array(count);
    const gradient = new Float64Array(count * outputs);
    const own = z.subarray(replica * rows * outputs, (replica + 1) * rows * outputs);
    (referenceLosses as Readonly<Record<string, ReferenceLossOf>>)[row.name]!(settings, kind).rows(
      Float64Array.from(own.subarray(0, count * outputs)),
      Float64Array.from(picked.flatMap((each) => [...each])),
      outputs,
      rowLosses,
      gradient,
    );
    const written = results.subarray(replica * rows * 2, (replica + 1) * rows * 2);
    return {
      z: own,
      targets: picked,
      expected: { losses: rowLosses, gradient },
      losses: Float32Array.from({ length: rows }, (_, r) => written[2 * r]!),
      counted: Float32Array.from({ length: rows }, (_, r) => written[2 * r + 1]!),
      gradient: gradients.subarray(replica * rows * outputs, (replica + 1) * rows * outputs),
    };
  });
}

type Run = Awaited<ReturnType<typeof runLoss>>[number];

/** Every row's loss and every element of the gradient; rows past the valid ones are exactly 0. @param size of a loss */
function expectRight({ expected, losses, counted, gradient }: Run, outputs: number, size = 1) {
  const count = expected.losses.length;
  const limit = (i: number) => LIMIT * Math.max(size, expected.losses[i]!);
  expect(worst(losses.subarray(0, count), expected.losses, limit).ratio).toBeLessThanOrEqual(1);
  const element = (i: number) => LIMIT * (Math.abs(expected.gradient[i]!) + size / (outputs * count));
  const own = gradient.subarray(0, count * outputs);
  expect(worst(own, expected.gradient, element).ratio).toBeLessThanOrEqual(1);
  for (const rest of [losses.subarray(count), counted.subarray(count), gradient.subarray(count * outputs)])
    expect(rest.every((value) => Object.is(value, 0))).toBe(true);
}

const weights = (n: number) => Array.from({ length: n }, (_, i) => (i % 4 === 3 ? 0 : 0.25 + (i % 5)));

const LOSSES: readonly [string, (outputs: number) => LossFunction, TargetKind, number][] = [
  ['softmax cross-entropy', () => softmaxCrossEntropy(), 'classes', 1],
  ['with label smoothing', () => softmaxCrossEntropy({ labelSmoothing: 0.1 }), 'classes', 1],
  ['with class weights', (n) => softmaxCrossEntropy({ classWeights: weights(n) }), 'classes', 5],
  ['with both', (n) => softmaxCrossEntropy({ labelSmoothing: 0.3, classWeights: weights(n) }), 'classes', 5],
  ['of probabilities', () => softmaxCrossEntropy(), 'probabilities', 1],
  [
    'of probabilities with both',
    (n) => softmaxCrossEntropy({ labelSmoothing: 0.3, classWeights: weights(n) }),
    'probabilities',
    5,
  ],
  ['binary cross-entropy', () => binaryCrossEntropy(), 'values', 1],
  ['with posWeight', (n) => binaryCrossEntropy({ posWeight: weights(n) }), 'values', 5],
  ['mse', () => mse(), 'values', 1],
  ['l1', () => l1(), 'values', 1],
  ['huber', () => huber({ delta: 0.75 }), 'values', 1],
];

describe.each(LOSSES)('%s', (_, of, kind, size) => {
  it.each([
    [1, 2],
    [33, 130],
  ])('%i rows of %i agree with float64', async (rows, outputs) => {
    const [run] = await runLoss({ loss: of(outputs), kind, rows, outputs });
    expectRight(run!, outputs, size);
  });

  it('two replicas whose valid rows differ: those past them get loss 0 and gradient 0', async () => {
    const loss = of(7);
    const both = await runLoss({ loss, kind, rows: 40, outputs: 7, valid: [13, 40] });
    for (const run of both) expectRight(run, 7, size);
    const [alone] = await runLoss({ loss, kind, rows: 40, outputs: 7, valid: [13], z: Float32Array.from(both[0]!.z) });
    expect([alone!.losses, alone!.gradient]).toEqual([both[0]!.losses, both[0]!.gradient]);
  });
});

describe('softmax cross-entropy', () => {
  const extreme = Float32Array.from([1e4, -1e4, 0, -1.5e38, 1.5e38, 0, 88, 89, 90, -500, -500, -500]);
  // Row r takes sample 3 - r: the labels are 1, 0, 2, 0 row by row.
  const labels = Uint32Array.from([0, 2, 0, 1]);

  it('stays finite and exact at extreme logits', async () => {
    const [run] = await runLoss({ loss: softmaxCrossEntropy(), rows: 4, outputs: 3, z: extreme, targets: labels });
    expect(run!.expected.losses[0]).toBe(2e4);
    expect(run!.expected.losses[1]).toBeGreaterThan(2.9e38);
    expectRight(run!, 3);
    expect(run!.gradient.every(Number.isFinite)).toBe(true);
    const loss = softmaxCrossEntropy({ labelSmoothing: 0.1, classWeights: [1, 2, 0] });
    const [smooth] = await runLoss({ loss, rows: 4, outputs: 3, z: extreme, targets: labels });
    expectRight(smooth!, 3, 5);
  });

  it('marks the rows whose largest logit is the label, or the most probable class', async () => {
    for (const kind of ['classes', 'probabilities'] as const) {
      const [run] = await runLoss({ loss: softmaxCrossEntropy(), kind, rows: 64, outputs: 10 });
      for (let row = 0; row < 64; row++) {
        const own = [...run!.z.subarray(row * 10, (row + 1) * 10)];
        const target = [...run!.targets[row]!];
        const wanted = kind === 'classes' ? target[0] : target.indexOf(Math.max(...target));
        expect(run!.counted[row]).toBe(own.indexOf(Math.max(...own)) === wanted ? 1 : 0);
      }
    }
  });

  it('a batch whose labels weigh nothing counts nothing, and an evaluation has the mean of all its samples', async () => {
    const [none] = await runLoss({
      loss: softmaxCrossEntropy({ classWeights: [0, 1, 1] }),
      rows: 2,
      outputs: 3,
      targets: Uint32Array.from([0, 0]),
    });
    expect([...none!.losses, ...none!.gradient].every((value) => value === 0)).toBe(true);
    const options = { loss: softmaxCrossEntropy({ classWeights: [1, 2, 5] }), rows: 9, outputs: 3 };
    const [batch] = await runLoss(options);
    const [all] = await runLoss({ ...options, meanWeight: 4 });
    // Labels 0 … 2 alike: the batch's own mean is 8/3.
    const scaled = batch!.losses.map((loss) => (loss * 8) / 12);
    for (const [i, loss] of all!.losses.entries()) expect(Math.abs(loss - scaled[i]!)).toBeLessThanOrEqual(1e-6 * loss);
  });
});

describe('value losses', () => {
  it('binary cross-entropy is exact at extreme logits, and near 0', async () => {
    const z = Float32Array.from([1e4, -1e4, 1e4, -1e4, 20, -20, 0, 1e-3]);
    // Row r takes sample 7 - r.
    const targets = Float32Array.from([1, 1, 0, 1, 1, 0, 0, 1]);
    const [run] = await runLoss({ loss: binaryCrossEntropy(), rows: 8, outputs: 1, z, targets });
    expect([...run!.expected.losses.subarray(0, 3)]).toEqual([0, 0, 1e4]);
    // Relative to each: log1p keeps the digits of 2e-9.
    const { losses, expected, gradient } = run!;
    expect(worst(losses, expected.losses, (i) => 2 ** -19 * expected.losses[i]! + 1e-37).ratio).toBeLessThanOrEqual(1);
    const slope = (i: number) => 2 ** -19 * Math.abs(expected.gradient[i]!) + 1e-37;
    expect(worst(gradient, expected.gradient, slope).ratio).toBeLessThanOrEqual(1);
  });

  it('count the outputs on the right side, or the mean squared error', async () => {
    const z = Float32Array.from([2, -1, 3, -4, 5, 0]);
    const targets = Float32Array.from([1, 0, 0.5, 1, 0, 1]);
    // Row 0 is sample 1: (1, 0, 1) against (2, -1, 3); row 1 is sample 0: (1, 0, 0.5) against (-4, 5, 0).
    const counted = async (loss: LossFunction) =>
      [...(await runLoss({ loss, rows: 2, outputs: 3, z, targets }))[0]!.counted].map((v) => Math.round(v * 1e6) / 1e6);
    expect(await counted(binaryCrossEntropy())).toEqual([1, 0]);
    for (const loss of [mse(), l1(), huber()]) expect(await counted(loss)).toEqual([2, 16.75]);
  });

  it('l1 has no slope where output and target are equal', async () => {
    const z = Float32Array.from([1, 2, 3]);
    const [run] = await runLoss({ loss: l1(), rows: 1, outputs: 3, z, targets: Float32Array.from([1, 3, 2]) });
    expect([...run!.gradient].map((v) => Math.round(v * 3))).toEqual([0, -1, 1]);
  });
});
