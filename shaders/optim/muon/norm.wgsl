// Muon, in the first Newton-Schulz step: 1 / (‖X‖ + eps) of every matrix. ‖X‖² is the sum of the diagonal of X·Xᵀ.

override WORKGROUP: u32 = 64;

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
@group(0) @binding(1) var<storage, read> gram: array<f32>;
@group(0) @binding(2) var<storage, read_write> inverse: array<f32>;
@group(0) @binding(3) var<storage, read> matrices: array<Matrix>;

var<workgroup> lanes: array<f32, WORKGROUP>;

// A workgroup for each matrix: lanes take every WORKGROUP-th row, then lane 0 adds the lanes in order. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last matrix again, and do not write it.
  let index = group.y * groups.x + group.x;
  let count = arrayLength(&matrices);
  let matrix = matrices[min(index, count - 1u)];
  let first = group.z * (arrayLength(&gram) / groups.z) + matrix.a;
  var sum = 0.0;
  for (var i = lane; i < matrix.n; i += WORKGROUP) { sum += gram[first + i * (matrix.n + 1u)]; }
  lanes[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < count) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += lanes[i]; }
    inverse[group.z * count + index] = 1.0 / (sqrt(total) + hyper[matrix.group * groups.z + group.z].eps);
  }
}
