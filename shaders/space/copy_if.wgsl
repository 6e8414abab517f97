// copy = source over a span, in those replicas whose flag is not 0. As bits, so that nothing is lost on the way.
//
// One invocation takes one vec4 at a time, grid-stride; z of the grid is the replica.
//
//   flags   one word per replica, `flag_stride` words apart from word `flag` on
//   source  `quads` vec4s per replica, one replica after another      copy  the same, written

override WORKGROUP: u32 = 64;

struct Shape { quads: u32, flag: u32, flag_stride: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> flags: array<u32>;
@group(0) @binding(2) var<storage, read> source: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> copy: array<vec4u>;

@compute @workgroup_size(WORKGROUP)
fn copy_if(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (flags[shape.flag + id.z * shape.flag_stride] == 0u) {
    return;
  }
  for (var i = id.x; i < shape.quads; i += groups.x * WORKGROUP) {
    copy[id.z * shape.quads + i] = source[id.z * shape.quads + i];
  }
}
