// The bandwidth yardstick: reads and writes as many arrays as an update does, and computes nothing. STATES arrays besides
// gradient and parameter: every one is read, all but the gradient are written, so an element moves 4·(3 + 2·STATES) bytes.
//
//   p <- max(g, s0)    s0 <- s1    …    s(STATES-1) <- p        without states: p <- max(g, p)
//
// The result depends on every array read, so that no load can be left out, and stays within the values there were.

override STATES: u32 = 0;
override WORKGROUP: u32 = 64;

@group(0) @binding(0) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(1) var<storage, read> grad: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> s0: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> s1: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> s2: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s3: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> s4: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * WORKGROUP;
  for (var i = id.x; i < arrayLength(&grad); i += stride) {
    let g = grad[i];
    let p = param[i];
    var last = p;
    // From the end: each array takes what the one before it held.
    if (STATES > 4) { let v = s4[i]; s4[i] = last; last = v; }
    if (STATES > 3) { let v = s3[i]; s3[i] = last; last = v; }
    if (STATES > 2) { let v = s2[i]; s2[i] = last; last = v; }
    if (STATES > 1) { let v = s1[i]; s1[i] = last; last = v; }
    if (STATES > 0) { let v = s0[i]; s0[i] = last; last = v; }
    param[i] = max(g, last);
  }
}
