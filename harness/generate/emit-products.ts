import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/*
 * What the GPU forms of the three products of a dense layer are made of (emit-tile.ts): where their operands lie, and what
 * happens at the edges of a product (gather, bias, activation, slope), carried from the hand-written kernels, word for word.
 */

/** An operand in memory: four consecutive elements at a time, along k ('transposed' on its way into the tile) or across it. */
export interface Operand {
  readonly alongK: boolean;
  /** First element of row `row` of the operand, which is one of m or n where it lies along k, else one of k. */
  readonly row: (row: string) => string;
  /** The vec4f at element `at`. */
  readonly quad: (at: string) => string;
  /** The f32 at element `at`. */
  readonly one: (at: string) => string;
}

export interface Product {
  readonly name: string;
  readonly does: string;
  /** Sizes of the three axes. */
  readonly m: string;
  readonly n: string;
  readonly k: string;
  readonly a: Operand;
  readonly b: Operand;
  readonly overrides: readonly string[];
  readonly fields: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Functions of the operands, and of the result. */
  readonly load: string;
  readonly finish: string;
  /** Sums of B over k, in the workgroups of the first rows. */
  readonly bias: boolean;
  /** In place of `finish`, what a thread does with all of its sums: before the loop over k, with each k, and behind it. */
  readonly ends?: { readonly before: string; readonly each: string; readonly after: string };
}

const file = (name: string) =>
  readFileSync(resolve(import.meta.dirname ?? '.', `../../shaders/nn/${name}.wgsl`), 'utf8');

/** Functions of a hand-written kernel, word for word. */
function carry(name: string, functions: readonly string[]): string {
  const text = file(name);
  return functions
    .map((each) => {
      const [found] = new RegExp(`^fn ${each}\\([\\s\\S]*?^\\}`, 'm').exec(text) ?? [];
      if (!found) throw new Error(`shaders/nn/${name}.wgsl has no function ${each}`);
      return found;
    })
    .join('\n\n');
}

const LOAD_X = carry('dense_forward', ['bytes', 'load_x', 'row_start']);

const LOAD_WEIGHT = `// Four consecutive weights: at once where their rows are multiples of 4 (VECTOR).
fn load_weight(at: u32) -> vec4f {
  if (VECTOR) {
    return weight[at / 4u];
  }
  let e = vec4u(at, at + 1u, at + 2u, at + 3u);
  return vec4f(weight[e.x / 4u][e.x % 4u], weight[e.y / 4u][e.y % 4u], weight[e.z / 4u][e.z % 4u], weight[e.w / 4u][e.w % 4u]);
}`;

const X: Operand = {
  alongK: true,
  row: (row) => `row_start(${row}, replica)`,
  quad: (at) => `load_x(${at})`,
  one: (at) => `load_x(${at})`,
};
const DY: Operand = {
  alongK: true,
  row: (row) => `(replica * shape.rows + ${row}) * shape.dy_stride`,
  quad: (at) => `dy[(${at}) / 4u]`,
  one: (at) => `dy[(${at}) / 4u][(${at}) % 4u]`,
};
const WEIGHT: Operand = {
  alongK: true,
  row: (row) => `replica * shape.weight_stride + ${row} * shape.n`,
  quad: (at) => `load_weight(${at})`,
  one: (at) => `weight[(${at}) / 4u][(${at}) % 4u]`,
};
const across = (operand: Operand): Operand => ({ ...operand, alongK: false });

const ACTIVATION = ['override ACTIVATION: u32 = 0;', 'override ALPHA: f32 = 0.0;'];
export const INPUT = [
  'override GATHER: bool = false;',
  'override BYTES: bool = false;',
  'override SCALE: f32 = 1.0;',
  'override SHIFT: f32 = 0.0;',
];
export const VECTOR = 'override VECTOR: bool = false;';

