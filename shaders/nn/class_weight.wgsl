// The mean weight of a batch's labels: what a cross-entropy with class weights is divided by.
//
// One workgroup per replica. Lanes take every WORKGROUP-th valid row in order, then lane 0 adds the lanes in order: the
// same sum every time.
//
//   labels   one u32 per sample of the data set     batch   sample of each row, [replica, rows]
//   weights  one per class                          stream  per replica; `valid` is read
//   mean     one per replica, written

override WORKGROUP: u32 = 64;

struct Shape { rows: u32 }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read> stream: array<Stream>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn class_weight(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let replica = group.z;
  let valid = stream[replica].valid;
  var sum = 0.0;
  for (var row = lane; row < valid; row += WORKGROUP) { sum += weights[labels[batch[replica * shape.rows + row]]]; }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    mean[replica] = total / f32(valid);
  }
}
