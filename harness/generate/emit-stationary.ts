import { functionText } from './wgsl-text.js';

/*
 * The products of a dense layer for CPU adapters, forward and input gradient. A workgroup is one subgroup; each of its lanes
 * has `groups` rows of the batch. A block of these rows' numbers lies still in private arrays that are read by constant
 * indices only, which on these drivers is free (they become operands in memory); the weights stream past, as many in one
 * load as there are lanes, each spread to all lanes by a shuffle. On lavapipe (Mesa 25, 2 cores) 64 x 784 x 100 took 0.6 ms
 * of CPU time, 3.5 with tiles of 4 x 4.
 *
 * What is written below follows from how these drivers compile. A sum goes into a slot of a private array before the first
 * branch: else LLVM moves the additions behind it and spills all products. Trip counts come from the uniform `shape`, since
 * NIR unrolls what it can count. The rows have an array each: with one for all, compiling takes a third longer.
 */

/** What is written out how often. */
interface StationarySize {
  /** Of a subgroup: 8 on lavapipe, 4 on SwiftShader. */
  readonly lanes: number;
  /** Rows of the batch in a lane. */
  readonly groups: number;
  /** The block: parts of 32 and a last one of at most that, which are left out where the sum ends before them. */
  readonly parts: readonly number[];
  /** Chains of additions in a sum: two where one would wait for itself. SwiftShader has no registers for two. */
  readonly chains: 1 | 2;
  /** Broadcasts are cheaper than shuffles on SwiftShader (12-18 instructions to 20); on lavapipe both are one. */
  readonly spread: 'subgroupShuffle' | 'subgroupBroadcast';
  /**
   * Columns of the result whose sums a workgroup holds in a private array from block to block. 0: they stand in the result's
   * memory meanwhile. WGSL sets private arrays to zero, an element at a time, and how long LLVM takes over that grows with the
   * square: 128 columns are a third of all compiling on lavapipe. SwiftShader compiles them fast, and its loads are dear: it is
   * 1.5 to 2 times as fast with them.
   */
  readonly held: number;
}

const indices = (count: number) => Array.from({ length: count }, (_, i) => i);
const lines = <T>(values: readonly T[], text: (value: T) => string) => values.map(text).join('\n');

/** Hand-written files whose functions the kernels carry. */
interface Carried {
  /** shaders/nn/activation.wgsl and activation_gradient.wgsl. */
  readonly activation: string;
  readonly activationGradient: string;
}

const carry = (code: string, names: readonly string[]) => names.map((name) => functionText(code, name)).join('\n\n');

/** One part of a block: its weights, and their products with the rows. */
function products({ lanes, groups, parts, chains, spread }: StationarySize, part: number): string {
  const begin = sumOf(parts.slice(0, part));
  const slot = sumOf(parts);
  const rows = indices(groups);
  const multiply = (k: number) => {
    const terms = rows.map((g) => `s${g}${k % chains} += c${g}[${begin + k}] * t;`).join(' ');
    return `{ let t = ${spread}(w${Math.floor(k / lanes)}, ${k % lanes}u); ${terms} }`;
  };
  return [
    lines(indices(parts[part]! / lanes), (i) => `let w${i} = weight[at + o${begin / lanes + i}];`),
    lines(rows, (g) =>
      indices(chains)
        .map((chain) => `var s${g}${chain} = 0.0;`)
        .join(' '),
    ),
    lines(indices(parts[part]!), multiply),
    lines(rows, (g) => `c${g}[${slot}] ${part ? '+=' : '='} s${g}0${chains === 2 ? ` + s${g}1` : ''};`),
  ].join('\n');
}

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0);

/** All parts, each within the one before. */
function block(size: StationarySize): string {
  const { parts } = size;
  const nested = parts.map((_, part) => {
    const text = products(size, part);
    return part ? `if (depth > ${sumOf(parts.slice(0, part))}u) {\n${text}` : text;
  });
  return nested.join('\n') + '\n}'.repeat(parts.length - 1);
}

/** What the two products differ in: both are sums over one axis of W, for each place on the other. */
interface Direction {
  readonly entry: string;
  /** Terms of a sum, and sums of a row. */
  readonly terms: string;
  readonly across: string;
  /** Elements of W from a term to the next, and from a sum to the next. */
  readonly termStep: string;
  readonly acrossStep: string;
  /** Whether a row's numbers may be bytes. */
  readonly bytes: boolean;
}

