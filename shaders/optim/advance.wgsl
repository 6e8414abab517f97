// The clock of a step: one workgroup per replica, run just before the update.
//
// It copies the records of per-step scalars for update number `count` from the ring into `hyper`, having checked that
// they carry that number (a stale record would be a silent wrong step: it is flagged in `fault` and the update left out),
// folds the clip factor into them, decides what becomes of the step (`fate`), and counts. `step` counts every attempt,
// `count` the updates that were applied. So every step's commands are identical, whatever happens in it. Once a validation
// has halted the clock (judge.wgsl), a step is none: it leaves everything out and counts nothing.
//
//   clock    per replica                                   ring   [ring, groups, replicas] records of 16 words
//   hyper    [groups, replicas] records, read by `update`  begins [groups + 1] first segment of each group
//   partial  [replicas, segments] of the norm kernel

override CLIP: u32 = 0; // 1 by the global norm, 2 by each group's
override OPTAX: bool = false;
// Leave out steps with unusable gradients; after shape.max_streak in a row, all.
override SKIP: bool = false;
// Somebody asks for the gradient's norm. Most do not: SwiftShader compiles the rest in a third of the time.
override NORM: bool = true;
override WORKGROUP: u32 = 64;

struct Shape {
  groups: u32,
  // Updates whose records the ring holds.
  ring: u32,
  // Segments that the gradient's norm was summed in.
  segments: u32,
  // Micro-steps whose gradients make one update.
  micro: u32,
  max_streak: u32,
  // What an element of the gradient counts: the absolute value of its scale.
  unit: f32,
  max_norm: f32,
}

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32,
  // What this step did: 0 an update, 1 nothing, 2 it waits for the rest of the micro-steps.
  fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(2) var<storage, read> ring: array<u32>;
@group(0) @binding(3) var<storage, read_write> hyper: array<u32>;
@group(0) @binding(4) var<storage, read> partial: array<vec4f>;
@group(0) @binding(5) var<storage, read> begins: array<u32>;

const WORDS = 16u;
const APPLY = 0u;
const LEAVE = 1u;
const WAIT = 2u;
// Bits of `fault`.
const STALE = 1u;
const STOPPED = 2u;
const HALTED = 4u;

// Per lane: its part of the sum of squares, of squares of what is small (norm.wgsl), of unusable elements.
var<workgroup> sums: array<vec3f, WORKGROUP>;

// The norm from both sums of squares: below 2^-70 no element had 2^-35, and all are in the sum of those times 2^64.
fn norm_of(sum: vec2f) -> f32 {
  if (sum.x < 0x1p-70f) {
    return sqrt(sum.y) * 0x1p-64f * shape.unit;
  }
  return sqrt(sum.x) * shape.unit;
}

// The factor that brings a norm down to max_norm: PyTorch's min(1, c / (n + 1e-6)), or optax's, which leaves alone what
// is smaller.
fn clip_factor(norm: f32) -> f32 {
  if (OPTAX) {
    return select(shape.max_norm / norm, 1.0, norm < shape.max_norm);
  }
  return min(1.0, shape.max_norm / (norm + 1e-6));
}

// The norm of one group's gradient: its segments in order.
fn group_norm(group: u32, replica: u32) -> f32 {
  var sum = vec2f();
  for (var i = begins[group]; i < begins[group + 1u]; i++) { sum += partial[replica * shape.segments + i].xy; }
  return norm_of(sum);
}

@compute @workgroup_size(WORKGROUP)
fn advance(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let replica = group.z;
  let replicas = groups.z;
  let now = clock[replica];

  // Lanes take every WORKGROUP-th segment in order, then each adds the lanes in order.
  if (NORM) {
    var sum = vec3f();
    for (var i = lane; i < shape.segments; i += WORKGROUP) { sum += partial[replica * shape.segments + i].xyz; }
    sums[lane] = sum;
  }
  workgroupBarrier();
  // Every lane has read the clock before lane 0 writes it.
  storageBarrier();
  var total = vec3f();
  if (NORM) {
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
  }
  let norm = norm_of(total.xy);

  let first = (now.count % shape.ring) * shape.groups * replicas + replica;
  let stale = ring[first * WORDS] != now.count;
  let complete = now.micro + 1u >= shape.micro;
  // A sum of squares beyond f32 is as bad as a bad element. A norm that cannot be computed cannot be clipped to either.
  let bad = total.z > 0.0 || (bitcast<u32>(total.x) & 0x7f800000u) == 0x7f800000u;
  let unusable = (SKIP || CLIP != 0u) && complete && bad;
  let stopped = (now.fault & STOPPED) != 0u || (SKIP && unusable && now.streak + 1u >= shape.max_streak);
  let halted = (now.fault & HALTED) != 0u;
  var fate = APPLY;
  if (halted) {
    fate = LEAVE;
  } else if (!complete) {
    fate = WAIT;
  } else if (stale || unusable || stopped) {
    fate = LEAVE;
  }
  for (var i = lane; i < shape.groups * WORDS; i += WORKGROUP) {
    let own = i / WORDS;
    var word = ring[(first + own * replicas) * WORDS + i % WORDS];
    switch (i % WORDS) {
      // A frozen group's record says LEAVE by itself.
      case 1u: { word = max(word, fate); }
      case 2u: {
        if (CLIP == 1u) { word = bitcast<u32>(bitcast<f32>(word) * clip_factor(norm)); }
        if (CLIP == 2u) { word = bitcast<u32>(bitcast<f32>(word) * clip_factor(group_norm(own, replica))); }
      }
      default: {}
    }
    hyper[(own * replicas + replica) * WORDS + i % WORDS] = word;
  }

  if (lane == 0u && halted) {
    clock[replica].fate = LEAVE;
  } else if (lane == 0u) {
    var next = now;
    next.step = now.step + 1u;
    next.micro = select(now.micro + 1u, 0u, complete);
    next.count = now.count + select(0u, 1u, fate == APPLY);
    next.fault = now.fault | select(0u, STALE, stale) | select(0u, STOPPED, stopped);
    next.fate = fate;
    if (complete) {
      next.skipped = now.skipped + select(0u, 1u, unusable);
      next.streak = select(0u, now.streak + 1u, unusable);
      next.grad_norm = norm;
    }
    clock[replica] = next;
  }
}
