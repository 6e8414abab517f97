// The sums of what basis_dots.wgsl left: one workgroup takes a vector of the basis, z of the grid. Lanes take every
// WORKGROUP-th segment in order, then lane 0 adds the lanes in order.
//
//   partial  [vectors, all]    sums  [vectors], written

override WORKGROUP: u32 = 64;

struct Shape { all: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

var<workgroup> lanes: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn add_up(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < shape.all; i += WORKGROUP) { sum += partial[group.z * shape.all + i]; }
  lanes[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += lanes[i]; }
    sums[group.z] = total;
  }
}
