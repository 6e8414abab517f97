// Muon: the end of a Newton-Schulz step, X = a·X + B·X, of every matrix at once; in the first step of s·X.

override WORKGROUP: u32 = 64;
override FIRST: bool = false;

const A = 3.4445;

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
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> inverse: array<f32>;
@group(0) @binding(5) var<storage, read> matrices: array<Matrix>;
// Matrix, and which 32 rows and 32 columns of the result.
@group(0) @binding(6) var<storage, read> tiles: array<vec4u>;

fn factor(matrix: u32, replica: u32) -> f32 {
  return select(1.0, inverse[replica * arrayLength(&matrices) + matrix], FIRST);
}

// A workgroup for each tile, 4 × 4 of it an invocation. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn polynomial(
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
  if (hyper[matrix.group * groups.z + group.z].skip != 0u || row >= matrix.n || col >= matrix.m) {
    return;
  }
  // In vec4s: a row of X and of B, and where this column of X and these rows of B begin.
  let wide = matrix.m / 4u;
  let narrow = matrix.n / 4u;
  let x_at = group.z * (arrayLength(&x) / groups.z) + (matrix.x + col) / 4u;
  let r = group.z * (arrayLength(&b) / groups.z) + matrix.a / 4u + row * narrow;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var k = 0u; k < narrow; k++) {
    let at = x_at + 4u * k * wide;
    let rows = mat4x4f(x[at], x[at + wide], x[at + 2u * wide], x[at + 3u * wide]);
    sum0 += rows * b[r + k];
    sum1 += rows * b[r + narrow + k];
    sum2 += rows * b[r + 2u * narrow + k];
    sum3 += rows * b[r + 3u * narrow + k];
  }
  let s = factor(tile.x, group.z);
  var all = mat4x4f(sum0, sum1, sum2, sum3);
  let own = x_at + row * wide;
  for (var k = 0u; k < 4u; k++) { result[own + k * wide] = s * (A * x[own + k * wide] + all[k]); }
}
