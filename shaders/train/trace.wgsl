// Where every replica is after a step, into a record of a whole way: one entry for each step, read once at its end.
//
//   clock  per replica, after the step: `step` is the entry      param  replicas `stride` apart, read
//   trace  [entries, replicas, n], written; what lies behind the last entry is left out

override WORKGROUP: u32 = 64;

struct Shape { n: u32, stride: u32, entries: u32 }
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<Clock>;
@group(0) @binding(2) var<storage, read> param: array<f32>;
@group(0) @binding(3) var<storage, read_write> trace: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn take(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  let entry = clock[group.z].step;
  if (i < shape.n && entry < shape.entries) {
    trace[(entry * groups.z + group.z) * shape.n + i] = param[group.z * shape.stride + i];
  }
}
