// total += g over a range: gradient accumulation over micro-steps.
//
// One invocation takes one element at a time, grid-stride. The gradient may be cleared in passing (ZERO).
//
//   grad   f32, or i32 in units of `unit` (FIXED), from element `first` of the binding on
//   total  f32, from its start; updated in place. An element that was not usable once (see norm.wgsl; on its bits, before
//          any arithmetic) is NaN until the sum is spent, so that two bad ones cannot cancel

override FIXED: bool = false;
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

struct Range { first: u32, count: u32, unit: f32, spare: u32 }

@group(0) @binding(0) var<uniform> bounds: Range;
@group(0) @binding(1) var<storage, read_write> grad: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<u32>;

const TOO_LARGE = 0x5f0ac723u;
const NAN = 0x7fc00000u;

fn usable(bits: u32) -> bool {
  return (bits & 0x7fffffffu) < TOO_LARGE;
}

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < bounds.count; i += groups.x * WORKGROUP) {
    let at = bounds.first + i;
    let bits = grad[at];
    if (ZERO) { grad[at] = 0u; }
    let so_far = total[i];
    if (FIXED) {
      total[i] = bitcast<u32>(bitcast<f32>(so_far) + f32(bitcast<i32>(bits)) * bounds.unit);
    } else if (usable(bits) && usable(so_far)) {
      total[i] = bitcast<u32>(bitcast<f32>(so_far) + bitcast<f32>(bits));
    } else {
      total[i] = NAN;
    }
  }
}
