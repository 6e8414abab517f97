// total += g over rows: gradient accumulation over micro-steps, as accumulate.wgsl, for fields of records that lie at
// strides. The sum is dense, one field after another. Every row is added, active or not: who takes part is decided when the
// sum is spent.
//
//   grad   f32, or i32 in a field's unit; cleared in passing with ZERO
//   total  f32, laid out as the state is
//   clock  of `advance`; where it is halted the sum stays as it is
//   table  of the update over rows (src/kernels/rows.ts)

override ZERO: bool = false;
override WORKGROUP: u32 = 64;

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<storage, read_write> grad: array<u32>;
@group(0) @binding(1) var<storage, read_write> total: array<u32>;
@group(0) @binding(2) var<storage, read> clock: array<Clock>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

const TOO_LARGE = 0x5f0ac723u;
const NAN = 0x7fc00000u;
const HALTED = 4u;
const FIELDS = 8u;
const WORDS = 16u;

fn usable(bits: u32) -> bool {
  return (bits & 0x7fffffffu) < TOO_LARGE;
}

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if ((clock[0].fault & HALTED) != 0u) {
    return;
  }
  let keep = clock[0].micro != 0u;
  for (var f = FIELDS; table[f + 1u] != 0u; f += WORDS) {
    let width = table[f + 1u];
    let unit = bitcast<f32>(table[f + 8u]);
    for (var i = id.x; i < table[0] * width; i += groups.x * WORKGROUP) {
      let from_grad = table[f + 4u] + i / width * table[f + 5u] + i % width;
      let to = table[f + 6u] + i;
      let bits = grad[from_grad];
      if (ZERO) { grad[from_grad] = 0u; }
      let so_far = select(0u, total[to], keep);
      if (unit != 0.0) {
        total[to] = bitcast<u32>(bitcast<f32>(so_far) + f32(bitcast<i32>(bits)) * unit);
      } else if (usable(bits) && usable(so_far)) {
        total[to] = bitcast<u32>(bitcast<f32>(so_far) + bitcast<f32>(bits));
      } else {
        total[to] = NAN;
      }
    }
  }
}
