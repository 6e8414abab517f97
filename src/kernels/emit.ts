/*
 * Carries a rule's function into other loops (DESIGN 3.2). Used when the project is built, never by the shipped library:
 * harness/generate reads a rule's hand-written file, hands its parts here, and checks in what comes out; the tests
 * validate it like every other kernel and compare it bit for bit with the plain file's loop.
 */

/** The parts of a rule's file, as text, found by name. */
export interface RuleParts {
  readonly name: string;
  /** `override NAME: bool = …;` lines that turn state slots on. */
  readonly overrides: readonly string[];
  /** `struct Hyper` and `struct Out`. */
  readonly structs: readonly string[];
  /** `fn rule` and its helpers, constants among them. */
  readonly functions: readonly string[];
  readonly slots: readonly { readonly name: string; readonly optional: boolean }[];
}

/**
 * 'range': parameter and gradient in two bindings of any alignment. 'shared': both in one binding, for ranges of one
 * buffer that lie too close together to be bound apart.
 */
export type EmittedForm = 'range' | 'shared';

const lanes = (array: string, index: string, wrap = (value: string) => value) =>
  ['x', 'y', 'z', 'w'].map((lane) => wrap(`${array}[${index}.${lane}]`)).join(', ');

const stores = (array: string, index: string, value: string, wrap = (text: string) => text) =>
  ['x', 'y', 'z', 'w'].map((lane) => `${array}[${index}.${lane}] = ${wrap(`${value}.${lane}`)};`).join(' ');

/** The loop over a foreign range around a rule: scalar loads, any first element, any length, mixed groups. */
export function emitRange(parts: RuleParts, form: EmittedForm): string {
  const { name, overrides, structs, functions, slots } = parts;
  const shared = form === 'shared';
  const bits = (text: string) => `bitcast<u32>(${text})`;
  const float = (text: string) => `bitcast<f32>(${text})`;
  const bindings = [
    'var<uniform> hyper: array<Hyper, 1024>',
    ...(shared
      ? ['var<storage, read_write> param: array<u32>']
      : ['var<storage, read_write> param: array<f32>', 'var<storage, read_write> grad: array<u32>']),
    ...slots.map((slot) => `var<storage, read_write> ${slot.name}: array<f32>`),
    'var<storage, read> group_of: array<u32>',
  ].map((text, i) => `@group(0) @binding(${i}) ${text};`);
  const grad = shared ? 'param' : 'grad';
  const flag = (slot: string) => slot.toUpperCase();
  const loads = slots.map(({ name: slot, optional }) =>
    optional
      ? `  var s_${slot} = vec4f();\n  if (${flag(slot)}) { s_${slot} = vec4f(${lanes(slot, 'e')}); }`
      : `  let s_${slot} = vec4f(${lanes(slot, 'e')});`,
  );
  const saves = slots.map(({ name: slot, optional }) => {
    const text = stores(slot, 'e', `out.${slot}`);
    return optional ? `  if (${flag(slot)}) { ${text} }` : `  ${text}`;
  });
  const args = ['select(p, p - h.decay * p, h.decay != 0.0)', 'g', ...slots.map(({ name: slot }) => `s_${slot}`), 'h'];
  const params = shared ? lanes('param', 'at', float) : lanes('param', 'at');
  return `// Generated from shaders/optim/${name}.wgsl by src/kernels/emit.ts: its rule in a loop over a foreign range of any
// alignment and length${shared ? ', parameter and gradient in one binding' : ''}.
//
// group_of: 0 elements, 1 first element of param, 2 of grad, 3 start of the borders, 4 bits of what one unit of a
// fixed-point gradient is worth; from 8 on one word per 64 elements: the row of their group, or MIXED | border, where a
// border is (end, row) and applies to the elements before its end.

${[...overrides, 'override FIXED: bool = false;', 'override ZERO: bool = false;', 'override WORKGROUP: u32 = 64;'].join('\n')}

const MIXED = 0x80000000u;

${structs.join('\n\n')}

${bindings.join('\n')}

${functions.join('\n\n')}

fn row_of(element: u32, entry: u32) -> u32 {
  if ((entry & MIXED) == 0u) {
    return entry;
  }
  var border = group_of[3] + 2u * (entry & ~MIXED);
  while (element >= group_of[border]) { border += 2u; }
  return group_of[border + 1u];
}

// Four elements of one group, which may be one element four times.
fn apply(e: vec4u, row: u32) {
  let h = hyper[row];
  // 2: gradients still accumulate. Else they are spent, even if the update is left out.
  if (h.skip == 2u) {
    return;
  }
  let from_grad = e + group_of[2];
  let bits = vec4u(${lanes(grad, 'from_grad')});
  if (ZERO) { ${['x', 'y', 'z', 'w'].map((lane) => `${grad}[from_grad.${lane}] = 0u;`).join(' ')} }
  if (h.skip != 0u) {
    return;
  }
  var raw = bitcast<vec4f>(bits);
  if (FIXED) { raw = vec4f(bitcast<vec4i>(bits)) * bitcast<f32>(group_of[4]); }
  let at = e + group_of[1];
  let p = vec4f(${params});
  let g = clip(h.grad_scale * raw, h.clip_value) + h.l2 * p;
${loads.join('\n')}
  let out = rule(${args.join(', ')});
  ${stores('param', 'at', 'out.p', shared ? bits : undefined)}
${saves.join('\n')}
}

// Four lanes share 64 elements; neighbouring lanes take neighbouring elements.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let elements = group_of[0];
  let end = (elements + 63u) / 64u * 4u;
  for (var lane = id.x; lane < end; lane += groups.x * WORKGROUP) {
    let chunk = lane / 4u;
    let entry = group_of[8u + chunk];
    for (var quarter = 0u; quarter < 64u; quarter += 16u) {
      let e = vec4u(chunk * 64u + quarter + (lane & 3u)) + vec4u(0u, 4u, 8u, 12u);
      if ((entry & MIXED) == 0u && e.w < elements) {
        apply(e, entry);
        continue;
      }
      for (var c = 0u; c < 4u; c++) {
        if (e[c] < elements) { apply(vec4u(e[c]), row_of(e[c], entry)); }
      }
    }
  }
}
`;
}
