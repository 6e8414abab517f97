// Shampoo: (root·X)ᵀ of one side of every matrix: with both sides one after the other, L^(-1/4)·G·R^(-1/4).

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
@group(0) @binding(2) var<storage, read> roots: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> sides: array<Side>;
// Side, and which 32 rows and 32 columns of [n, m].
@group(0) @binding(5) var<storage, read> tiles: array<vec4u>;

// A workgroup for each tile, 4 × 4 of it an invocation. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn precondition(
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
  if (hyper[side.group * groups.z + group.z].skip != 0u || row >= side.n || col >= side.m) {
    return;
  }
  let wide = side.m / 4u;
  let narrow = side.n / 4u;
  let replica = group.z * (arrayLength(&x) / groups.z);
  let first = replica + (side.x + col) / 4u;
  let root_at = group.z * (arrayLength(&roots) / groups.z) + side.a / 4u;
  var all = mat4x4f();
  if (side.diagonal != 0u) {
    let root = roots[root_at + row / 4u];
    for (var k = 0u; k < 4u; k++) { all[k] = root[k] * x[first + (row + k) * wide]; }
  } else {
    let r = root_at + row * narrow;
    for (var k = 0u; k < narrow; k++) {
      let at = first + 4u * k * wide;
      let rows = mat4x4f(x[at], x[at + wide], x[at + 2u * wide], x[at + 3u * wide]);
      all[0] += rows * roots[r + k];
      all[1] += rows * roots[r + narrow + k];
      all[2] += rows * roots[r + 2u * narrow + k];
      all[3] += rows * roots[r + 3u * narrow + k];
    }
  }
  var turned = transpose(all);
  let own = replica + (side.other + row) / 4u;
  for (var k = 0u; k < 4u; k++) { result[own + (col + k) * narrow] = turned[k]; }
}
