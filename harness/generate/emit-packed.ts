import type { SlotEncoding } from '../../src/index.js';
import { type Access, around, CLIP, type RuleParts } from './emit.js';

/*
 * The loops around a rule's function whose state lies in fewer bytes: in 16 bits (bf16, or f16 with a scale for each block), or in
 * 8 bits with a scale for each block where the slot allows it, else in bf16. Encoding and decoding are the functions of
 * shaders/optim/encode.wgsl. A block has up to 256 elements of one tensor, and its own 64 places of four values in every state
 * array, wherever its parameters lie: so all loops share one layout, and no two lanes one word.
 *
 * A scale is known only when the whole block was computed. A lane that walks its block keeps what has one meanwhile; the 64 lanes of
 * a team have four elements each, and find the largest magnitudes together.
 */

/** Bits of the smallest encoding in a text. */
export const WIDTHS = ['16', '8'] as const;
export type Width = (typeof WIDTHS)[number];
/**
 * 'walk': a lane to a block, in vec4s, for CPU adapters. 'team': a workgroup to a block, for GPUs. 'range': a lane to a block, float by
 * float, for what no vec4 fits; param and grad may be one binding.
 */
export const PACKED_FORMS = ['walk', 'team', 'range'] as const;
export type PackedForm = (typeof PACKED_FORMS)[number];

interface Slot {
  readonly name: string;
  readonly optional: boolean;
  readonly bits: 8 | 16;
  readonly positive: boolean;
  /** Place among the slots with a scale; undefined for bf16 in a text of 8 bits. */
  readonly scale: number | undefined;
}

/** The slots that may be on: one without an encoding must be off. */
function slotsOf(parts: RuleParts, encodings: Readonly<Record<string, SlotEncoding>>, width: Width): Slot[] {
  let scales = 0;
  return parts.slots.flatMap(({ name, optional }) => {
    const encoding = encodings[name];
    if (encoding === undefined && !optional) throw new Error(`${parts.name}: its row has no encoding for ${name}`);
    if (encoding === undefined) return [];
    const bits = width === '8' && !encoding.endsWith('-16') ? 8 : 16;
    const scaled = width === '16' || bits === 8;
    return [{ name, optional, bits, positive: encoding.startsWith('positive'), scale: scaled ? scales++ : undefined }];
  });
}

/** The functions and constants of a text that an expression needs, in their order. */
function needed(library: string, text: string): string {
  const pieces = library.match(/^fn \w+\([\s\S]*?(?:^\}|\}$)|^const .*$/gm) ?? [];
  const nameOf = (piece: string) => /^(?:fn|const) (\w+)/.exec(piece)![1]!;
  const wanted = new Set<string>();
  const visit = (code: string) => {
    for (const piece of pieces) {
      const name = nameOf(piece);
      if (wanted.has(name) || !new RegExp(`\\b${name}\\b`).test(code)) continue;
      wanted.add(name);
      visit(piece.slice(piece.indexOf(name) + name.length));
    }
  };
  visit(text);
  return pieces.filter((piece) => wanted.has(nameOf(piece))).join('\n\n');
}

const suffix = ({ positive }: Slot) => (positive ? '_positive' : '');

/** The value of four elements. */
function decode(slot: Slot, width: Width, words: string): string {
  if (slot.bits === 8) return `from_8bit${suffix(slot)}(${words}, old_${slot.name})`;
  return width === '16' ? `from_16(${words}, old_${slot.name})` : `from_bf16(${words})`;
}

/** Their words. */
function encode(slot: Slot, index: number, width: Width, value: string): string {
  const bits = index === 0 ? 'bits' : `other(bits, ${index}u)`;
  if (slot.bits === 8) return `to_8bit${suffix(slot)}(${value}, new_${slot.name}.y, ${bits})`;
  return width === '16' ? `to_16${suffix(slot)}(${value}, new_${slot.name}.y, ${bits})` : `to_bf16(${value}, ${bits})`;
}

/** One of the two 16-bit encodings. */
const SIXTEEN = `fn from_16(words: vec2u, scale: f32) -> vec4f {
  if (F16) { return from_f16(words, scale); }
  return from_bf16(words);
}

fn to_16(x: vec4f, per_scale: f32, random: vec4u) -> vec2u {
  if (F16) { return to_f16(x, per_scale, random); }
  return to_bf16(x, random);
}

fn to_16_positive(x: vec4f, per_scale: f32, random: vec4u) -> vec2u {
  if (F16) { return to_f16_positive(x, per_scale, random); }
  return to_bf16(x, random);
}`;

