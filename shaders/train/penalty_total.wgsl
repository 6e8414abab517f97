// The penalty of parameters, part of a step's loss: added to the loss of every valid row, and so to their mean.
//
// One workgroup per replica. Lanes take every WORKGROUP-th segment in order, then each adds the lanes in order: the same sum
// every time.
//
//   partial  [replicas, all] penalty of each segment, of penalty.wgsl
//   stream   per replica; `valid` is read       result  [replicas, rows] (loss, counted); the loss is added to

override WORKGROUP: u32 = 64;

struct Shape { rows: u32, all: u32 }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read> stream: array<Stream>;
@group(0) @binding(3) var<storage, read_write> result: array<vec2f>;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn penalty_total(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let replica = group.z;
  var sum = 0.0;
  for (var i = lane; i < shape.all; i += WORKGROUP) { sum += partial[replica * shape.all + i]; }
  sums[lane] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
  for (var row = lane; row < stream[replica].valid; row += WORKGROUP) { result[replica * shape.rows + row].x += total; }
}
