// The clock of a step: one workgroup per replica, run just before the update.
//
// It copies the rows of per-step scalars for update number `count` from the ring into `hyper`, having checked that they
// carry that number (a stale row would be a silent wrong step: it is flagged in `fault` and the update skipped), folds
// the clip factor into them, decides whether the update happens at all, and counts. `step` counts every attempt, `count`
// the updates that were applied. With a network (NETWORK) it also takes the mean of the rows' losses into the loss ring
// and picks the batch of the next step, so that every step's commands are identical.
//
//   clock   per replica                                    ring    [RING, GROUPS, replicas] rows of 16 words
//   hyper   [GROUPS, replicas] rows, what `update` reads   batch   [replicas, ROWS], sample of each row, written
//   result  [replicas, ROWS] (loss, correct), read         losses  [LOSS_RING, replicas] bits of the loss, and the
//                                                          count it was made at, with LEFT_OUT where nothing was applied
//   partial [replicas, SEGMENTS] of the norm kernel        rows    [GROUPS + 1] first segment of each group
//
// Sampling: 0 in order; 1 a keyed permutation of the samples per epoch; 2 independent draws with replacement.
// src/data/batching.ts is its twin on the host, bit for bit.

override GROUPS: u32 = 1;
override RING: u32 = 512;
// The gradient's norm: how many segments it was summed in, what an element counts, and what follows from it.
override SEGMENTS: u32 = 0;
override UNIT: f32 = 1.0;
override CLIP: u32 = 0; // 1 by the global norm, 2 by each group's
override MAX_NORM: f32 = 1.0;
override OPTAX: bool = false;
override SKIP: bool = false;
override MAX_STREAK: u32 = 5;
// Micro-steps whose gradients make one update.
override MICRO: u32 = 1;
override NETWORK: bool = false;
override ROWS: u32 = 1;
override SAMPLES: u32 = 1;
override EPOCH_STEPS: u32 = 1;
override SAMPLING: u32 = 0;
override LOSS_RING: u32 = 1;
override WORKGROUP: u32 = 64;

const WORDS = 16u;
const SHUFFLE = 0x5348u;
const DRAW = 0x4452u;
// What `skip` in a row says to `update`: apply, leave out this step, or wait for the rest of the micro-steps.
const APPLY = 0u;
const LEAVE = 1u;
const WAIT = 2u;
// Bits of `fault`.
const STALE = 1u;
const STOPPED = 2u;
const LEFT_OUT = 0x80000000u;

struct Clock {
  step: u32, count: u32, valid: u32, epoch: u32, seed: u32, fault: u32,
  skipped: u32, streak: u32, micro: u32, grad_norm: f32, spare0: u32, spare1: u32,
}

@group(0) @binding(0) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(1) var<storage, read> ring: array<u32>;
@group(0) @binding(2) var<storage, read_write> hyper: array<u32>;
@group(0) @binding(3) var<storage, read_write> batch: array<u32>;
@group(0) @binding(4) var<storage, read> result: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> losses: array<vec2u>;
@group(0) @binding(6) var<storage, read> partial: array<vec2f>;
@group(0) @binding(7) var<storage, read> rows: array<u32>;

// Per lane: its part of the sum of losses, of squares, of unusable elements.
var<workgroup> sums: array<vec3f, WORKGROUP>;

// The hash pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component; pcgHash of src/kernels/random.ts.
fn hash(seed: u32, stream: u32, index: u32) -> u32 {
  var v = vec3u(seed, stream, index) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  return v.z ^ (v.z >> 16u);
}

// A keyed permutation of 0 … SAMPLES-1: 8 Feistel rounds over the smallest even number of bits that holds SAMPLES,
// walked until the result falls inside (under 4 walks on average).
fn permute(index: u32, key: u32) -> u32 {
  let half_bits = max((33u - countLeadingZeros(max(SAMPLES - 1u, 1u))) / 2u, 1u);
  let mask = (1u << half_bits) - 1u;
  var value = index;
  loop {
    var left = value >> half_bits;
    var right = value & mask;
    for (var round = 0u; round < 8u; round++) {
      let mixed = (left ^ hash(key, round, right)) & mask;
      left = right;
      right = mixed;
    }
    value = (left << half_bits) | right;
    if (value < SAMPLES) { break; }
  }
  return value;
}

fn pick(seed: u32, step: u32, epoch: u32, index: u32, row: u32) -> u32 {
  switch (SAMPLING) {
    case 1u: { return permute(index, hash(seed, SHUFFLE, epoch)); }
    case 2u: { return hash(hash(seed, DRAW, step), row, 0u) % SAMPLES; }
    default: { return index; }
  }
}