const behind = ({ name, optional }: Slot, text: string) => (optional ? `if (${name.toUpperCase()}) { ${text} }` : text);
const lines = (indent: string, texts: readonly string[]) => texts.filter((text) => text !== '').join(`\n${indent}`);

/** What the loops of one text share. */
interface Text {
  readonly parts: RuleParts;
  readonly slots: readonly Slot[];
  readonly width: Width;
  readonly access: Pick<Access, 'load' | 'gradient'> & { storeParam(value: string): string };
  /** Of the state: where in its arrays four elements lie. */
  readonly at: string;
  /** Of four elements: their number in the block. */
  readonly quad: string;
}

const withoutBlanks = (text: string) => text.replace(/\n\s*(?=\n)/g, '');

/** Load, decode, call; `found` is what is done with each new value of a slot. */
function computed(
  { parts, slots, width, access, at }: Text,
  indent: string,
  found: (array: string, value: string) => string,
) {
  const known = { ...parts, slots: parts.slots.filter(({ name }) => slots.some((slot) => slot.name === name)) };
  const load = (array: string) => {
    const slot = slots.find(({ name }) => name === array);
    return slot ? decode(slot, width, `${array}[${at}]`) : access.load(array);
  };
  const off = parts.slots.filter(({ name }) => !known.slots.some((slot) => slot.name === name));
  const text = around(known, { load, store: found, gradient: access.gradient }, indent);
  // A slot without an encoding is off: the rule gets zeros.
  const call = `rule(${['decayed', 'g', ...parts.slots.map(({ name }) => (off.some((slot) => slot.name === name) ? 'vec4f()' : `s_${name}`)), 'h'].join(', ')})`;
  return withoutBlanks(text.replace(/rule\(.*\);/, `${call};`));
}

/** A new value into its words, with the quad's random bits. */
function stored({ slots, width, at }: Text, name: string, value: string): string {
  const index = slots.findIndex((slot) => slot.name === name);
  return `${name}[${at}] = ${encode(slots[index]!, index, width, value)};`;
}

const bits = ({ quad }: Text) => `let bits = random(key, place.w * 64u + ${quad});`;

const scaledOf = (slots: readonly Slot[]) => slots.filter(({ scale }) => scale !== undefined);
const place = (slots: readonly Slot[], { scale }: Slot) => `scales[own * ${scaledOf(slots).length}u + ${scale}u]`;

const oldScales = ({ slots }: Text) => scaledOf(slots).map((slot) => `let old_${slot.name} = ${place(slots, slot)};`);

/** The scales of new values, by their largest magnitudes: (scale, 1 / scale). */
const newScales = ({ slots, width }: Text, most: (slot: Slot) => string) =>
  scaledOf(slots).map((slot) => {
    if (width === '16') return `new_${slot.name} = scale_f16(${most(slot)});`;
    return behind(
      slot,
      `new_${slot.name} = scale_8bit(${most(slot)}, ${slot.positive ? 'MOST_POSITIVE' : 'MOST_SIGNED'});`,
    );
  });

const storeScales = ({ slots }: Text) => scaledOf(slots).map((slot) => `${place(slots, slot)} = new_${slot.name}.x;`);

/** What is done only where a slot of the text has a scale. */
const whereScaled = ({ slots, width }: Text, text: string) => {
  if (scaledOf(slots).length === 0) return '';
  return width === '16' ? `if (F16) {\n${text}\n    }` : text;
};

/** A block's head: its record, and gradients that are spent where the update is left out. */
const head = (z: string, clear: string) => `let place = table[1u + b];
    let length = place.z & 0xffffu;
    let row = place.z >> 16u;
    let h = hyper[row * groups.z + ${z}];
    // 2: gradients still accumulate. Else they are spent, even if the update is left out.
    if (ZERO && h.skip == 1u) { ${clear} }
    // A block of length 0 is another pass's.
    if (h.skip != 0u || length == 0u) {
      continue;
    }
    let own = ${z} * blocks + b;
    let key = key_of(table[1u + blocks + ${z}].x, h.count);`;

/** What becomes of a new value of a slot while its block is walked: it is stored, or kept where its scale is not known yet. */
function walked(text: Text, name: string, value: string): string {
  const { slots, width } = text;
  const { scale } = slots.find((slot) => slot.name === name)!;
  const keep = `kept_${name}[i] = ${value}; most_${name} = higher(most_${name}, abs(${value}));`;
  if (width === '16') return `if (F16) { ${keep} } else { ${stored(text, name, value)} }`;
  return scale === undefined ? `${bits(text)} ${stored(text, name, value)}` : keep;
}

