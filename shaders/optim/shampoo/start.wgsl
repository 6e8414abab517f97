// Shampoo, before the Newton steps: M = A/F + ridge·I, X = I; of a diagonal preconditioner the root, (A + ridge·F)^(-1/4).

override WORKGROUP: u32 = 64;

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
@group(0) @binding(1) var<storage, read> preconditioners: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> roots: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(5) var<storage, read> norms: array<f32>;
@group(0) @binding(6) var<storage, read> sides: array<Side>;
// Side, and which 32 rows and 32 columns of the result: columns from the rows' on, the rest mirrors them.
@group(0) @binding(7) var<storage, read> tiles: array<vec4u>;

// Roots are computed anew every `frequency` updates, and at each of the first ones.
fn due(h: Hyper) -> bool {
  return h.skip == 0u && (h.count < h.frequency || h.count % h.frequency == 0u);
}

// A workgroup for each tile, 4 × 4 of it an invocation. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn start(
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
  let h = hyper[side.group * groups.z + group.z];
  if (!due(h) || row >= side.n || col >= side.n) {
    return;
  }
  let norm = norms[group.z * arrayLength(&sides) + tile.x];
  // Without any gradient so far, or none whose square is a normal number, there is nothing to scale.
  let inverse = select(0.0, 1.0 / norm, norm >= SMALLEST);
  let first = group.z * (arrayLength(&preconditioners) / groups.z) + side.a / 4u;
  let unit = mat4x4f(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0);
  if (side.diagonal != 0u) {
    let scaled = inverse * preconditioners[first + row / 4u] + h.ridge;
    if (row == col) { roots[first + row / 4u] = sqrt(sqrt(inverse)) / sqrt(sqrt(scaled)); }
    return;
  }
  let narrow = side.n / 4u;
  var eye = unit * select(0.0, 1.0, row == col);
  for (var k = 0u; k < 4u; k++) {
    let own = first + (row + k) * narrow + col / 4u;
    m[own] = inverse * preconditioners[own] + h.ridge * eye[k];
    x[own] = eye[k];
  }
  if (tile.y != tile.z) {
    for (var k = 0u; k < 4u; k++) {
      let own = first + (col + k) * narrow + row / 4u;
      m[own] = inverse * preconditioners[own];
      x[own] = vec4f();
    }
  }
}
