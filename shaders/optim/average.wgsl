// The average of the weights over the updates: average += w·(p - average), after an update that was applied. One dispatch
// per arena, z of the grid is the replica; an invocation takes four floats at a time, grid-stride.
//
// Which updates take part follows from the clock's `count` alone (there is no counter of its own): number `start`, counted
// from 1, and every `every`-th after it; those before it put the parameters themselves into the average. The first that
// takes part has w = 1. Update n (from 0) of those that do:
//   EQUAL     w = 1 / (n + 1): the equal average of all of them. Both are whole numbers, exact in f32 up to 2^24
//   DEBIAS    w = (1 - decay) / (1 - decay^(n+1)): the exponential average from 0, corrected for its start
//   neither   w = 1 - decay
// `weight` is 1 - decay, formed on the host in float64. 1 - decay^k is put together from 1 - decay^(2^i), which `reach`
// has, also from float64: 1 - ab = (1 - a) + a (1 - b), a sum of positive numbers, so each bit of k costs two roundings.
//
//   clock  per replica, after `advance`      param, average  [replicas, quads], the second updated in place
//   reach  [32] 1 - decay^(2^i), with DEBIAS

override EQUAL: bool = false;
override DEBIAS: bool = false;
override WORKGROUP: u32 = 64;

// `quads` of one replica.
struct Shape { quads: u32, start: u32, every: u32, weight: f32 }

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<Clock>;
@group(0) @binding(2) var<storage, read> param: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(4) var<storage, read> reach: array<f32>;

// 1 - decay^exponent
fn reach_of(exponent: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < 32u && (exponent >> i) != 0u; i++) {
    if (((exponent >> i) & 1u) != 0u) { sum += (1.0 - sum) * reach[i]; }
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn take(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let now = clock[id.z];
  // Only what was applied; `count` is the update's number, counted from 1.
  if (now.fate != 0u) {
    return;
  }
  let before = now.count < shape.start;
  let since = now.count - shape.start;
  if (!before && since % shape.every != 0u) {
    return;
  }
  let taken = since / shape.every;
  let first = before || taken == 0u;
  var weight = shape.weight;
  if (DEBIAS && !first) { weight /= reach_of(taken + 1u); }
  for (var i = id.x; i < shape.quads; i += groups.x * WORKGROUP) {
    let at = id.z * shape.quads + i;
    let p = param[at];
    let now_at = average[at];
    var next = p;
    if (!first) {
      if (EQUAL) {
        next = now_at + (p - now_at) / f32(taken + 1u);
      } else {
        next = now_at + weight * (p - now_at);
      }
    }
    average[at] = next;
  }
}
