import { CLIP, MARKER } from './emit.js';

/*
 * The loops around the functions of a rule of several passes: files in a folder of the rule's name, shaders/optim/<rule>/.
 * They run over padded arenas only (foreign memory is copied into some), so each has one loop, written in place:
 *
 *   fn rule(…, h: Hyper) -> Out         once for every four elements; what is in `Out` is stored
 *   fn terms(…, h: Hyper) -> mat4x4f    up to four quantities (columns) of four elements, summed by segments of tensors
 *
 * An argument `p` is the parameter (where `Out` has it, after its decoupled decay), `g` the gradient, scaled, clipped and with
 * its L2 penalty; any other is the array of its name. `place: Place`, before h, says which elements they are. A file with another
 * loop, written by hand, is given `clip` where it calls it.
 */

interface PassParts {
  /** All above the marker. */
  readonly own: string;
  readonly kind: 'rule' | 'terms';
  /** Names of the function's vectors, in order. */
  readonly inputs: readonly string[];
  /** Fields of `Out`. */
  readonly outputs: readonly string[];
  /** Arrays that only a flag turns on. */
  readonly optional: ReadonlySet<string>;
  readonly arrays: readonly string[];
  /** Whether it wants to know which elements it is given. */
  readonly placed: boolean;
}

/** The parts of a pass's file; nothing where its loop is written by hand. */
export function passParts(name: string, code: string): PassParts | undefined {
  const own = code.split(MARKER)[0]!.trimEnd();
  const [, kind, args] = /^fn (rule|terms)\(([^)]*)\)/m.exec(own) ?? [];
  if (kind === undefined) return undefined;
  const inputs = [...args!.matchAll(/(\w+): vec4f/g)].map(([, input]) => input!);
  const out = /^struct Out \{([^}]*)\}/m.exec(own)?.[1] ?? '';
  const arrays = [...own.matchAll(/^@group\(0\) @binding\(\d+\) var<storage[^>]*> (\w+): array<vec4f>;/gm)].map(
    ([, array]) => array!,
  );
  const missing = inputs.map(arrayOf).find((array) => !arrays.includes(array));
  if (missing) throw new Error(`shaders/${name}.wgsl: its function takes ${missing}, which it does not bind`);
  return {
    own,
    kind: kind as PassParts['kind'],
    inputs,
    outputs: [...out.matchAll(/(\w+): vec4f/g)].map(([, field]) => field!),
    optional: new Set(arrays.filter((array) => new RegExp(`^override ${array.toUpperCase()}: bool`, 'm').test(own))),
    arrays,
    placed: /\bplace: Place\b/.test(args!),
  };
}

/** What a pass's file is to be; nothing where there is nothing to write. */
export function passText(name: string, code: string): string | undefined {
  const parts = passParts(name, code);
  if (parts) return emitPass(parts);
  const own = code.split(MARKER)[0]!.trimEnd();
  return /\bclip\(/.test(own) && !/^fn clip\(/m.test(own) ? `${own}\n\n${MARKER}\n\n${CLIP}\n` : undefined;
}

const arrayOf = (input: string) => ({ p: 'param', g: 'grad' })[input] ?? input;

/** Loads what the function takes. */
function loads({ inputs, outputs, optional }: PassParts): string[] {
  return inputs.flatMap((input) => {
    const from = `${arrayOf(input)}[at]`;
    if (input === 'g') return [`let s_g = clip(h.grad_scale * ${from}, h.clip_value) + h.l2 * param[at];`];
    if (input === 'p' && outputs.includes('p'))
      return ['let s_param = param[at];', 'let s_p = select(s_param, s_param - h.decay * s_param, h.decay != 0.0);'];
    if (!optional.has(input)) return [`let s_${input} = ${from};`];
    return [`var s_${input} = vec4f();`, `if (${input.toUpperCase()}) { s_${input} = ${from}; }`];
  });
}

/** @param place of the first of the four elements */
const call = ({ kind, inputs, placed }: PassParts, place: string) =>
  `${kind}(${[...inputs.map((input) => `s_${input}`), ...(placed ? [`Place(${place})`] : []), 'h'].join(', ')})`;

const PLACE = `// Four elements: the first one's place in a replica's arena, and whose they are.
struct Place { element: u32, group: u32, replica: u32, replicas: u32 }

`;

/** The whole file of a pass. */
function emitPass(parts: PassParts): string {
  const clip = parts.inputs.includes('g') ? `${CLIP}\n\n` : '';
  const loop = parts.kind === 'rule' ? ruleLoop(parts) : sumLoop(parts);
  const place = parts.placed ? PLACE : '';
  return `${parts.own}\n\n${MARKER}\n\n${place}${parts.kind === 'rule' ? 'override LANES: u32 = 4;\n' : ''}override WORKGROUP: u32 = 64;\n\n${clip}${loop}\n`;
}

const ruleLoop = (parts: PassParts) => {
  const { outputs, optional, arrays } = parts;
  const stores = outputs.map((field) => {
    const text = `${arrayOf(field)}[at] = out.${field};`;
    return optional.has(field) ? `if (${field.toUpperCase()}) { ${text} }` : text;
  });
  return `// A chunk of 64 floats belongs to one tensor; LANES share its 16 vec4s, and take a stretch of chunks. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let quads = arrayLength(&${arrays[0]}) / groups.z;
  let chunks = quads / 16u;
  let first = id.z * quads + id.x % LANES;
  let teams = groups.x * (WORKGROUP / LANES);
  let share = (chunks + teams - 1u) / teams;
  let team = id.x / LANES;
  let end = min(team * share + share, chunks);
  var next = 0u;
  for (var chunk = team * share; chunk < end; chunk = next) {
    let row = group_of[chunk];
    next = chunk + 1u;
    while (next < end && group_of[next] == row) { next++; }
    let h = hyper[row * groups.z + id.z];
    if (h.skip != 0u) {
      continue;
    }
    for (var at = first + chunk * 16u; at < first + next * 16u; at += LANES) {
      ${[...loads(parts), `let out = ${call(parts, '4u * (at - id.z * quads), row, id.z, groups.z')};`, ...stores].join('\n      ')}
    }
  }
}`;
};

const sumLoop = (parts: PassParts) => `var<workgroup> lanes: array<vec4f, WORKGROUP>;

// A workgroup sums a segment of one tensor: lanes take every WORKGROUP-th vec4 in order, then lane 0 adds the lanes in order.
// segments: first element, elements, place in \`partial\`, group. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let count = arrayLength(&segments);
  let segment = segments[min(index, count - 1u)];
  let h = hyper[segment.w * groups.z + group.z];
  let first = group.z * (arrayLength(&${parts.arrays[0]}) / groups.z) + segment.x / 4u;
  var sum = mat4x4f();
  for (var i = lane; 4u * i < segment.y; i += WORKGROUP) {
    let at = first + i;
    ${loads(parts).join('\n    ')}
    let all = ${call(parts, 'segment.x + 4u * i, segment.w, group.z, groups.z')};
    // Not the padding behind the tensor's end.
    let inside = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(segment.y);
    for (var k = 0u; k < 4u; k++) { sum[k] += select(vec4f(), all[k], inside); }
  }
  let one = vec4f(1.0);
  lanes[lane] = vec4f(dot(sum[0], one), dot(sum[1], one), dot(sum[2], one), dot(sum[3], one));
  workgroupBarrier();
  if (lane == 0u && index < count) {
    var total = vec4f();
    for (var i = 0u; i < WORKGROUP; i++) { total += lanes[i]; }
    partial[group.z * (arrayLength(&partial) / groups.z) + segment.z] = total;
  }
}`;