/** A lane walks its block; where there are scales, another time over what it kept. */
function walkLoop(text: Text, quads: string, clear: string, prepare: readonly string[]): string {
  const { slots, width, access } = text;
  const scaled = scaledOf(slots);
  const store = (array: string, value: string) =>
    array === 'param' ? access.storeParam(value) : walked(text, array, value);
  const encoded = `      ${lines('      ', [
    ...newScales(text, ({ name }) => `largest(most_${name})`),
    ...storeScales(text),
  ])}
      for (var i = 0u; i < ${quads}; i++) {
        ${lines('        ', [
          bits(text),
          ...scaled.map((slot) => behind(slot, stored(text, slot.name, `kept_${slot.name}[i]`))),
        ])}
      }`;
  return `// Each lane takes a stretch of the blocks. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let blocks = table[0].x;
  let replica = id.z * (arrayLength(&param) / groups.z);
  let share = (blocks + groups.x * WORKGROUP - 1u) / (groups.x * WORKGROUP);
  let end = min(id.x * share + share, blocks);
  ${lines(
    '  ',
    scaled.map(({ name }) => `var kept_${name}: array<vec4f, 64>;`),
  )}
  for (var b = id.x * share; b < end; b++) {
    ${head('id.z', clear)}
    ${lines('    ', [
      ...oldScales(text),
      ...scaled.map(({ name }) => `var most_${name} = vec4f();`),
      ...scaled.map(({ name }) => `var new_${name} = vec2f(1.0);`),
    ])}
    for (var i = 0u; i < ${quads}; i++) {
      ${lines('      ', [...prepare, ...(width === '16' ? [bits(text)] : []), computed(text, '      ', store)])}
    }
    ${whereScaled(text, encoded)}
  }
}`;
}

/** A workgroup has a block, each lane four elements of it, and finds the largest magnitudes by their bits, as integers. */
function teamLoop(text: Text): string {
  const { slots, width, access, at } = text;
  const scaled = scaledOf(slots);
  const found = scaled.map((slot) =>
    behind(slot, `atomicMax(&most_${slot.name}, bitcast<u32>(select(0.0, largest(abs(out.${slot.name})), inside)));`),
  );
  const exchange = `      if (lane == 0u) { ${scaled.map(({ name }) => `atomicStore(&most_${name}, 0u);`).join(' ')} }
      workgroupBarrier();
      ${lines('      ', found)}
      workgroupBarrier();
      ${lines(
        '      ',
        newScales(text, ({ name }) => `bitcast<f32>(atomicLoad(&most_${name}))`),
      )}
      // The next block's magnitudes start at 0 once all lanes have read these.
      workgroupBarrier();`;
  const stores = slots.map((slot, index) =>
    behind(slot, `${slot.name}[${at}] = ${encode(slot, index, width, `out.${slot.name}`)};`),
  );
  return `${scaled.map(({ name }) => `var<workgroup> most_${name}: atomic<u32>;`).join('\n')}

// A workgroup takes every groups.x-th block. z is the replica.
@compute @workgroup_size(64)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = table[0].x;
  let replica = group.z * (arrayLength(&param) / groups.z);
  for (var b = group.x; b < blocks; b += groups.x) {
    ${head('group.z', 'if (lane < length) { grad[replica + place.y + lane] = vec4u(); }')}
    let inside = lane < length;
    let i = min(lane, length - 1u);
    ${lines('    ', [
      ...oldScales(text),
      ...scaled.map(({ name }) => `var new_${name} = vec2f(1.0);`),
      computed(text, '    ', () => ''),
      whereScaled(text, exchange),
      bits(text),
    ])}
    if (inside) {
      ${lines('      ', [access.storeParam('out.p'), ...stores])}
    }
    if (${width === '16' ? 'F16 && ' : ''}lane == 0u) {
      ${lines('      ', storeScales(text))}
    }
  }
}`;
}

const XYZW = ['x', 'y', 'z', 'w'] as const;

/** In vec4s of the block. */
const vectors = (text: Omit<Text, 'access' | 'at'>): Text => ({
  ...text,
  at: `own * 64u + ${text.quad}`,
  access: {
    load: () => 'param[replica + place.x + i]',
    gradient: 'raw(grad[replica + place.y + i])',
    storeParam: (value) =>
      `param[replica + place.x + i] = ${value};\n      if (ZERO) { grad[replica + place.y + i] = vec4u(); }`,
  },
});

