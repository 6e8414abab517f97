import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';

/*
 * The loops around a rule's function (DESIGN 3.2). What stands above MARKER in a rule's file is written by hand: overrides of
 * optional slots, `Hyper`, `Out`, bindings, `rule` and its helpers. Below it the generator writes the loop over an arena, in
 * place; and it carries the hand-written part, but its bindings, into the loops over foreign ranges, which are modules of
 * their own under src/shaders. All loops are validated like every other kernel and compared bit for bit.
 */

export const MARKER = '// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----';

/** A rule's file, taken apart. */
export interface RuleParts {
  readonly name: string;
  /** All above the marker. */
  readonly own: string;
  readonly slots: readonly { readonly name: string; readonly optional: boolean }[];
}

/**
 * 'body': the whole 64-float chunks of one group, in vec4s. 'range': the other chunks, float by float, and all where param
 * and grad lie differently to a 16-byte boundary. 'shared': the same with both in one binding, for ranges of one buffer
 * that lie too close together to be bound apart.
 */
export const FORMS = ['body', 'range', 'shared'] as const;
export type EmittedForm = (typeof FORMS)[number];

/** The parts of a file that holds a rule; nothing where it holds none. */
export function ruleParts(name: string, code: string): RuleParts | undefined {
  const own = code.split(MARKER)[0]!.trimEnd();
  if (!/^fn rule\(/m.test(own)) return undefined;
  if (/^fn (clip|update)\(/m.test(own))
    throw new Error(`shaders/optim/${name}.wgsl: leave clip and update out, \`npm run gen\` writes them`);
  const { storage, overrides } = new WgslReflect(own);
  const slots = storage
    .filter(({ name: binding }) => !['param', 'grad', 'group_of'].includes(binding))
    .sort((a, b) => a.binding - b.binding)
    .map(({ name: slot }) => ({ name: slot, optional: overrides.some((each) => each.name === slot.toUpperCase()) }));
  return { name, own, slots };
}

/** By bits: a comparison of floats may answer anything for NaN, and four of them took a third of SGD on SwiftShader. */
export const CLIP = `// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}`;

const ENTRY = `@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {`;

export interface Access {
  /** The expression of four elements of an array. */
  load(array: string): string;
  /** The statements that store an expression's four elements. */
  store(array: string, value: string): string;
  /** The expression of the raw gradient. */
  readonly gradient: string;
}

const behindFlag = (slot: RuleParts['slots'][number], text: string) =>
  slot.optional ? `if (${slot.name.toUpperCase()}) { ${text} }` : text;

/** Load, call, store: what every loop does with four elements. */
export const around = (parts: RuleParts, access: Access, indent: string): string =>
  [called(parts, access, indent), stored(parts, access.store, indent)].join(`\n${indent}`);

/** Load and call: leaves what is to be stored in `out`. */
export function called({ slots }: RuleParts, { load, gradient }: Omit<Access, 'store'>, indent: string): string {
  return [
    `let p = ${load('param')};`,
    `let g = clip(h.grad_scale * ${gradient}, h.clip_value) + h.l2 * p;`,
    ...slots.flatMap((slot) =>
      slot.optional
        ? [`var s_${slot.name} = vec4f();`, behindFlag(slot, `s_${slot.name} = ${load(slot.name)};`)]
        : [`let s_${slot.name} = ${load(slot.name)};`],
    ),
    'let decayed = select(p, p - h.decay * p, h.decay != 0.0);',
    `let out = rule(${['decayed', 'g', ...slots.map(({ name }) => `s_${name}`), 'h'].join(', ')});`,
  ].join(`\n${indent}`);
}

export const stored = ({ slots }: RuleParts, store: Access['store'], indent: string): string =>
  [store('param', 'out.p'), ...slots.map((slot) => behindFlag(slot, store(slot.name, `out.${slot.name}`)))].join(
    `\n${indent}`,
  );

/**
 * Every team of LANES lanes takes a stretch of the chunks, and looks at table and `hyper` once for a run of chunks of one
 * row: a look at each chunk of 64 floats took a tenth of Adam on SwiftShader, and a quarter of SGD.
 *
 * @param entry of a chunk in the table
 * @param run what is done with the chunks from `chunk` to `next`, which have the entry `row`
 */
const overRuns = (entry: (chunk: string) => string, run: string) => `  let teams = groups.x * (WORKGROUP / LANES);
  let share = (chunks + teams - 1u) / teams;
  let team = id.x / LANES;
  let end = min(team * share + share, chunks);
  var next = 0u;
  for (var chunk = team * share; chunk < end; chunk = next) {
    let row = ${entry('chunk')};
    next = chunk + 1u;
    while (next < end && ${entry('next')} == row) { next++; }
    ${run}
  }
}`;

/** A rule's whole file: its own part, and the loop over an arena. */
export function emitFile(parts: RuleParts): string {
  const access: Access = {
    load: (array) => `${array}[at]`,
    store: (array, value) => `${array}[at] = ${value};`,
    gradient: 'grad[at]',
  };
  const run = `let h = hyper[row * groups.z + id.z];
    if (h.skip != 0u) {
      continue;
    }
    for (var at = first + chunk * 16u; at < first + next * 16u; at += LANES) {
      ${around(parts, access, '      ')}
    }`;
  return `${parts.own}

${MARKER}

override LANES: u32 = 4;
override WORKGROUP: u32 = 64;

${CLIP}

// The gradient is scaled (-1 to maximize), clipped by value and given its L2 penalty, the parameter its decoupled decay;
// the rule sees the result. A chunk of 64 floats belongs to one tensor; LANES (1, 2, 4 …: the bits are the same) share its
// 16 vec4s, and take a stretch of chunks, with one look at \`hyper\` for each run of one group. z is the replica.
${ENTRY}
  let quads = arrayLength(&param) / groups.z;
  let chunks = quads / 16u;
  let first = id.z * quads + id.x % LANES;
${overRuns((chunk) => `group_of[${chunk}]`, run)}
`;
}

/** What is carried into other loops: all of a rule's own part but its first comment and its bindings. */
export const carriedText = ({ own }: RuleParts): string =>
  own.replace(/^(\/\/.*\n)+\n*/, '').replace(/^@group.*\n/gm, '');

/** The rule in a loop over a foreign range. The table in `group_of` is that of `foreignMap` (src/kernels/foreign.ts). */
export function emitForm(parts: RuleParts, form: EmittedForm): string {
  const vectors = form === 'body';
  const shared = form === 'shared';
  const floats = vectors ? 'vec4f' : 'f32';
  const bits = vectors ? 'vec4u' : 'u32';
  const bindings = [
    'var<uniform> hyper: array<Hyper, 1024>',
    `var<storage, read_write> param: array<${shared ? 'u32' : floats}>`,
    ...(shared ? [] : [`var<storage, read_write> grad: array<${bits}>`]),
    ...parts.slots.map((slot) => `var<storage, read_write> ${slot.name}: array<${floats}>`),
    'var<storage, read> group_of: array<u32>',
  ].map((text, i) => `@group(0) @binding(${i}) ${text};`);
  return `// Generated from shaders/optim/${parts.name}.wgsl by harness/generate/emit.ts: its rule over a foreign range, ${form}.

${vectors ? 'override LANES: u32 = 4;\n' : ''}override FIXED: bool = false;
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

// A row of nobody: what is none of ours, or is left to the other form.
const NONE = 0xffffffffu;

${bindings.join('\n')}

${carriedText(parts)}

${CLIP}

${vectors ? bodyLoop(parts) : rangeLoop(parts, shared)}
`;
}

/** From the bits of a gradient to its value. */
const raw = (indent: string) => `var raw = bitcast<vec4f>(bits);
${indent}if (FIXED) { raw = vec4f(bitcast<vec4i>(bits)) * bitcast<f32>(group_of[3]); }`;

function bodyLoop(parts: RuleParts): string {
  const at = (array: string) => (array === 'param' ? 'param[from_param + at]' : `${array}[at]`);
  const access: Access = { load: at, store: (array, value) => `${at(array)} = ${value};`, gradient: 'raw' };
  // 2: gradients still accumulate. Else they are spent, even if the update is left out.
  const run = `if (row == NONE) {
      continue;
    }
    let h = hyper[row];
    let last = next * 16u;
    var at = chunk * 16u + id.x % LANES;
    if (ZERO && h.skip == 1u) {
      for (; at < last; at += LANES) { grad[from_grad + at] = vec4u(); }
    }
    if (h.skip != 0u) {
      continue;
    }
    for (; at < last; at += LANES) {
      let bits = grad[from_grad + at];
      if (ZERO) { grad[from_grad + at] = vec4u(); }
      ${raw('      ')}
      ${around(parts, access, '      ')}
    }`;
  return `// Chunks that are not whole or have several groups are left to the other form.
${ENTRY}
  let chunks = group_of[0];
  let from_param = group_of[1] / 4u;
  let from_grad = group_of[2] / 4u;
${overRuns((chunk) => `group_of[${HEADER} + ${chunk}]`, run)}`;
}

/** Words of the table in front of the chunks' (src/kernels/foreign.ts). */
const HEADER = '6u';
export const XYZW = ['x', 'y', 'z', 'w'] as const;

function rangeLoop(parts: RuleParts, shared: boolean): string {
  const grad = shared ? 'param' : 'grad';
  const index = (array: string) => (array === 'param' ? 'at' : 'e');
  const wrap = (kind: string, array: string, text: string) =>
    shared && array === 'param' ? `bitcast<${kind}>(${text})` : text;
  const access: Access = {
    load: (array) => `vec4f(${XYZW.map((lane) => wrap('f32', array, `${array}[${index(array)}.${lane}]`)).join(', ')})`,
    store: (array, value) =>
      XYZW.map((lane) => `${array}[${index(array)}.${lane}] = ${wrap('u32', array, `${value}.${lane}`)};`).join(' '),
    gradient: 'raw',
  };
  return `// Four lanes share the 64 elements of each chunk in the list; neighbouring lanes take neighbouring elements. A lane goes
// from border to border, four elements at a time: the last one several times where there are fewer.
${ENTRY}
  let lanes = group_of[5] * 4u;
  for (var lane = id.x; lane < lanes; lane += groups.x * WORKGROUP) {
    let item = group_of[4] + lane / 4u * 2u;
    let own = lane % 4u;
    let stop = group_of[item] * 64u + 64u;
    var border = group_of[item + 1u];
    var next = stop - 64u + own;
    while (next < stop) {
      while (next >= group_of[border]) { border += 2u; }
      let past = (min(group_of[border], stop) + 3u - own) / 4u * 4u + own;
      let row = group_of[border + 1u];
      let h = hyper[row];
      // 2: gradients still accumulate. Else they are spent, even if the update is left out.
      let skip = select(h.skip, 2u, row == NONE);
      for (; next < past && skip != 2u; next += 16u) {
        let e = min(next + vec4u(0u, 4u, 8u, 12u), vec4u(past - 4u));
        let from_grad = e + group_of[2];
        let bits = vec4u(${XYZW.map((lane) => `${grad}[from_grad.${lane}]`).join(', ')});
        if (ZERO) { ${XYZW.map((lane) => `${grad}[from_grad.${lane}] = 0u;`).join(' ')} }
        if (skip != 0u) {
          continue;
        }
        ${raw('        ')}
        let at = e + group_of[1];
        ${around(parts, access, '        ')}
      }
      next = past;
    }
  }
}`;
}
