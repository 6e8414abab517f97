// The second derivative of a loss of residuals d = z - t by the outputs z, applied to a tangent of these (the R-operator):
//
//   R dz_j = bend · R z_j / (n · valid) where |d_j| ≤ delta, else 0
//
// For the squared error bend is 2 and delta the largest number, for Huber's loss 1 and its delta; an absolute error has bend 0.
// One invocation takes one row. Rows past `valid` get 0.
//
//   z, rz    [rows, z_stride]  outputs, their tangents    stream  per replica; `valid` is read
//   targets  [samples, n]      of the data set            batch   sample of each row, [replica, rows]
//   rdz      [rows, z_stride]  written

override WORKGROUP: u32 = 32;

struct Shape { rows: u32, n: u32, z_stride: u32, bend: f32, delta: f32 }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read> rz: array<f32>;
@group(0) @binding(6) var<storage, read_write> rdz: array<f32>;

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
  let weight = shape.bend / (f32(n) * f32(valid));
  for (var j = 0u; j < n; j++) {
    let near = abs(z[first + j] - targets[wanted + j]) <= shape.delta && row < valid;
    rdz[first + j] = select(0.0, weight * rz[first + j], near);
  }
}
