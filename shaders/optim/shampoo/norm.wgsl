// Shampoo: F, a bound of the eigenvalues of every preconditioner: the largest sum of magnitudes in a row.

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
@group(0) @binding(1) var<storage, read> preconditioners: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;
@group(0) @binding(3) var<storage, read> sides: array<Side>;

// Roots are computed anew every `frequency` updates, and at each of the first ones.
fn due(h: Hyper) -> bool {
  return h.skip == 0u && (h.count < h.frequency || h.count % h.frequency == 0u);
}

var<workgroup> lanes: array<f32, WORKGROUP>;

// A workgroup for each side, lanes every WORKGROUP-th row of it. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they take the last side again, and do not write it.
  let index = group.y * groups.x + group.x;
  let count = arrayLength(&sides);
  let side = sides[min(index, count - 1u)];
  let live = index < count && due(hyper[side.group * groups.z + group.z]);
  let first = group.z * (arrayLength(&preconditioners) / groups.z) + side.a / 4u;
  let quads = select(side.n / 4u, 1u, side.diagonal != 0u);
  let rows = select(side.n, side.n / 4u, side.diagonal != 0u);
  var most = 0.0;
  for (var row = lane; live && row < rows; row += WORKGROUP) {
    var sum = vec4f();
    for (var k = 0u; k < quads; k++) { sum += abs(preconditioners[first + row * quads + k]); }
    let largest = max(max(sum.x, sum.y), max(sum.z, sum.w));
    most = max(most, select(sum.x + sum.y + sum.z + sum.w, largest, side.diagonal != 0u));
  }
  lanes[lane] = most;
  workgroupBarrier();
  if (lane == 0u && live) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total = max(total, lanes[i]); }
    norms[group.z * count + index] = total;
  }
}
