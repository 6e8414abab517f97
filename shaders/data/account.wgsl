// What a step leaves behind, and what the next one begins with: one workgroup per replica, after the update.
//
// It takes the mean of the rows' losses into the loss ring, with a note of the update it was made at, and picks the batch
// of the next step, so that every step's commands are identical. `advance` decides, this accounts: it only reads the
// optimizer's clock, and keeps the data's own. A step that the clock was halted before leaves nothing and goes nowhere.
//
//   clock   per replica, after `advance` of this step     stream  per replica, updated
//   batch   [replicas, rows], sample of each row, written  result  [replicas, rows] (loss, correct), read
//   losses  [loss_ring, replicas] bits of the loss, and the count it was made at, with LEFT_OUT where the update was not
//           applied for its gradient; written
//
// With STREAMED the samples are not here: the host sends the rows of each batch to a ring of `ring` batches per replica, and
// the batch of a step is the rows of its slot.
//
// Sampling: 0 in order; 1 a keyed permutation of the samples per epoch; 2 independent draws with replacement.
// src/data/batching.ts is its twin on the host, bit for bit.

override SAMPLING: u32 = 0;
override STREAMED: bool = false;
override WORKGROUP: u32 = 64;

const SHUFFLE = 0x5348u;
const DRAW = 0x4452u;
const LEFT_OUT = 0x80000000u;
const HALTED = 4u;

struct Shape { rows: u32, samples: u32, epoch_steps: u32, loss_ring: u32, ring: u32 }
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<Clock>;
@group(0) @binding(2) var<storage, read_write> stream: array<Stream>;
@group(0) @binding(3) var<storage, read_write> batch: array<u32>;
@group(0) @binding(4) var<storage, read> result: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> losses: array<vec2u>;

// Per lane: its part of the sum of losses.
var<workgroup> sums: array<f32, WORKGROUP>;

// The hash pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component; pcgHash of src/kernels/random.ts.
fn hash(seed: u32, sequence: u32, index: u32) -> u32 {
  var v = vec3u(seed, sequence, index) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  return v.z ^ (v.z >> 16u);
}

// A keyed permutation of 0 … samples-1: 8 Feistel rounds over the smallest even number of bits that holds samples,
// walked until the result falls inside (under 4 walks on average).
fn permute(index: u32, key: u32) -> u32 {
  let half_bits = max((33u - countLeadingZeros(max(shape.samples - 1u, 1u))) / 2u, 1u);
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
    if (value < shape.samples) { break; }
  }
  return value;
}

fn pick(seed: u32, step: u32, epoch: u32, index: u32, row: u32) -> u32 {
  switch (SAMPLING) {
    case 1u: { return permute(index, hash(seed, SHUFFLE, epoch)); }
    case 2u: { return hash(hash(seed, DRAW, step), row, 0u) % shape.samples; }
    default: { return index; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn account(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let replica = group.z;
  let now = stream[replica];
  let own = clock[replica];
  let rows = shape.rows;

  // Lanes take every WORKGROUP-th row in order, then each adds the lanes in order: the same sum every time.
  var sum = 0.0;
  for (var row = lane; row < now.valid; row += WORKGROUP) { sum += result[replica * rows + row].x; }
  sums[lane] = sum;
  workgroupBarrier();
  // Every lane has read the stream before lane 0 writes it.
  storageBarrier();
  if ((own.fault & HALTED) != 0u) {
    return;
  }

  let step = now.step + 1u;
  let epoch = step / shape.epoch_steps;
  let start = (step % shape.epoch_steps) * rows;
  var valid = rows;
  if (SAMPLING != 2u) { valid = min(rows, shape.samples - start); }
  for (var row = lane; row < rows; row += WORKGROUP) {
    // Rows past a short batch repeat its first sample; their gradient is zero.
    let within = select(0u, row, row < valid);
    if (STREAMED) {
      batch[replica * rows + row] = (replica * shape.ring + step % shape.ring) * rows + within;
    } else {
      batch[replica * rows + row] = pick(now.seed, step, epoch, start + within, within);
    }
  }
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    // The count before this step's update; `fate` is 0 where that was applied, 1 where it was left out.
    let note = (own.count - select(0u, 1u, own.fate == 0u)) | select(0u, LEFT_OUT, own.fate == 1u);
    losses[(now.step % shape.loss_ring) * groups.z + replica] = vec2u(bitcast<u32>(total / f32(now.valid)), note);
    stream[replica] = Stream(step, valid, epoch, now.seed);
  }
}
