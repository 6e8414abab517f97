// result = vector / ‖vector‖, of the square of its norm; 0 where that is 0. One invocation takes four elements.
//
//   vector, result  one vector each    square  its norm's, one f32

override WORKGROUP: u32 = 64;

struct Shape { quads: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> vector: array<vec4f>;
@group(0) @binding(2) var<storage, read> square: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn unit(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  if (i >= shape.quads) {
    return;
  }
  let n = square[0];
  result[i] = vector[i] * select(0.0, 1.0 / sqrt(n), n > 0.0);
}
