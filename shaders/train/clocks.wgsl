// Clocks of several optimizers, each of some replicas, and one range with those of all, in the order of the replica axis.
//
// After the updates `all` gets a copy of each, for whoever goes by every replica's. After a validation, which may halt replicas in
// `all`, BACK brings that bit to the optimizers. One invocation takes one clock.
//
//   place  [replicas] where each replica's clock is in `own`      all  [replicas]

override BACK: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { replicas: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> place: array<u32>;
// As bits: a norm may be a NaN.
@group(0) @binding(2) var<storage, read_write> own: array<array<u32, 8>>;
@group(0) @binding(3) var<storage, read_write> all: array<array<u32, 8>>;

// Words of a clock, and which of them is `fault`.
const WORDS = 8u;
const FAULT = 2u;
const HALTED = 4u;

@compute @workgroup_size(WORKGROUP)
fn clocks(@builtin(global_invocation_id) id: vec3u) {
  let replica = id.x;
  if (replica >= shape.replicas) {
    return;
  }
  let at = place[replica];
  if (BACK) {
    own[at][FAULT] |= all[replica][FAULT] & HALTED;
    return;
  }
  for (var i = 0u; i < WORDS; i++) { all[replica][i] = own[at][i]; }
}
