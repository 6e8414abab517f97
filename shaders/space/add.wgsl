// goal = scale · source, or with ONTO goal += scale · source, element by element: sums of vectors, and of the matrices of
// a batch. One invocation takes four elements; z of the grid is the replica, which lies `stride` quads behind the one before.

override ONTO: bool = false;
override WORKGROUP: u32 = 64;

// `quads`: four elements each.
struct Shape { quads: u32, stride: u32, scale: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> goal: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn add(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  if (i >= shape.quads) {
    return;
  }
  let at = group.z * shape.stride + i;
  var sum = shape.scale * source[at];
  if (ONTO) { sum += goal[at]; }
  goal[at] = sum;
}