const FORWARD: Product = {
  name: 'dense_forward',
  does: 'y = act(x·W + b), as shaders/nn/dense_forward.wgsl',
  m: 'shape.rows',
  n: 'shape.n',
  k: 'shape.k',
  a: X,
  b: across(WEIGHT),
  overrides: [
    'override FIRST: bool = true;',
    'override LAST: bool = true;',
    'override BIAS: bool = false;',
    'override SAVE: bool = false;',
    ...ACTIVATION,
  ],
  fields: ['rows', 'k', 'n', 'k_begin', 'x_stride', 'y_stride', 'weight_stride', 'bias_stride'],
  inputs: [
    'var<storage, read> x: array<vec4f>',
    'var<storage, read> weight: array<vec4f>',
    'var<storage, read> data: array<u32>',
    'var<storage, read> batch: array<u32>',
  ],
  outputs: [
    'var<storage, read> bias: array<f32>',
    'var<storage, read_write> y: array<f32>',
    'var<storage, read_write> saved: array<f32>',
  ],
  load: `${LOAD_X}\n\n${LOAD_WEIGHT}`,
  finish: `${carry('dense_forward', ['logistic', 'tanh_exact', 'normal_cdf', 'log_one_plus', 'gelu_argument', 'activate'])}

fn finish(slot: u32, replica: u32, row: u32, column: u32, sum: vec4f) {
  if (row >= shape.rows || column >= shape.n) {
    return;
  }
  var z = sum;
  let out = (slot * shape.rows + row) * shape.y_stride;
  let columns = vec4u(column, column + SPREAD, column + 2u * SPREAD, column + 3u * SPREAD);
  if (LAST && BIAS) {
    let b = min(columns, vec4u(shape.n - 1u)) + replica * shape.bias_stride;
    z += vec4f(bias[b.x], bias[b.y], bias[b.z], bias[b.w]);
  }
  if (!FIRST) {
    for (var c = 0u; c < 4u; c++) {
      if (columns[c] < shape.n) { z[c] += y[out + columns[c]]; }
    }
  }
  var value = z;
  if (LAST) {
    value = activate(z);
  }
  for (var c = 0u; c < 4u; c++) {
    if (columns[c] < shape.n) {
      y[out + columns[c]] = value[c];
      if (LAST && SAVE) { saved[out + columns[c]] = z[c]; }
    }
  }
}`,
  bias: false,
};

const INPUT_GRADIENT: Product = {
  name: 'dense_input_gradient',
  does: 'dx = (dy·Wᵀ) ⊙ act’(x), as shaders/nn/dense_input_gradient.wgsl',
  m: 'shape.rows',
  n: 'shape.k',
  k: 'shape.n',
  a: DY,
  b: WEIGHT,
  overrides: ACTIVATION,
  fields: ['rows', 'k', 'n', 'k_begin', 'dx_stride', 'dy_stride', 'weight_stride'],
  inputs: ['var<storage, read> dy: array<vec4f>', 'var<storage, read> weight: array<vec4f>'],
  outputs: ['var<storage, read> saved: array<f32>', 'var<storage, read_write> dx: array<f32>'],
  load: LOAD_WEIGHT,
  finish: `${carry('dense_input_gradient', ['logistic', 'normal_cdf', 'slope'])}

fn finish(slot: u32, replica: u32, row: u32, input: u32, sum: vec4f) {
  if (row >= shape.rows) {
    return;
  }
  let out = (slot * shape.rows + row) * shape.dx_stride + shape.k_begin;
  for (var c = 0u; c < 4u; c++) {
    let at = input + c * SPREAD;
    if (at < shape.k) { dx[out + at] = sum[c] * slope(saved[out + at]); }
  }
}`,
  bias: false,
};

export const WEIGHT_GRADIENT: Product = {
  name: 'dense_weight_gradient',
  does: 'dW = xᵀ·dy and db = Σ_rows dy, as shaders/nn/dense_weight_gradient.wgsl',
  m: 'shape.k',
  n: 'shape.n',
  k: 'shape.rows',
  a: across(X),
  b: across(DY),
  overrides: ['override BIAS: bool = false;', 'override SHARED: bool = false;'],
  fields: [
    'rows',
    'k',
    'n',
    'k_begin',
    'x_stride',
    'dy_stride',
    'weight_at',
    'weight_stride',
    'bias_at',
    'bias_stride',
  ],
  inputs: [
    'var<storage, read> x: array<vec4f>',
    'var<storage, read> dy: array<vec4f>',
    'var<storage, read> data: array<u32>',
    'var<storage, read> batch: array<u32>',
  ],
  outputs: ['var<storage, read_write> grads: array<f32>', 'var<storage, read_write> bias: array<f32>'],
  load: LOAD_X,
  finish: `fn finish(slot: u32, replica: u32, input: u32, column: u32, sum: vec4f) {
  if (input >= shape.k) {
    return;
  }
  let out = slot * shape.weight_stride + shape.weight_at + input * shape.n;
  for (var c = 0u; c < 4u; c++) {
    let at = column + c * SPREAD;
    if (at < shape.n) { grads[out + at] = sum[c]; }
  }
}

fn finish_bias(slot: u32, column: u32, sum: f32) {
  if (column < shape.n) {
    let at = slot * shape.bias_stride + shape.bias_at + column;
    if (SHARED) { grads[at] = sum; } else { bias[at] = sum; }
  }
}`,
  bias: true,
};

export const PRODUCTS = [FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT];
