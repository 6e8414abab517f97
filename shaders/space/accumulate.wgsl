// total += g over a span: gradient accumulation over micro-steps. The first of them overwrites what stood there.
//
// One invocation takes one element at a time, grid-stride; z of the grid is the replica. The gradient may be cleared in
// passing (ZERO).
//
// Of a span's elements those from `begin` on, up to `elements`, are added up.
//
//   grad   f32, or i32 in units of `unit` (FIXED), element 0 at `first` of the binding (modulo 2^32), replicas `stride` apart
//   total  f32, replicas `stride` apart; updated in place. An element that was not usable once (see norm.wgsl; on its
//          bits, before any arithmetic) is NaN until the sum is spent, so that two bad ones cannot cancel
//   clock  per replica, of `advance`; where it is halted the sum stays as it is

override FIXED: bool = false;
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { begin: u32, elements: u32, first: u32, stride: u32, unit: f32 }

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> grad: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<u32>;
@group(0) @binding(3) var<storage, read> clock: array<Clock>;

const TOO_LARGE = 0x5f0ac723u;
const NAN = 0x7fc00000u;
const HALTED = 4u;

fn usable(bits: u32) -> bool {
  return (bits & 0x7fffffffu) < TOO_LARGE;
}

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let replica = id.z;
  if ((clock[replica].fault & HALTED) != 0u) {
    return;
  }
  let keep = clock[replica].micro != 0u;
  for (var i = shape.begin + id.x; i < shape.elements; i += groups.x * WORKGROUP) {
    let from_grad = shape.first + replica * shape.stride + i;
    let to = replica * shape.stride + i;
    let bits = grad[from_grad];
    if (ZERO) { grad[from_grad] = 0u; }
    let so_far = select(0u, total[to], keep);
    if (FIXED) {
      total[to] = bitcast<u32>(bitcast<f32>(so_far) + f32(bitcast<i32>(bits)) * shape.unit);
    } else if (usable(bits) && usable(so_far)) {
      total[to] = bitcast<u32>(bitcast<f32>(so_far) + bitcast<f32>(bits));
    } else {
      total[to] = NAN;
    }
  }
}
