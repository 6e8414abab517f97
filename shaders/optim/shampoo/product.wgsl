// Shampoo: a product of symmetric matrices that commute, of every preconditioner at once. A step of the coupled Newton iteration
// for M^(-1/4), of which X keeps the product, is T = (5·I - M)/4, X = X·T, M = T⁴·M: four of these.
//
//   result = left·right, of M in place of T where LEFT or RIGHT says so; ROOT: times F^(-1/4)
//
// Guo & Higham 2006, A Schur-Newton method for the matrix pth root and its inverse.

override WORKGROUP: u32 = 64;
override LEFT: bool = false;
override RIGHT: bool = false;
override ROOT: bool = false;

const SMALLEST = 1.1754944e-38;

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
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> norms: array<f32>;
@group(0) @binding(5) var<storage, read> sides: array<Side>;
// Side, and which 32 rows and 32 columns of the result: columns from the rows' on, the rest mirrors them.
@group(0) @binding(6) var<storage, read> tiles: array<vec4u>;

// Roots are computed anew every `frequency` updates, and at each of the first ones.
fn due(h: Hyper) -> bool {
  return h.skip == 0u && (h.count < h.frequency || h.count % h.frequency == 0u);
}

// T = (5·I - M)/4; `diagonal` counts columns from the four's first.
fn turned(values: vec4f, diagonal: u32) -> vec4f {
  return 1.25 * vec4f(vec4u(0u, 1u, 2u, 3u) == vec4u(diagonal)) - 0.25 * values;
}

fn load_left(at: u32, row: u32, k: u32) -> vec4f {
  if (LEFT) { return turned(left[at + k], row - 4u * k); }
  return left[at + k];
}

fn load_right(at: u32, row: u32, k: u32) -> vec4f {
  if (RIGHT) { return turned(right[at + k], row - 4u * k); }
  return right[at + k];
}

// A workgroup for each tile, 4 × 4 of it an invocation. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn product(
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
  if (side.diagonal != 0u || !due(hyper[side.group * groups.z + group.z]) || row > col || col >= side.n) {
    return;
  }
  let narrow = side.n / 4u;
  let first = group.z * (arrayLength(&result) / groups.z) + side.a / 4u;
  let r = first + row * narrow;
  let c = first + col * narrow;
  var all = mat4x4f();
  for (var k = 0u; k < narrow; k++) {
    let cols = mat4x4f(
      load_right(c, col, k),
      load_right(c + narrow, col + 1u, k),
      load_right(c + 2u * narrow, col + 2u, k),
      load_right(c + 3u * narrow, col + 3u, k),
    );
    all[0] += load_left(r, row, k) * cols;
    all[1] += load_left(r + narrow, row + 1u, k) * cols;
    all[2] += load_left(r + 2u * narrow, row + 2u, k) * cols;
    all[3] += load_left(r + 3u * narrow, row + 3u, k) * cols;
  }
  if (ROOT) {
    let norm = norms[group.z * arrayLength(&sides) + tile.x];
    all *= select(0.0, inverseSqrt(sqrt(norm)), norm >= SMALLEST);
  }
  // Symmetric to the bit: what is not would grow from step to step.
  var mirror = transpose(all);
  if (row == col) {
    all = 0.5 * (all + mirror);
    mirror = all;
  }
  let own = r + col / 4u;
  let other = c + row / 4u;
  for (var k = 0u; k < 4u; k++) {
    result[own + k * narrow] = all[k];
    result[other + k * narrow] = mirror[k];
  }
}
