// Products of a vector with each vector of a basis, segment by segment: what orthogonalisation needs first.
//
// A segment is SEGMENT quads of a span, which one workgroup takes: lanes take every WORKGROUP-th quad in order, then lane 0
// adds the lanes in order. basis_sums.wgsl adds the segments. The order never changes. z of the grid is the vector of the
// basis; those that are not there yet are 0, and so are their products. Padding is 0.
//
//   basis    [vectors, stride quads]    vector   one of them
//   partial  [vectors, all] this span's segments from `place` on, written

override SEGMENT: u32 = 1024;
override WORKGROUP: u32 = 64;

struct Shape { quads: u32, stride: u32, segments: u32, all: u32, place: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> basis: array<vec4f>;
@group(0) @binding(2) var<storage, read> vector: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn dots(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum nothing, and write nothing.
  let index = group.y * groups.x + group.x;
  let end = select(0u, min((index + 1u) * SEGMENT, shape.quads), index < shape.segments);
  var sum = 0.0;
  for (var i = index * SEGMENT + lane; i < end; i += WORKGROUP) {
    sum += dot(basis[group.z * shape.stride + i], vector[i]);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[group.z * shape.all + shape.place + index] = total;
  }
}
