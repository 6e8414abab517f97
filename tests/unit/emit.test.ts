import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ruleParts } from '../../harness/generate/rule-parts.js';
import { readShader } from '../../harness/generate/shaders.js';
import { emitRange } from '../../src/kernels/emit.js';
import { ARENA_BLOCK, rangeMap } from '../../src/kernels/update.js';
import { rules } from '../../src/optim/rules.gen.js';

/*
 * How a rule gets onto foreign memory: its text into other loops, elements to their groups. What the
 * emitted text computes is compared on the GPU (tests/gpu/optimizer.test.ts) and validated in tests/wgsl.
 */

const FORMS = ['range', 'shared'] as const;
const folder = resolve(import.meta.dirname, '../../shaders/optim');
const files = readdirSync(folder)
  .map((name) => name.replace('.wgsl', ''))
  .filter((name) => name !== 'advance');
const source = (name: string) => readFileSync(resolve(folder, `${name}.wgsl`), 'utf8');
const count = (text: string, part: string) => text.split(part).length - 1;

describe.each(files)('%s', (file) => {
  const code = source(file);
  const shader = Object.values(rules).find(({ row }) => row.shader.name === `optim/${file}`)!.row.shader;

  it.each(FORMS)('in the form %s holds its rule to the letter, once, and is what was checked in', (form) => {
    const text = emitRange(ruleParts(file, code), form);
    // Found here by another way than the emitter's: from the line that names it to the brace that stands alone.
    const own = [
      /^fn rule\([\s\S]*?^\}$/m,
      /^struct Hyper \{[\s\S]*?^\}$/m,
      /^struct Out \{.*\}$|^struct Out \{[\s\S]*?^\}$/m,
    ];
    for (const pattern of own) {
      const [part] = pattern.exec(code)!;
      expect(count(text, part)).toBe(1);
    }
    for (const [helper] of code.matchAll(/^fn (?!update)\w+\(.*$/gm)) expect(count(text, helper)).toBe(1);
    for (const [constant] of code.matchAll(/^const .*$/gm)) expect(count(text, constant)).toBe(1);
    expect(shader.forms![form].code).toBe(text);
  });

  it('keeps its state slots, flags and rows in both forms', () => {
    for (const form of FORMS) {
      const { bindings, structs, overrides } = shader.forms![form];
      const names = bindings.map(({ name }) => name);
      expect(names).toEqual(
        shader.bindings.map(({ name }) => name).filter((name) => form === 'range' || name !== 'grad'),
      );
      expect(structs.Hyper).toEqual(shader.structs.Hyper);
      const flags = Object.keys(shader.overrides).filter((key) => key !== 'WORKGROUP');
      expect(Object.keys(overrides).sort()).toEqual([...flags, 'FIXED', 'WORKGROUP', 'ZERO'].sort());
      for (const key of flags) expect(overrides[key]).toBe(shader.overrides[key]);
    }
  });
});

describe('the emitter', () => {
  const WGSL = `// A rule for this test.
override SECOND: bool = false;
override WORKGROUP: u32 = 64;

// What changes per step.
struct Hyper {
  @align(64) count: u32,
  rate: f32,
}

struct Out { p: vec4f, first: vec4f, second: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> second: array<vec4f>;
@group(0) @binding(5) var<storage, read> group_of: array<u32>;

// A tenth,
// or nearly.
const TENTH = 0.1;
const HUNDREDTH = 0.01;

fn small(x: vec4f) -> vec4f { return TENTH * x; }

// Helps.
fn long(
  x: vec4f,
) -> vec4f {
  if (x.x > HUNDREDTH) {
    return x;
  }
  return small(x);
}

fn rule(p: vec4f, g: vec4f, first: vec4f, second: vec4f, h: Hyper) -> Out {
  return Out(p - h.rate * long(g), first, second);
}

@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u) {
  param[id.x] = grad[id.x];
}
`;

  it('finds the parts of a file by name, helpers, constants and comments with them', () => {
    expect(ruleParts('test', WGSL)).toEqual({
      name: 'test',
      overrides: ['override SECOND: bool = false;'],
      structs: [
        '// What changes per step.\nstruct Hyper {\n  @align(64) count: u32,\n  rate: f32,\n}',
        'struct Out { p: vec4f, first: vec4f, second: vec4f }',
      ],
      functions: [
        '// A tenth,\n// or nearly.\nconst TENTH = 0.1;',
        'const HUNDREDTH = 0.01;',
        'fn small(x: vec4f) -> vec4f { return TENTH * x; }',
        '// Helps.\nfn long(\n  x: vec4f,\n) -> vec4f {\n  if (x.x > HUNDREDTH) {\n    return x;\n  }\n  return small(x);\n}',
        expect.stringMatching(/^fn rule\([\s\S]*\}$/),
      ],
      slots: [
        { name: 'first', optional: false },
        { name: 'second', optional: true },
      ],
    });
  });

  it.each(FORMS)('writes a complete file of them: %s', (form) => {
    const text = emitRange(ruleParts('test', WGSL), form);
    const { bindings, entryPoint, overrides } = readShader('test', text);
    expect(entryPoint).toBe('update');
    expect(bindings.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'hyper uniform',
      'param storage',
      ...(form === 'range' ? ['grad storage'] : []),
      'first storage',
      'second storage',
      'group_of read-only-storage',
    ]);
    expect(overrides).toEqual({ SECOND: false, FIXED: false, ZERO: false, WORKGROUP: 64 });
    // Only the optional slot is behind its flag, loading and storing.
    expect(count(text, 'if (SECOND)')).toBe(2);
    expect(text).toContain('let s_first = vec4f(first[');
    // Of the file's own loop nothing is left.
    expect(text).not.toContain('param[id.x]');
    expect(count(text, 'fn update(')).toBe(1);
  });

  it('says which part a file lacks', () => {
    expect(() => ruleParts('test', WGSL.replace('\nfn rule(', '\n fn rule('))).toThrow(/test\.wgsl has no .*rule/);
  });
});

describe('rangeMap', () => {
  const MIXED = 0x8000_0000;
  /** What the kernel's `row_of` finds. */
  const rowOf = (map: Uint32Array, element: number): number => {
    const entry = map[8 + Math.floor(element / ARENA_BLOCK)]!;
    if (entry < MIXED) return entry;
    let border = map[3]! + 2 * (entry - MIXED);
    while (element >= map[border]!) border += 2;
    return map[border + 1]!;
  };
  const stretches = fc.array(
    fc.record({
      elements: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 63, 64, 65, 128)),
      row: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it('gives every element its tensor’s row; only chunks with several rows are looked up one by one', () => {
    fc.assert(
      fc.property(stretches, fc.nat(63), fc.nat(63), (list, param, grad) => {
        const map = rangeMap(list, { param, grad, unit: 0.5 });
        const rows = list.flatMap(({ elements, row }) => Array<number>(elements).fill(row));
        const chunks = Math.ceil(rows.length / ARENA_BLOCK);
        expect([...map.subarray(0, 4)]).toEqual([rows.length, param, grad, 8 + chunks]);
        expect(new Float32Array(map.buffer)[4]).toBe(0.5);
        expect(map).toHaveLength(8 + chunks + 2 * list.length);
        expect(rows.map((_, element) => rowOf(map, element))).toEqual(rows);
        for (let chunk = 0; chunk < chunks; chunk++) {
          const several = new Set(rows.slice(ARENA_BLOCK * chunk, ARENA_BLOCK * (chunk + 1))).size > 1;
          expect(map[8 + chunk]! >= MIXED).toBe(several);
        }
      }),
    );
  });
});
