// The second derivative of binary cross-entropy by the logits, applied to a tangent of these (the R-operator):
//
//   R dz_j = (1 - t_j + w_j t_j) σ(z_j) σ(-z_j) R z_j / (n · valid)
//
// where w_j is what a target of 1 weighs. One invocation takes one row. Rows past `valid` get 0.
//
//   z, rz    [rows, z_stride]  outputs, their tangents    stream  per replica; `valid` is read
//   targets  [samples, n]      of the data set            batch   sample of each row, [replica, rows]
//   weights  one per output (WEIGHTED)                    rdz     [rows, z_stride]  written

override WEIGHTED: bool = false;
override WORKGROUP: u32 = 32;

struct Shape { rows: u32, n: u32, z_stride: u32, }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read> rz: array<f32>;
@group(0) @binding(7) var<storage, read_write> rdz: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn product(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  let replica = group.z;
  let n = shape.n;
  if (row >= shape.rows) {
    return;
  }
  let at = replica * shape.rows + row;
  let first = at * shape.z_stride;
  let valid = stream[replica].valid;
  let wanted = batch[at] * n;
  let unit = 1.0 / (f32(n) * f32(valid));
  for (var j = 0u; j < n; j++) {
    let t = targets[wanted + j];
    var yes = t;
    if (WEIGHTED) { yes *= weights[j]; }
    // Below -87 the exponential is 0 in f32 to within its smallest number.
    let far = abs(z[first + j]);
    let u = exp(-select(far, 87.0, far > 87.0));
    let bend = u / ((1.0 + u) * (1.0 + u));
    rdz[first + j] = select(unit * (1.0 - t + yes) * bend * rz[first + j], 0.0, row >= valid);
  }
}
