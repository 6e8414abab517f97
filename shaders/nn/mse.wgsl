// Mean squared error: each row's loss and the gradient at the outputs.
//
// One invocation takes one row:  loss = Σ_j (z_j - t_j)² / n,  dz_j = 2 (z_j - t_j) / (n · valid), so that the batch's
// loss is the mean over all outputs of its valid rows. Rows past `valid` (a short last batch) get loss 0, gradient 0.
//
//   z        [rows, z_stride]  outputs            stream  per replica; `valid` is read
//   targets  [samples, n]      of the data set    batch   sample of each row, [replica, rows]
//   dz       [rows, z_stride]  written            result  (loss, loss) per row, written

// The outputs as a constant, too, for the division: SwiftShader divides by a constant with another last bit.
override N: u32 = 1;
override WORKGROUP: u32 = 32;

struct Shape { rows: u32, n: u32, z_stride: u32, }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<vec2f>;

@compute @workgroup_size(WORKGROUP)
fn loss(
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
  if (row >= valid) {
    for (var j = 0u; j < n; j++) { dz[first + j] = 0.0; }
    result[at] = vec2f();
    return;
  }
  let wanted = batch[at] * n;
  let weight = 2.0 / (f32(n) * f32(valid));
  var sum = 0.0;
  for (var j = 0u; j < n; j++) {
    let d = z[first + j] - targets[wanted + j];
    sum += d * d;
    dz[first + j] = weight * d;
  }
  result[at] = vec2f(sum / f32(N));
}
