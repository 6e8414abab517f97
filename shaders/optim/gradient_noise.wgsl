// Gradient noise (Neelakantan et al. 2015): g += sigma(t)·n, sigma(t)² = eta / (1 + t)^gamma, t the updates applied so far, n
// nearly normal: the centred sum of twelve 16-bit uniforms, whole numbers and so the same on every adapter. One workgroup
// takes a segment of a tensor; z of the grid is the replica, whose key tells its numbers from another's.
//
// sigma without a power in f32: with 1 + t = 2^e·(1 + i/256)·(1 + r), both tables are from float64, and
// (1 + r)^x = 1 + x·r·(1 + (x-1)/2·r·(1 + (x-2)/3·r)) for r < 2^-8 and x = -gamma/2: four roundings or so.
//
//   clock     per replica, before `advance`: `count`, and whether the gradient is whole
//   segments  per segment: first element, number of elements, group, place     numbers  by place: the number of its first element
//   tables    [32] √eta·2^(x·e), then [256] (1 + i/256)^x     keys  [replicas]     grad  replicas `stride` apart, added to

override WORKGROUP: u32 = 64;

struct Shape { segments: u32, first: u32, stride: u32, micro: u32, power: f32 }

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<Clock>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read> numbers: array<u32>;
@group(0) @binding(4) var<storage, read> tables: array<f32>;
@group(0) @binding(5) var<storage, read> keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> grad: array<f32>;

// The hash pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component; pcgHash of src/kernels/random.ts.
fn hash(seed: u32, sequence: u32, index: u32) -> u32 {
  var a = seed * 1664525u + 1013904223u;
  var b = sequence * 1664525u + 1013904223u;
  var c = index * 1664525u + 1013904223u;
  a += b * c;
  b += c * a;
  c += a * b;
  a ^= a >> 16u;
  b ^= b >> 16u;
  c ^= c >> 16u;
  a += b * c;
  b += c * a;
  c += a * b;
  return c ^ (c >> 16u);
}

// √eta·(1 + t)^power
fn sigma(count: u32) -> f32 {
  let n = max(count + 1u, 1u);
  let exponent = firstLeadingBit(n);
  // What is behind the leading bit: the first 8 bits of it, and the 23 after those.
  let rest = (n << (31u - exponent)) & 0x7fffffffu;
  let index = rest >> 23u;
  let r = f32(rest & 0x7fffffu) * 0x1p-31f / (1.0 + f32(index) * 0x1p-8f);
  let x = shape.power;
  let series = 1.0 + x * r * (1.0 + (x - 1.0) / 2.0 * r * (1.0 + (x - 2.0) / 3.0 * r));
  return tables[exponent] * tables[32u + index] * series;
}

@compute @workgroup_size(WORKGROUP)
fn add_noise(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare.
  let index = group.y * groups.x + group.x;
  let now = clock[group.z];
  if (index >= shape.segments || now.micro + 1u < shape.micro) {
    return;
  }
  let segment = segments[index];
  let scale = sigma(now.count) * 0x1p-16f;
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    let number = 6u * (numbers[segment.w] + i);
    var sum = 0u;
    for (var pair = 0u; pair < 6u; pair++) {
      let bits = hash(keys[group.z], now.count, number + pair);
      sum += (bits >> 16u) + (bits & 0xffffu);
    }
    let at = shape.first + group.z * shape.stride + segment.x + i;
    grad[at] += scale * f32(i32(sum) - 393210);
  }
}
