// vector -= Σ_j sums_j · basis_j: what is left is orthogonal to the basis, up to rounding. One invocation takes four elements.
//
//   basis  [vectors, stride quads]    sums  [vectors]    vector  one of them, updated in place

override WORKGROUP: u32 = 64;

struct Shape { quads: u32, stride: u32, vectors: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> basis: array<vec4f>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> vector: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn subtract(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  if (i >= shape.quads) {
    return;
  }
  var sum = vec4f();
  for (var j = 0u; j < shape.vectors; j++) { sum += sums[j] * basis[j * shape.stride + i]; }
  vector[i] -= sum;
}
