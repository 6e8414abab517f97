import { expect, it } from 'vitest';
import { type BufferRange, type BufferSet, range, roundUp } from '../../src/gpu/buffers.js';
import { traitsOf } from '../../src/gpu/traits.js';
import {
  activationGradient,
  activation as activationOp,
  type KernelActivation,
  savesInput,
} from '../../src/kernels/activation.js';
import {
  denseInputGradient,
  dense as denseOp,
  denseWeightGradient,
  type Piece,
  wholePiece,
} from '../../src/kernels/dense.js';
import { lower, passName } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { loadForms } from '../../src/kernels/nn-forms.js';
import type { Op } from '../../src/kernels/op.js';
import { gemmLimit, referenceActivations } from '../../src/reference/index.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from './gpu.js';

/*
 * The products of a dense layer in a form by name, with what float64 makes of the same numbers. Tolerance of a product:
 * (4 + log2 K)·2^-24·Σ|a||b| (reliability note 4.1) for zero-mean data; inputs have NaN in their padding.
 */

const gpu = await testDevice();
/** Of every kind of adapter: a form joins by being listed in the forms.ts of a folder of src/kernels. */
const forms = await loadForms(gpu, true);

/** The names of all forms that take these ops at once. */
export const formsOf = (kinds: string): readonly string[] =>
  forms.map(({ name }) => name).filter((name) => name.startsWith(`${kinds}/`));

/** What a form needs that this device lacks, told by the form's name; undefined where it has all. */
function lackOf(form: string): string | undefined {
  const lanes = form.match(/\/stationary-(\d+)/)?.[1];
  if (form.endsWith('/f16') && !gpu.features.has('shader-f16')) return 'this adapter has no shader-f16';
  if (form.includes('subgroup') && !gpu.features.has('subgroups')) return 'this adapter has no subgroups';
  if (lanes !== undefined && traitsOf(gpu).subgroup !== Number(lanes))
    return `this adapter's subgroups have not ${lanes} lanes`;
  return undefined;
}

/** The tests of a form; where this device lacks what it needs, one that is skipped and says so. */
export function testsOf(form: string, tests: () => void, ...others: string[]): void {
  const lack = [form, ...others].map(lackOf).find((each) => each !== undefined);
  if (lack === undefined) tests();
  else it('runs', (context) => context.skip(lack));
}

/** Runs ops: the first, with its neighbour where the form takes both, in that form. */
export async function run(ops: readonly Op[], form: string): Promise<void> {
  const name = passName(ops[0]!.label);
  const { passes, choice } = lower(ops, forms, gpu, { [name]: form });
  expect(choice[name]).toBe(form);
  await dispatch(gpu, passes);
}

export interface ProductCase {
  readonly form: string;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly activation?: KernelActivation;
  /** Of the values that the activation sees. */
  readonly scale?: number;
  /** A seed for each replica. Default [0]. */
  readonly seeds?: readonly number[];
  /** Inputs at which the weights are split into pieces. */
  readonly splits?: readonly number[];
}

/** A result with what it should be, replica after replica, and how far each number may be off. */
export interface Compared {
  readonly actual: Float32Array;
  readonly expected: Float64Array;
  readonly limit: (i: number) => number;
}

export const ROUNDING = 2 ** -24;

/** How far a sum of k products may be off. A form may round operands to f16: 2^-11 each, or half its smallest number. */
export const productLimit = (form: string, k: number, magnitude: number): number =>
  gemmLimit(k, magnitude) + (form.endsWith('/f16') ? 2.1 * 2 ** -11 * magnitude + k * 2 ** -24 : 0);

/** What an activation adds: a few units in the last place of its value, and of its input through its slope. */
const ACTIVATION_ULPS: Record<KernelActivation, number> = {
  identity: 0,
  relu: 0,
  'leaky-relu': 1,
  tanh: 8,
  sigmoid: 8,
  // Φ's Chebyshev fit is good to 1.2e-7 relative (2 units), and exp(-z²/2) magnifies the rounding of its argument.
  gelu: 24,
  silu: 8,
  elu: 12,
  // The argument of exp is rounded like gelu's.
  'gelu-tanh': 24,
  softplus: 8,
};

