import { around, CLIP, type RuleParts } from './emit.js';
import { type Product, WEIGHT_GRADIENT } from './emit-products.js';
import { TILES, tileKernel } from './emit-tile.js';

/*
 * The weight gradient of a dense layer for GPUs with the update inside: a tile's sums go to the rule instead of to memory,
 * which spares 8 bytes a parameter and the update's own dispatch (performance-anchors 2).
 */

const TILE = TILES['64x64']!;
const XYZW = ['x', 'y', 'z', 'w'] as const;

/**
 * One loop over a thread's rows, whose count no driver knows: written out four times, or unrolled, the rule's loads and
 * stores take lavapipe seconds to compile.
 */
function ends(parts: RuleParts): string {
  const load = (array: string) => `vec4f(${XYZW.map((lane) => `${array}[at.${lane}]`).join(', ')})`;
  const store = (array: string, value: string) =>
    XYZW.map((lane) => `${array}[at.${lane}] = ${value}.${lane};`).join(' ');
  return `let columns = vec4u(n0 + lane) + vec4u(0u, 1u, 2u, 3u) * SPREAD;
  // Columns past the last are the thread's first one again: its gradient, its parameter and its state, so that they are
  // stored with the same value and no store needs a branch.
  let inside = columns < vec4u(n);
  let own = select(vec4u(columns.x), columns, inside);
  // The biases are one row more of the threads that have the first ones.
  var count = select(0u, min(min(shape.split_k, ${TILE.rows}u), m - min(m, m0 + first)), inside.x);
  let last = count;
  if (BIAS && m0 == 0u && first == 0u && inside.x) { count++; }
  for (var i = 0u; i < count; i++) {
    let is_bias = i == last;
    let row = select(shape.weight_row, shape.bias_row, is_bias);
    let h = hyper[row * groups.z + replica];
    if (h.skip != 0u) {
      continue;
    }
    let weight = shape.weight_at + replica * shape.weight_stride + (m0 + first + i) * n;
    let at = own + select(weight, shape.bias_at + replica * shape.bias_stride, is_bias);
    let sums = select(select(sum0_0, sum1_0, i == 1u), select(sum2_0, sum3_0, i == 3u), i > 1u);
    var raw = select(sums, bias_sum, is_bias);
    raw = select(vec4f(raw.x), raw, inside);
    ${around(parts, { load, store, gradient: 'raw' }, '    ')}
  }`;
}

/** The text of a rule's kernel. */
export function emitBackward(parts: RuleParts): string {
  const written = (name: string) => `var<storage, read_write> ${name}: array<f32>`;
  const product: Product = {
    ...WEIGHT_GRADIENT,
    does: `dW = xᵀ·dy and db = Σ_rows dy, with the rule of shaders/optim/${parts.name}.wgsl inside`,
    overrides: ['override BIAS: bool = false;'],
    fields: [...WEIGHT_GRADIENT.fields, 'weight_row', 'bias_row'],
    inputs: ['var<uniform> hyper: array<Hyper, 1024>', ...WEIGHT_GRADIENT.inputs],
    outputs: [written('param'), ...parts.slots.map(({ name }) => written(name))],
    finish: `${parts.own.replace(/^(\/\/.*\n)+\n*/, '').replace(/^@group.*\n/gm, '')}\n\n${CLIP}`,
    bias: false,
    ends: {
      before: 'var bias_sum = vec4f();',
      each: 'if (BIAS && m0 == 0u) { bias_sum += b0; }',
      after: ends(parts),
    },
  };
  return tileKernel(product, TILE);
}
