/*
 * The loops around a problem's functions. What stands above the marker in a file of shaders/problems is written by hand: the
 * pure functions `value`, `gradient` and `product`, of a point (`alias Point`) or of an element's number. Below it the
 * generator writes bindings and loop, in place, with those helpers that the functions call.
 */

const PROBLEM_MARKER = '// ---- Written by `npm run gen` from here on, the same for every problem. ----';

const BINDINGS = (own: string) =>
  [
    '@group(0) @binding(0) var<uniform> shape: Shape;',
    '@group(0) @binding(1) var<storage, read> param: array<f32>;',
    '@group(0) @binding(2) var<storage, read> direction: array<f32>;',
    '@group(0) @binding(3) var<storage, read_write> grad: array<f32>;',
    '@group(0) @binding(4) var<storage, read_write> result: array<vec2f>;',
    ...(/\bstream\[/.test(own) ? ['@group(0) @binding(5) var<storage, read> stream: array<Stream>;'] : []),
    ...(/\bdata\[/.test(own) ? ['@group(0) @binding(6) var<storage, read> data: array<f32>;'] : []),
  ].map((line, i) => line.replace(/binding\(\d\)/, `binding(${i})`));

const HEAD = (own: string, workgroup: number) => `override WORKGROUP: u32 = ${workgroup};

// n elements of a replica, \`stride\` from one replica's to the next's; with \`product\` the Hessian times \`direction\` is wanted, else
// value and gradient. (As a constant it would be a pipeline more for every problem.)
struct Shape { n: u32, stride: u32, product: u32 }
${/\bstream\[/.test(own) ? 'struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }\n' : ''}
${BINDINGS(own).join('\n')}
`;

const WHAT = `// The value and the gradient at every replica's point, or the Hessian times \`direction\`, and no value. z of the grid is the replica.
//
//   param   [replicas, stride], read      direction  as param, read for a product only
//   grad    as param, written: the gradient, or the product      result  [replicas] (value, 0), written but for a product`;

/** Cosine and sine as precise as the rest: WGSL's own may be 2^-11 off. */
const TURNS = `
// Cosine and sine of 2πt: t is taken to the next quarter, which is exact, and the rest's series is good to the last bit.
fn turns(t: f32) -> vec2f {
  let quarters = round(4.0 * t);
  let a = 6.283185307179586 * (t - 0.25 * quarters);
  let z = a * a;
  let c = 1.0 - 0.5 * z + z * z * ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2);
  let s = a + a * z * ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1);
  let quarter = i32(quarters) & 3;
  let swapped = select(vec2f(c, s), vec2f(-s, c), (quarter & 1) == 1);
  return select(swapped, -swapped, quarter >= 2);
}
`;

/** One lane takes a replica's whole point. */
const POINT = (own: string) => `${HEAD(own, 1)}
${WHAT}
@compute @workgroup_size(WORKGROUP)
fn evaluate(@builtin(workgroup_id) group: vec3u) {
  let base = group.z * shape.stride;
  var p = Point();
  for (var i = 0u; i < shape.n; i++) { p[i] = param[base + i]; }
  var out = Point();
  if (shape.product != 0u) {
    var v = Point();
    for (var i = 0u; i < shape.n; i++) { v[i] = direction[base + i]; }
    out = product(p, v);
  } else {
    out = gradient(p);
    result[group.z] = vec2f(value(p), 0.0);
  }
  for (var i = 0u; i < shape.n; i++) { grad[base + i] = out[i]; }
}
`;

/** A workgroup takes a replica's point, a lane every WORKGROUP-th element. */
const TERMS = (own: string) => `${HEAD(own, 64)}
var<private> replica: u32;
var<private> base: u32;
var<workgroup> sums: array<f32, WORKGROUP>;

fn x(i: u32) -> f32 {
  return param[base + i];
}

fn v(i: u32) -> f32 {
  return direction[base + i];
}
${/\bturns\(/.test(own) ? TURNS : ''}
${WHAT}
// The value is the sum of the elements' shares: each lane adds its own in order, then lane 0 adds the lanes in order.
@compute @workgroup_size(WORKGROUP)
fn evaluate(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  replica = group.z;
  base = replica * shape.stride;
${
  /^fn prepare\(/m.test(own)
    ? '  for (var k = lane; k < PREPARED; k += WORKGROUP) { prepare(k); }\n  workgroupBarrier();\n'
    : ''
}  var sum = 0.0;
  for (var i = lane; i < shape.n; i += WORKGROUP) {
    if (shape.product != 0u) {
      grad[base + i] = product(i);
    } else {
      sum += value(i);
      grad[base + i] = gradient(i);
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && shape.product == 0u) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    result[replica] = vec2f(total, 0.0);
  }
}
`;

/** A problem's whole file. */
export function emitProblem(name: string, code: string): string {
  const own = code.split(PROBLEM_MARKER)[0]!.trimEnd();
  for (const needed of ['value', 'gradient', 'product'])
    if (!new RegExp(`^fn ${needed}\\(`, 'm').test(own)) throw new Error(`shaders/${name}.wgsl has no fn ${needed}`);
  const loop = /^alias Point = /m.test(own) ? POINT : TERMS;
  return `${own}\n\n${PROBLEM_MARKER}\n\n${loop(own)}`;
}