// The factor that brings a norm down to MAX_NORM: PyTorch's min(1, c / (n + 1e-6)), or optax's, which leaves alone what
// is smaller.
fn clip_factor(norm: f32) -> f32 {
  if (OPTAX) {
    return select(MAX_NORM / norm, 1.0, norm < MAX_NORM);
  }
  return min(1.0, MAX_NORM / (norm + 1e-6));
}

// The norm of one group's gradient: its segments in order.
fn group_norm(group: u32, replica: u32) -> f32 {
  var sum = 0.0;
  for (var i = rows[group]; i < rows[group + 1u]; i++) { sum += partial[replica * SEGMENTS + i].x; }
  return sqrt(sum) * UNIT;
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

  // Sums over many: lanes take every WORKGROUP-th in order, then each adds the lanes in order.
  var sum = vec3f();
  if (NETWORK) {
    for (var row = lane; row < now.valid; row += WORKGROUP) { sum.x += result[replica * ROWS + row].x; }
  }
  for (var i = lane; i < SEGMENTS; i += WORKGROUP) {
    let own = partial[replica * SEGMENTS + i];
    sum += vec3f(0.0, own.x, own.y);
  }
  sums[lane] = sum;
  workgroupBarrier();
  // Every lane has read the clock before lane 0 writes it.
  storageBarrier();
  var total = vec3f();
  for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
  let norm = sqrt(total.y) * UNIT;

  let first = (now.count % RING) * GROUPS * replicas + replica;
  let stale = ring[first * WORDS] != now.count;
  let complete = now.micro + 1u >= MICRO;
  // A sum of squares beyond f32 is as bad as a bad element. A norm that cannot be computed cannot be clipped to either.
  let bad = total.z > 0.0 || (bitcast<u32>(total.y) & 0x7f800000u) == 0x7f800000u;
  let unusable = (SKIP || CLIP != 0u) && complete && bad;
  let stopped = (now.fault & STOPPED) != 0u || (SKIP && unusable && now.streak + 1u >= MAX_STREAK);
  var fate = APPLY;
  if (!complete) {
    fate = WAIT;
  } else if (stale || unusable || stopped) {
    fate = LEAVE;
  }
  for (var i = lane; i < GROUPS * WORDS; i += WORKGROUP) {
    let row = i / WORDS;
    var word = ring[(first + row * replicas) * WORDS + i % WORDS];
    switch (i % WORDS) {
      // A frozen group's row says LEAVE by itself.
      case 1u: { word = max(word, fate); }
      case 2u: {
        if (CLIP == 1u) { word = bitcast<u32>(bitcast<f32>(word) * clip_factor(norm)); }
        if (CLIP == 2u) { word = bitcast<u32>(bitcast<f32>(word) * clip_factor(group_norm(row, replica))); }
      }
      default: {}
    }
    hyper[(row * replicas + replica) * WORDS + i % WORDS] = word;
  }

  let step = now.step + 1u;
  var epoch = 0u;
  var start = 0u;
  var valid = ROWS;
  if (NETWORK) {
    epoch = step / EPOCH_STEPS;
    start = (step % EPOCH_STEPS) * ROWS;
    if (SAMPLING != 2u) { valid = min(ROWS, SAMPLES - start); }
    for (var row = lane; row < ROWS; row += WORKGROUP) {
      // Rows past a short batch repeat its first sample; their gradient is zero.
      let within = select(0u, row, row < valid);
      batch[replica * ROWS + row] = pick(now.seed, step, epoch, start + within, within);
    }
  }
  if (lane == 0u) {
    if (NETWORK) {
      let note = now.count | select(0u, LEFT_OUT, fate != APPLY);
      losses[(now.step % LOSS_RING) * replicas + replica] = vec2u(bitcast<u32>(total.x / f32(now.valid)), note);
    }
    var next = now;
    next.step = step;
    next.valid = valid;
    next.epoch = epoch;
    next.micro = select(now.micro + 1u, 0u, complete);
    next.count = now.count + select(0u, 1u, fate == APPLY);
    next.fault = now.fault | select(0u, STALE, stale) | select(0u, STOPPED, stopped);
    if (complete) {
      next.skipped = now.skipped + select(0u, 1u, unusable);
      next.streak = select(0u, now.streak + 1u, unusable);
      next.grad_norm = norm;
    }
    clock[replica] = next;
  }
}
