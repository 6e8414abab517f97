// Muon: products of rows with rows, symmetric, of every matrix at once.
//
//   A = X·Xᵀ                                SQUARE off
//   B = b·A + c·A·A, as A·A = A·Aᵀ          SQUARE; in the first step of s²·A, s = 1 / (‖X‖ + eps)

override WORKGROUP: u32 = 64;
override FIRST: bool = false;
override SQUARE: bool = false;

const B = -4.775;
const C = 2.0315;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  // 1: Nesterov's momentum; 2: the rate that matches AdamW's.
  options: u32,
  momentum_c: f32,
  eps: f32,
  adamw_step: f32,
  adamw_beta1_c: f32,
  adamw_beta2_c: f32,
  adamw_v_scale: f32,
  adamw_eps: f32,
  adamw_decay: f32,
}

// A parameter [rows, cols] as products have it: [n, m], n <= m, multiples of 4, zeros behind; transposed where rows > cols.
struct Matrix {
  group: u32,
  rows: u32,
  cols: u32,
  n: u32,
  m: u32,
  // First float in X, and in what is [n, n].
  x: u32,
  a: u32,
  // √max(1, cols/rows), and 0.2·√max(rows, cols).
  original: f32,
  matched: f32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read> matrices: array<Matrix>;
// Matrix, and which 32 rows and 32 columns of the result: columns from the rows' on, the rest mirrors them.
@group(0) @binding(5) var<storage, read> tiles: array<vec4u>;

fn load(at: u32, scale: f32) -> vec4f {
  if (FIRST) { return scale * source[at]; }
  return source[at];
}

// A workgroup for each tile, 4 × 4 of it an invocation. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn gram(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&tiles)) {
    return;
  }
  let tile = tiles[index];
  let matrix = matrices[tile.x];
  let row = 32u * tile.y + 4u * (lane / 8u);
  let col = 32u * tile.z + 4u * (lane % 8u);
  if (hyper[matrix.group * groups.z + group.z].skip != 0u || row >= matrix.n || col >= matrix.n) {
    return;
  }
  // In vec4s: a row of the source and of the result, where both begin, and where these rows do.
  let wide = select(matrix.m, matrix.n, SQUARE) / 4u;
  let narrow = matrix.n / 4u;
  let source_at = group.z * (arrayLength(&source) / groups.z) + select(matrix.x, matrix.a, SQUARE) / 4u;
  let result_at = group.z * (arrayLength(&result) / groups.z) + matrix.a / 4u;
  let r = source_at + row * wide;
  let c = source_at + col * wide;
  let s = inverse[group.z * arrayLength(&matrices) + tile.x];
  let scale = s * s;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var k = 0u; k < wide; k++) {
    let cols = mat4x4f(
      load(c + k, scale),
      load(c + wide + k, scale),
      load(c + 2u * wide + k, scale),
      load(c + 3u * wide + k, scale),
    );
    sum0 += load(r + k, scale) * cols;
    sum1 += load(r + wide + k, scale) * cols;
    sum2 += load(r + 2u * wide + k, scale) * cols;
    sum3 += load(r + 3u * wide + k, scale) * cols;
  }
  var all = mat4x4f(sum0, sum1, sum2, sum3);
  if (SQUARE) {
    let old = r + col / 4u;
    let linear = mat4x4f(
      load(old, scale),
      load(old + wide, scale),
      load(old + 2u * wide, scale),
      load(old + 3u * wide, scale),
    );
    all = B * linear + C * all;
  }
  let own = result_at + row * narrow + col / 4u;
  for (var k = 0u; k < 4u; k++) { result[own + k * narrow] = all[k]; }
  if (tile.y != tile.z) {
    var mirror = transpose(all);
    let other = result_at + col * narrow + row / 4u;
    for (var k = 0u; k < 4u; k++) { result[other + k * narrow] = mirror[k]; }
  }
}
