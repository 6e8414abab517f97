// y = x·mask/(1 - p): inverted dropout, and its gradient (then x is the gradient at the output, y that at the input). The
// mask is drawn again wherever it is needed: an element is kept where the hash of (seed, layer, step, element) is at
// least `threshold` = p·2^32. Nothing is stored, and a step that is done again drops the same.
//
//   x  [rows, stride]    y  [rows, stride]  written, padding included    stream  per replica; step and seed are read
//
// One invocation takes four columns; an element's number is row · width + column. The z axis of the grid is the replica,
// whose own seed tells its masks from another's. src/reference/layers/dropout.ts draws the same, bit for bit.

override WORKGROUP: u32 = 32;

struct Shape { rows: u32, stride: u32, width: u32, layer: u32, threshold: u32, scale: f32, }
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read> stream: array<Stream>;

// Keeps these numbers apart from those of data, batches and initial weights, whatever the seed.
const DROPOUT = 0x44500000u;

// The hash pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component, four at once; pcgHash of src/kernels/random.ts.
fn hash(seed: u32, sequence: u32, index: vec4u) -> vec4u {
  var a = vec4u(seed * 1664525u + 1013904223u);
  var b = vec4u(sequence * 1664525u + 1013904223u);
  var c = index * 1664525u + 1013904223u;
  a += b * c;
  b += c * a;
  c += a * b;
  a ^= a >> vec4u(16u);
  b ^= b >> vec4u(16u);
  c ^= c >> vec4u(16u);
  a += b * c;
  b += c * a;
  c += a * b;
  return c ^ (c >> vec4u(16u));
}

@compute @workgroup_size(WORKGROUP)
fn dropout(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let quads = shape.stride / 4u;
  let i = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  if (i >= shape.rows * quads) {
    return;
  }
  let replica = group.z;
  let now = stream[replica];
  let key = hash(now.seed, DROPOUT + shape.layer, vec4u()).x;
  let element = (i / quads) * shape.width + 4u * (i % quads);
  let bits = hash(key, now.step, vec4u(element) + vec4u(0u, 1u, 2u, 3u));
  let at = replica * shape.rows * quads + i;
  // (Not x times 0, which is NaN where x is infinite.)
  y[at] = select(vec4f(), x[at] * shape.scale, bits >= vec4u(shape.threshold));
}