/** Float by float; what lies behind the block is 0, so that its state is. */
const floats = (text: Omit<Text, 'access' | 'at'>): Text => ({
  ...text,
  at: `own * 64u + ${text.quad}`,
  access: {
    load: () => `select(vec4f(), vec4f(${XYZW.map((x) => `bitcast<f32>(param[at_param.${x}])`).join(', ')}), inside)`,
    gradient: `select(vec4f(), raw(vec4u(${XYZW.map((x) => `grad_bits(at_grad.${x})`).join(', ')})), inside)`,
    storeParam: (value) =>
      [
        ...XYZW.map((x) => `if (inside.${x}) { param[at_param.${x}] = bitcast<u32>(${value}.${x}); }`),
        `if (ZERO) { ${XYZW.map((x) => `clear(at_grad.${x});`).join(' ')} }`,
      ].join('\n      '),
  },
});

const FLOAT_FUNCTIONS = `fn grad_bits(at: u32) -> u32 {
  if (SHARED) { return param[at]; }
  return grad[at];
}

fn clear(at: u32) {
  if (SHARED) { param[at] = 0u; } else { grad[at] = 0u; }
}`;

function loopOf(form: PackedForm, common: Pick<Text, 'parts' | 'slots' | 'width'>): string {
  if (form === 'team') return teamLoop(vectors({ ...common, quad: 'lane' }));
  if (form === 'walk')
    return walkLoop(
      vectors({ ...common, quad: 'i' }),
      'length',
      'for (var i = 0u; i < length; i++) { grad[replica + place.y + i] = vec4u(); }',
      [],
    );
  return walkLoop(
    floats({ ...common, quad: 'i' }),
    '(length + 3u) / 4u',
    'for (var i = 0u; i < length; i++) { clear(place.y + i); }',
    [
      'let e = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u);',
      'let inside = e < vec4u(length);',
      'let at_param = min(e, vec4u(length - 1u)) + place.x;',
      'let at_grad = min(e, vec4u(length - 1u)) + place.y;',
    ],
  );
}

/** From the bits of a gradient to its value. */
const RAW = `fn raw(bits: vec4u) -> vec4f {
  if (FIXED) { return vec4f(bitcast<vec4i>(bits)) * bitcast<f32>(table[0].y); }
  return bitcast<vec4f>(bits);
}`;

/** What all kernels of a width have in common, needed or not. @param library the functions of encode.wgsl */
export function emitLibrary(width: Width, library: string): string {
  const used =
    width === '16'
      ? `${SIXTEEN} scale_f16 higher`
      : 'from_8bit to_8bit from_8bit_positive to_8bit_positive scale_8bit higher MOST_SIGNED MOST_POSITIVE from_bf16 to_bf16';
  const functions = needed(library, `${used} key_of random other largest`);
  return [CLIP, functions, ...(width === '16' ? [SIXTEEN] : []), RAW].join('\n\n');
}

/** A rule's file, its state in fewer bytes: what stands in front of its own functions, these, and the loop behind the library. */
export function emitPacked(
  parts: RuleParts,
  encodings: Readonly<Record<string, SlotEncoding>>,
  width: Width,
  form: PackedForm,
): { readonly head: string; readonly rule: string; readonly loop: string } {
  const slots = slotsOf(parts, encodings, width);
  const range = form === 'range';
  const bindings = [
    'var<uniform> hyper: array<Hyper, 1024>',
    `var<storage, read_write> param: array<${range ? 'u32' : 'vec4f'}>`,
    `var<storage, read_write> grad: array<${range ? 'u32' : 'vec4u'}>`,
    ...slots.map(({ name, bits }) => `var<storage, read_write> ${name}: array<${bits === 8 ? 'u32' : 'vec2u'}>`),
    'var<storage, read_write> scales: array<f32>',
    'var<storage, read> table: array<vec4u>',
  ].map((text, i) => `@group(0) @binding(${i}) ${text};`);
  const loop = loopOf(form, { parts, slots, width });
  return {
    head: `// Generated from shaders/optim/${parts.name}.wgsl by harness/generate/emit-packed.ts: its rule with state of ${width} bits, ${form}.

${width === '16' ? '// f16 with a scale for each block; else bf16.\noverride F16: bool = false;\n' : ''}override FIXED: bool = false;
override ZERO: bool = false;
${range ? '// One binding holds param and grad.\noverride SHARED: bool = false;\n' : ''}${form === 'team' ? '' : 'override WORKGROUP: u32 = 16;\n'}
${bindings.join('\n')}
// Scales of each block, slot by slot. The table has (blocks, bits of what a fixed-point gradient's 1 is worth), then for each block
// where it begins in param and in grad, its length and (upper half) its row of hyper, its number among all blocks wherever they
// lie, for its random bits; places and length in vec4s or floats as the loop goes. Then each replica's key of random numbers.`,
    rule: parts.own.replace(/^(\/\/.*\n)+\n*/, '').replace(/^@group.*\n/gm, ''),
    loop: `${range ? `${FLOAT_FUNCTIONS}\n\n` : ''}${loop}`,
  };
}
