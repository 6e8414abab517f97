// Muon, first pass: momentum of every matrix, and X, what is to be made orthogonal.
//
//   b = momentum·b + (1-momentum)·g
//   x = momentum·b + (1-momentum)·g with Nesterov's momentum, else b
//
// From the host: momentum_c = 1-momentum. Jordan 2024, https://kellerjordan.github.io/posts/muon/.

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

// Up to 4,096 elements of a matrix from `start` on, and where they are, in vec4s.
struct Segment { matrix: u32, start: u32, count: u32, param: u32, state: u32 }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momentum_buffer: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read> matrices: array<Matrix>;
@group(0) @binding(6) var<storage, read> segments: array<Segment>;

// A workgroup takes a segment, lanes every WORKGROUP-th vec4 of it. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&segments)) {
    return;
  }
  let segment = segments[index];
  let matrix = matrices[segment.matrix];
  let h = hyper[matrix.group * groups.z + group.z];
  if (h.skip != 0u) {
    return;
  }
  let param_at = group.z * (arrayLength(&param) / groups.z) + segment.param;
  let state_at = group.z * (arrayLength(&momentum_buffer) / groups.z) + segment.state;
  let x_at = group.z * (arrayLength(&x) / groups.z) + matrix.x;
  // From one column, and one row, to the next.
  let steps = select(vec2u(1u, matrix.m), vec2u(matrix.m, 1u), matrix.rows > matrix.cols);
  for (var i = lane; 4u * i < segment.count; i += WORKGROUP) {
    let g = clip(h.grad_scale * grad[param_at + i], h.clip_value) + h.l2 * param[param_at + i];
    let old = momentum_buffer[state_at + i];
    // Without a memory the form would lose a g far below the old b.
    let b = select(old + h.momentum_c * (g - old), g, h.momentum_c == 1.0);
    momentum_buffer[state_at + i] = b;
    let u = select(b, b + h.momentum_c * (g - b), (h.options & 1u) != 0u);
    for (var k = 0u; k < min(segment.count - 4u * i, 4u); k++) {
      let element = segment.start + 4u * i + k;
      let at = vec2u(element % matrix.cols, element / matrix.cols) * steps;
      x[x_at + at.x + at.y] = u[k];
    }
  }
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}
