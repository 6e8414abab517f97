// Points of a plane, one for each replica: out = c·base + a·x + b·y, elementwise.
//
// One invocation takes one vec4 at a time, grid-stride; z of the grid is the replica. A vector whose coefficient is 0 is left
// out, and base stays as it is where c is 1: the point (1, 0, 0) is base bit for bit, whatever the others hold.
//
//   points  per replica (c, a, b, 0)
//   base, x, y  `quads` vec4s, for all replicas       result  `quads` vec4s per replica, one replica after another, written

override WORKGROUP: u32 = 64;

struct Shape { quads: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> points: array<vec4f>;
@group(0) @binding(2) var<storage, read> base: array<vec4f>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> result: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn plane(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = points[id.z];
  for (var i = id.x; i < shape.quads; i += groups.x * WORKGROUP) {
    var p = vec4f();
    if (at.x == 1.0) { p = base[i]; } else if (at.x != 0.0) { p = at.x * base[i]; }
    if (at.y != 0.0) { p += at.y * x[i]; }
    if (at.z != 0.0) { p += at.z * y[i]; }
    result[id.z * shape.quads + i] = p;
  }
}