function kernel(size: StationarySize, { entry, terms, across, termStep, acrossStep, bytes }: Direction): string {
  const { lanes, groups, parts, held } = size;
  const length = sumOf(parts);
  const rows = indices(groups);
  // (In a loop over the rows: each access to storage in the code takes lavapipe 15 to 60 ms to compile.)
  const fillBytes = `if (BYTES) {
for (var k = 0u; k < end; k += 4u) {
let there = vec4u(k) + vec4u(0u, 1u, 2u, 3u) < vec4u(depth);
for (var g = 0u; g < shape.groups; g++) {
quads[g] = select(vec4f(), load_bytes(starts[g] + k0 + k), there);
}
${lines(rows, (g) => lines(indices(4), (i) => `c${g}[k + ${i}u] = quads[${g}][${i}];`))}
}
} else `;
  return `@compute @workgroup_size(${lanes})
fn ${entry}(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
let tile = group.y * groups.x + group.x;
let begin = tile / shape.split * ${lanes * groups}u;
let row = begin + lane;
let first = tile % shape.split * shape.columns;
let last = min(first + shape.columns, ${across});
let terms = ${terms};
if (begin >= shape.rows) {
return;
}
var starts: array<u32, ${groups}>;
for (var g = 0u; g < shape.groups; g++) {
starts[g] = row_start(min(row + g * ${lanes}u, shape.rows - 1u), group.z);
}
${bytes ? `var quads: array<vec4f, ${groups}>;\n` : ''}${lines(rows, (g) => `var c${g}: array<f32, ${length + 1}>;`)}
${held ? `var sums: array<f32, ${held * groups}>;` : ''}
for (var k0 = 0u; k0 < terms; k0 += ${length}u) {
// Past the last number zeros, to the end of a part: a row's padding may be anything.
let depth = min(terms - k0, ${length}u);
let end = min((depth + 31u) / 32u * 32u, ${length}u);
${bytes ? fillBytes : ''}{
for (var k = 0u; k < end; k++) {
${lines(rows, (g) => `c${g}[k] = select(0.0, load_x(starts[${g}] + k0 + k), k < depth);`)}
}
}
${lines(indices(length / lanes), (i) => `let o${i} = group.z * shape.weight_stride + min(k0 + ${i * lanes}u + lane, terms - 1u) * ${termStep};`)}
for (var n = first; n < last; n++) {
let at = n * ${acrossStep};
${block(size)}
${ending(size)}
}
}
}
`;
}

/** What becomes of the sum of a block. (The loop has the accesses to memory once: each is long to compile.) */
function ending({ lanes, groups, parts, held }: StationarySize): string {
  const length = sumOf(parts);
  const rows = indices(groups);
  const finish = (
    more: string,
    end: string,
  ) => `let z = vec4f(${indices(4).map((g) => (g < groups ? `c${g}[${length}]` : '0.0'))});
for (var g = 0u; g < shape.groups; g++) {
finish(row + g * ${lanes}u, n, group.z, ${more}, ${end}, z[g]);
}`;
  if (held === 0) return finish('k0 > 0u', `k0 + ${length}u >= terms`);
  return `let held = n - first;
if (k0 > 0u) {
${lines(rows, (g) => `c${g}[${length}] += sums[held + ${g * held}u];`)}
}
if (k0 + ${length}u < terms) {
${lines(rows, (g) => `sums[held + ${g * held}u] = c${g}[${length}];`)}
} else {
${finish('false', 'true')}
}`;
}

const CARRIED = '// Generated by harness/generate/emit-stationary.ts';

