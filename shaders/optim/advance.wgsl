// The clock of a step: one workgroup per replica, run just before the update.
//
// It copies the row of per-step scalars for update number `count` from the ring into `hyper`, having checked that the
// row carries that number (a stale row would be a silent wrong step: it is flagged in `fault` and the update skipped),
// and counts. With a network (NETWORK) it also takes the mean of the rows' losses into the loss ring, and picks the
// batch of the next step, so that every step's commands are identical.
//
//   clock   per replica                                    ring    [RING, GROUPS, replicas] rows of 16 words
//   hyper   [GROUPS, replicas] rows, what `update` reads   batch   [replicas, ROWS], sample of each row, written
//   result  [replicas, ROWS] (loss, correct), read         losses  [LOSS_RING, replicas], written
//
// Sampling: 0 in order; 1 a keyed permutation of the samples per epoch; 2 independent draws with replacement.
// src/data/batching.ts is its twin on the host, bit for bit.

override GROUPS: u32 = 1;
override RING: u32 = 512;
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

struct Clock { step: u32, count: u32, valid: u32, epoch: u32, seed: u32, fault: u32, spare0: u32, spare1: u32 }

@group(0) @binding(0) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(1) var<storage, read> ring: array<u32>;
@group(0) @binding(2) var<storage, read_write> hyper: array<u32>;
@group(0) @binding(3) var<storage, read_write> batch: array<u32>;
@group(0) @binding(4) var<storage, read> result: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> losses: array<f32>;

var<workgroup> partial: array<f32, WORKGROUP>;

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

@compute @workgroup_size(WORKGROUP)
fn advance(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let replica = group.z;
  let replicas = groups.z;
  let now = clock[replica];

  let slot = now.count % RING;
  var stale = false;
  for (var i = lane; i < GROUPS * WORDS; i += WORKGROUP) {
    let row = (i / WORDS) * replicas + replica;
    let source = (slot * GROUPS * replicas + row) * WORDS;
    let is_stale = ring[source] != now.count;
    stale = stale || is_stale;
    // Word 1 is `skip`.
    hyper[row * WORDS + i % WORDS] = select(ring[source + i % WORDS], 1u, is_stale && i % WORDS == 1u);
  }

  // The sum of the rows' losses: lanes take every WORKGROUP-th row in order, lane 0 adds the lanes in order.
  var sum = 0.0;
  if (NETWORK) {
    for (var row = lane; row < now.valid; row += WORKGROUP) { sum += result[replica * ROWS + row].x; }
  }
  partial[lane] = sum;
  workgroupBarrier();
  // Every lane has read the clock before lane 0 writes it.
  storageBarrier();

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
  // Group 0's row is lane 0's: if it is stale all are, since they are written together.
  if (lane == 0u) {
    if (NETWORK) {
      var total = 0.0;
      for (var i = 0u; i < WORKGROUP; i++) { total += partial[i]; }
      losses[(now.step % LOSS_RING) * replicas + replica] = total / f32(now.valid);
    }
    clock[replica].step = step;
    clock[replica].count = now.count + select(1u, 0u, stale);
    clock[replica].valid = valid;
    clock[replica].epoch = epoch;
    clock[replica].fault = now.fault | select(0u, 1u, stale);
  }
}
