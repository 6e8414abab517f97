// Gradient centralisation (Yong et al. 2020): from the gradient of a matrix the mean over all but the output axis is taken off,
// in place: g[i, o] -= mean over i of g[i, o]. One dispatch per matrix; a workgroup takes COLUMNS outputs, whose lanes add every
// SHARE-th element in order, then each adds the shares in order: the same bits every time. z of the grid is the replica.
//
//   grad  f32, replicas `stride` apart; element (i, o) of the matrix at first + i·inner + o·outer

override COLUMNS: u32 = 16;
override SHARE: u32 = 4;

struct Shape { first: u32, stride: u32, inputs: u32, outputs: u32, inner: u32, outer: u32, inverse: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> grad: array<f32>;

var<workgroup> sums: array<f32, COLUMNS * SHARE>;

@compute @workgroup_size(COLUMNS, SHARE)
fn centralize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let output = (group.y * groups.x + group.x) * COLUMNS + local.x;
  // A folded grid may have workgroups to spare, and the last one columns: they take nothing.
  let inputs = select(0u, shape.inputs, output < shape.outputs);
  let begin = shape.first + group.z * shape.stride + output * shape.outer;
  var sum = 0.0;
  for (var i = local.y; i < inputs; i += SHARE) { sum += grad[begin + i * shape.inner]; }
  sums[local.y * COLUMNS + local.x] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var share = 0u; share < SHARE; share++) { total += sums[share * COLUMNS + local.x]; }
  let mean = total * shape.inverse;
  for (var i = local.y; i < inputs; i += SHARE) { grad[begin + i * shape.inner] -= mean; }
}
