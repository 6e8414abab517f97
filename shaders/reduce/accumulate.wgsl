// total += g over a range: gradient accumulation over micro-steps.
//
// One invocation takes one element at a time, grid-stride. The gradient may be cleared in passing (ZERO).
//
//   grad   f32, or i32 in units of `unit` (FIXED), from element `first` of the binding on
//   total  f32, from its start; updated in place

override FIXED: bool = false;
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

struct Range { first: u32, count: u32, unit: f32, spare: u32 }

@group(0) @binding(0) var<uniform> bounds: Range;
@group(0) @binding(1) var<storage, read_write> grad: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < bounds.count; i += groups.x * WORKGROUP) {
    let at = bounds.first + i;
    let bits = grad[at];
    if (ZERO) { grad[at] = 0u; }
    var g = bitcast<f32>(bits);
    if (FIXED) { g = f32(bitcast<i32>(bits)) * bounds.unit; }
    total[i] += g;
  }
}