/** y = act(x·W + b), with the bindings and meaning of shaders/nn/dense_forward.wgsl. */
function emitForward(size: StationarySize, activation: string): string {
  return `${CARRIED}: y = act(x·W + b), x stationary.
enable subgroups;

override ACTIVATION: u32 = 0;
override ALPHA: f32 = 0.0;
override GATHER: bool = false;
override BYTES: bool = false;
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override FIRST: bool = true;
override LAST: bool = true;
override BIAS: bool = false;
override SAVE: bool = false;

// A workgroup computes \`columns\` columns, \`split\` of them share the rows; \`groups\` is the same as in the text.
struct Shape {
  rows: u32, k: u32, n: u32, k_begin: u32, x_stride: u32, y_stride: u32, weight_stride: u32, bias_stride: u32,
  split: u32, columns: u32, groups: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> saved: array<f32>;
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read> batch: array<u32>;

// One number, or four bytes. SwiftShader shifts lane by lane; rounded, what it unpacks is the same whole number.
fn load_x(at: u32) -> f32 {
  if (GATHER) {
    return bitcast<f32>(data[at]) * SCALE + SHIFT;
  }
  return x[at];
}

fn load_bytes(at: u32) -> vec4f {
  return round(unpack4x8unorm(data[at / 4u]) * 255.0) * SCALE + SHIFT;
}

// First element of a row of x: through the batch for the data set, which all replicas share.
fn row_start(row: u32, replica: u32) -> u32 {
  let place = replica * shape.rows + row;
  if (GATHER) {
    return batch[place] * shape.x_stride + shape.k_begin;
  }
  return place * shape.x_stride + shape.k_begin;
}

${carry(activation, ['logistic', 'tanh_exact', 'normal_cdf', 'log_one_plus', 'gelu_argument', 'activate'])}

// The sum of a block. What came before it (more) stands in y, as it does until the last one (end).
fn finish(row: u32, column: u32, replica: u32, more: bool, end: bool, part: f32) {
  if (row >= shape.rows) {
    return;
  }
  var z = part;
  let out = (replica * shape.rows + row) * shape.y_stride + column;
  if (more || !FIRST) { z += y[out]; }
  if (end && BIAS) { z += bias[replica * shape.bias_stride + column]; }
  if (!end || !LAST) {
    y[out] = z;
    return;
  }
  if (SAVE) { saved[out] = z; }
  y[out] = activate(vec4f(z)).x;
}

${kernel(size, { entry: 'forward', terms: 'shape.k', across: 'shape.n', termStep: 'shape.n', acrossStep: '1u', bytes: true })}`;
}

/** dx = (dy·Wᵀ) ⊙ act'(x), with those of shaders/nn/dense_input_gradient.wgsl. */
function emitInputGradient(size: StationarySize, activationGradient: string): string {
  return `${CARRIED}: dx = (dy·Wᵀ) ⊙ act'(x), dy stationary.
enable subgroups;

override ACTIVATION: u32 = 0;
override ALPHA: f32 = 0.0;

// As in the forward product.
struct Shape {
  rows: u32, k: u32, n: u32, k_begin: u32, dx_stride: u32, dy_stride: u32, weight_stride: u32,
  split: u32, columns: u32, groups: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

${carry(activationGradient, ['logistic', 'normal_cdf', 'slope'])}

fn load_x(at: u32) -> f32 {
  return dy[at];
}

fn row_start(row: u32, replica: u32) -> u32 {
  return (replica * shape.rows + row) * shape.dy_stride;
}

fn finish(row: u32, column: u32, replica: u32, more: bool, end: bool, part: f32) {
  if (row >= shape.rows) {
    return;
  }
  let out = (replica * shape.rows + row) * shape.dx_stride + shape.k_begin + column;
  var sum = part;
  if (more) { sum += dx[out]; }
  if (!end || ACTIVATION == 0u) {
    dx[out] = sum;
    return;
  }
  dx[out] = sum * slope(saved[out]);
}

${kernel(size, { entry: 'input_gradient', terms: 'shape.n', across: 'shape.k', termStep: '1u', acrossStep: 'shape.n', bytes: false })}`;
}

/** By the ending of their names: the lanes, and whether for few rows. */
const SIZES: Readonly<Record<string, StationarySize>> = {
  8: { lanes: 8, groups: 4, parts: [32, 32, 32, 16], chains: 2, spread: 'subgroupShuffle', held: 0 },
  // Batches of at most 16 rows: half the work past the last row, and half as long to compile.
  '8_few': { lanes: 8, groups: 2, parts: [32, 32, 32, 16], chains: 2, spread: 'subgroupShuffle', held: 0 },
  4: { lanes: 4, groups: 4, parts: [32], chains: 1, spread: 'subgroupBroadcast', held: 128 },
};

/** Their texts by name; the functions are those of the files given. */
export const emitStationary = (files: Carried): Record<string, string> =>
  Object.fromEntries(
    Object.entries(SIZES).flatMap(([ending, size]) => [
      [`nn/dense_forward_stationary_${ending}`, emitForward(size, files.activation)],
      [`nn/dense_input_gradient_stationary_${ending}`, emitInputGradient(size, files.activationGradient)],
    ]),
  );