const joined = (parts: readonly Float32Array[]): Float32Array<ArrayBuffer> => {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** Replicas of a tensor in one range, each on a stride that is a multiple of 64 floats, NaN between them. */
function stacked(buffers: BufferSet, name: string, parts: readonly Float32Array[], start = 0): Piece {
  const elements = parts[0]!.length;
  const stride = roundUp(elements, 64);
  const data = new Float32Array(stride * parts.length).fill(Number.NaN);
  for (const [i, part] of parts.entries()) data.set(part, i * stride);
  return { range: range(buffers.upload(name, data), 0, data.byteLength), stride, start, elements };
}

const ends = ({ inputs, splits = [] }: ProductCase) => [0, ...splits, inputs];

/** Weights in their pieces. */
const pieces = (buffers: BufferSet, all: readonly Float32Array[], c: ProductCase): Piece[] =>
  ends(c)
    .slice(1)
    .map((end, i) => {
      const [from, to] = [ends(c)[i]! * c.outputs, end * c.outputs];
      const parts = all.map((each) => each.subarray(from, to));
      return stacked(buffers, `weight-${i}`, parts, from);
    });

async function readPiece(piece: Piece, replicas: number): Promise<Float32Array[]> {
  const all = await readFloats(gpu, piece.range);
  return Array.from({ length: replicas }, (_, i) => all.slice(i * piece.stride, i * piece.stride + piece.elements));
}

const matrices = (all: readonly Float32Array[], width: number, padding?: number) =>
  joined(all.map((each) => strided(each, width, rowStride(width), padding)));

async function readMatrix(at: BufferRange, rows: number, width: number): Promise<Float32Array> {
  return dense((await readFloats(gpu, at)).subarray(0, rows * rowStride(width)), width, rowStride(width));
}

/** y = act(x·W + b), and what is saved for the gradient. */
export async function forward(
  c: ProductCase,
): Promise<Compared & { readonly saved?: Compared; readonly made: number }> {
  const { form, rows, inputs, outputs, activation = 'identity', scale = 1, seeds = [0] } = c;
  const buffers = buffersFor(gpu, 'forward');
  const x = seeds.map((seed) => randomFloats(rows * inputs, 1 + seed).map((v) => v * scale));
  const w = seeds.map((seed) => randomFloats(inputs * outputs, 2 + seed));
  const b = seeds.map((seed) => randomFloats(outputs, 3 + seed));
  const replicas = seeds.length;
  const bytes = 4 * rows * rowStride(outputs) * replicas;
  const keep = savesInput(activation);
  const [sum, y] = [buffers.later('sum', bytes), range(buffers.storage('y', bytes))];
  const ops = [
    denseOp({
      label: 'test/forward',
      rows,
      inputs,
      outputs,
      replicas,
      x: range(buffers.upload('x', matrices(x, inputs))),
      weight: pieces(buffers, w, c),
      bias: stacked(buffers, 'bias', b),
      y: sum,
    }),
    activationOp({ label: 'test/act', rows, width: outputs, replicas, activation, x: sum, y, keep }),
  ];
  await run(ops, form);
  const { made } = sum;
  const actual = await readMatrix(y, rows * replicas, outputs);
  const kept = keep ? await readMatrix(sum, rows * replicas, outputs) : undefined;
  buffers.destroy();
  const z = new Float64Array(rows * outputs * replicas);
  const limits = new Float64Array(z.length);
  for (let i = 0; i < z.length; i++) {
    const [at, row, j] = [Math.floor(i / (rows * outputs)), Math.floor(i / outputs) % rows, i % outputs];
    let [total, magnitude] = [b[at]![j]!, Math.abs(b[at]![j]!)];
    for (let k = 0; k < inputs; k++) {
      const product = x[at]![row * inputs + k]! * w[at]![k * outputs + j]!;
      total += product;
      magnitude += Math.abs(product);
    }
    z[i] = total;
    limits[i] = productLimit(form, inputs + 1, magnitude);
  }
  const { value, slope } = referenceActivations[activation];
  const expected = z.map(value);
  return {
    actual,
    expected,
    limit: (i) =>
      limits[i]! * Math.max(1, Math.abs(slope(z[i]!))) +
      ACTIVATION_ULPS[activation] * ROUNDING * Math.abs(expected[i]!) +
      2 ** -126,
    ...(kept && { saved: { actual: kept, expected: z, limit: (i: number) => limits[i]! } }),
    made,
  };
}

/** dx = (dy·Wᵀ) ⊙ act'. */
export async function inputGradient(c: ProductCase): Promise<Compared & { readonly made: number }> {
  const { form, rows, inputs, outputs, activation = 'identity', scale = 1, seeds = [0] } = c;
  const buffers = buffersFor(gpu, 'input-gradient');
  const { value, slope } = referenceActivations[activation];
  const dy = seeds.map((seed) => randomFloats(rows * outputs, 7 + seed));
  const w = seeds.map((seed) => randomFloats(inputs * outputs, 8 + seed));
  const z = seeds.map((seed) => randomFloats(rows * inputs, 9 + seed).map((v) => v * scale));
  const saved = savesInput(activation) ? z : z.map((each) => each.map(value));
  const replicas = seeds.length;
  const bytes = 4 * rows * rowStride(inputs) * replicas;
  const [between, dx] = [buffers.later('between', bytes), range(buffers.storage('dx', bytes))];
  const ops = [
    denseInputGradient({
      label: 'test/input-gradient',
      rows,
      inputs,
      outputs,
      replicas,
      dy: range(buffers.upload('dy', matrices(dy, outputs))),
      weight: pieces(buffers, w, c),
      dx: between,
    }),
    activationGradient({
      label: 'test/act',
      rows,
      width: inputs,
      replicas,
      activation,
      saved: range(buffers.upload('saved', matrices(saved, inputs))),
      dy: between,
      dx,
    }),
  ];
  await run(ops, form);
  const { made } = between;
  const actual = await readMatrix(dx, rows * replicas, inputs);
  buffers.destroy();
  const expected = new Float64Array(rows * inputs * replicas);
  const limits = new Float64Array(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [at, row, k] = [Math.floor(i / (rows * inputs)), Math.floor(i / inputs) % rows, i % inputs];
    let [sum, magnitude] = [0, 0];
    for (let j = 0; j < outputs; j++) {
      const product = dy[at]![row * outputs + j]! * w[at]![k * outputs + j]!;
      sum += product;
      magnitude += Math.abs(product);
    }
    const by = slope(z[at]![row * inputs + k]!);
    expected[i] = sum * by;
    // The slope is computed from the stored f32 output: 1 - y² has the absolute error of a rounding of y.
    limits[i] =
      productLimit(form, outputs, magnitude) * Math.abs(by) +
      Math.abs(sum) * (4 + ACTIVATION_ULPS[activation]) * ROUNDING +
      2 ** -126;
  }
  return { actual, expected, limit: (i) => limits[i]!, made };
}

/**
 * dW = xᵀ·dy and, behind it, db = Σ_rows dy.
 *
 * @param shared whether dW (then in one piece) and db lie in one buffer, replica after replica
 */
export async function weightGradient(c: ProductCase, shared = false): Promise<Compared> {
  const { form, rows, inputs, outputs, seeds = [0] } = c;
  const buffers = buffersFor(gpu, 'weight-gradient');
  const x = seeds.map((seed) => randomFloats(rows * inputs, 10 + seed));
  const dy = seeds.map((seed) => randomFloats(rows * outputs, 11 + seed));
  const nothing = (length: number) => seeds.map(() => new Float32Array(length).fill(Number.NaN));
  let weight: readonly Piece[];
  let bias: Piece;
  if (shared) {
    const [w, b] = [roundUp(inputs * outputs, 64), roundUp(outputs, 64)];
    const { range: whole, stride } = stacked(buffers, 'arena', nothing(w + b));
    weight = [wholePiece(range(whole.buffer, 0, whole.size - 4 * b), inputs * outputs, stride)];
    bias = wholePiece(range(whole.buffer, 4 * w, whole.size - 4 * w), outputs, stride);
  } else {
    weight = pieces(buffers, nothing(inputs * outputs), c);
    bias = stacked(buffers, 'bias', nothing(outputs));
  }
  const op = denseWeightGradient({
    label: 'test/weight-gradient',
    rows,
    inputs,
    outputs,
    replicas: seeds.length,
    x: range(buffers.upload('x', matrices(x, inputs))),
    dy: range(buffers.upload('dy', matrices(dy, outputs, 0))),
    weight,
    bias,
  });
  await run([op], form);
  const parts = await Promise.all([...weight, bias].map((piece) => readPiece(piece, seeds.length)));
  const actual = joined(seeds.flatMap((_, i) => parts.map((part) => part[i]!)));
  buffers.destroy();
  const expected = new Float64Array(actual.length);
  const magnitude = new Float64Array(actual.length);
  const each = (inputs + 1) * outputs;
  for (let i = 0; i < actual.length; i++) {
    const [at, k, j] = [Math.floor(i / each), Math.floor(i / outputs) % (inputs + 1), i % outputs];
    for (let r = 0; r < rows; r++) {
      const product = (k < inputs ? x[at]![r * inputs + k]! : 1) * dy[at]![r * outputs + j]!;
      expected[i]! += product;
      magnitude[i]! += Math.abs(product);
    }
  }
  return { actual, expected, limit: (i) => productLimit(form, rows, magnitude[i]!) };
}
