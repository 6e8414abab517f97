// The values of a round's points, as whoever records their evaluation left them, where a minimizer looks for them: at the step that
// their clocks say. One lane for each point.
//
//   given   [points, 64] the first of 64 is the value     clock   per point, as it stands behind this round
//   values  [ring, points] (bits of the value, updates before it), written

override WORKGROUP: u32 = 64;

struct Shape { points: u32, ring: u32 }
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<Clock>;
@group(0) @binding(2) var<storage, read> given: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<vec2u>;

const HALTED = 4u;

@compute @workgroup_size(WORKGROUP)
fn take_values(@builtin(local_invocation_index) point: u32) {
  if (point >= shape.points || (clock[point].fault & HALTED) != 0u) {
    return;
  }
  let place = (clock[point].step - 1u) % shape.ring;
  values[place * shape.points + point] = vec2u(given[64u * point], clock[point].count - 1u);
}
