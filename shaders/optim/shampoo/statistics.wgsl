// Shampoo: the preconditioners, A += X·Xᵀ, of both sides of every matrix at once. Of a diagonal one, only that.

override WORKGROUP: u32 = 64;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  // What is added to the preconditioners, relative to their norms.
  ridge: f32,
  frequency: u32,
  adagrad_eps: f32,
  momentum: f32,
}

// A side of a matrix: [n, m] is the gradient, or its transposed, zeros behind; what follows is in floats, of a replica.
struct Side {
  group: u32,
  // Padded to multiples of 4.
  n: u32,
  m: u32,
  // Too long for a matrix [n, n]: its diagonal.
  diagonal: u32,
  // Where [n, m], its transposed and the preconditioner begin.
  x: u32,
  other: u32,
  a: u32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> preconditioners: array<vec4f>;
@group(0) @binding(3) var<storage, read> sides: array<Side>;
// Side, and which 32 rows and 32 columns of the result: columns from the rows' on, the rest mirrors them.
@group(0) @binding(4) var<storage, read> tiles: array<vec4u>;

// A workgroup for each tile, 4 × 4 of it an invocation. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn statistics(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&tiles)) {
    return;
  }
  let tile = tiles[index];
  let side = sides[tile.x];
  let row = 32u * tile.y + 4u * (lane / 8u);
  let col = 32u * tile.z + 4u * (lane % 8u);
  if (hyper[side.group * groups.z + group.z].skip != 0u || row >= side.n || col >= side.n) {
    return;
  }
  let wide = side.m / 4u;
  let narrow = side.n / 4u;
  let first = group.z * (arrayLength(&x) / groups.z) + side.x / 4u;
  let result_at = group.z * (arrayLength(&preconditioners) / groups.z) + side.a / 4u;
  let r = first + row * wide;
  let c = first + col * wide;
  var all = mat4x4f();
  for (var k = 0u; k < wide; k++) {
    let cols = mat4x4f(x[c + k], x[c + wide + k], x[c + 2u * wide + k], x[c + 3u * wide + k]);
    all[0] += x[r + k] * cols;
    all[1] += x[r + wide + k] * cols;
    all[2] += x[r + 2u * wide + k] * cols;
    all[3] += x[r + 3u * wide + k] * cols;
  }
  if (side.diagonal != 0u) {
    if (row == col) { preconditioners[result_at + row / 4u] += vec4f(all[0].x, all[1].y, all[2].z, all[3].w); }
    return;
  }
  let own = result_at + row * narrow + col / 4u;
  for (var k = 0u; k < 4u; k++) { preconditioners[own + k * narrow] += all[k]; }
  if (tile.y != tile.z) {
    var mirror = transpose(all);
    let other = result_at + col * narrow + row / 4u;
    for (var k = 0u; k < 4u; k++) { preconditioners[other + k * narrow] += mirror[k]; }
  }
}
