import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emitFile, emitForm, FORMS, MARKER, ruleParts } from '../../harness/generate/emit.js';
import { readShader, stripWgsl } from '../../harness/generate/shaders.js';
import { foreignMap } from '../../src/kernels/foreign.js';
import { ARENA_BLOCK } from '../../src/kernels/update.js';
import { rules } from '../../src/optim/rules.gen.js';

/*
 * How a rule gets onto foreign memory: its text into other loops, elements to their groups. What the
 * emitted text computes is compared on the GPU (tests/gpu/optimizer.test.ts) and validated in tests/wgsl.
 */

const folder = resolve(import.meta.dirname, '../../shaders/optim');
const source = (name: string) => readFileSync(resolve(folder, `${name}.wgsl`), 'utf8');
const files = readdirSync(folder)
  .map((name) => name.replace('.wgsl', ''))
  .filter((name) => ruleParts(name, source(name)));
const count = (text: string, part: string) => text.split(part).length - 1;

describe.each(files)('%s', (file) => {
  const code = source(file);
  const parts = ruleParts(file, code)!;
  const { shader } = Object.values(rules).find(({ row }) => row.shader.name === `optim/${file}`)!.row;

  it('has the loop that the generator writes below its own part', () => {
    expect(emitFile(parts)).toBe(code);
    expect(count(code, MARKER)).toBe(1);
    expect(count(code, 'fn update(')).toBe(1);
  });

  it.each(FORMS)('in the form %s holds its rule to the letter, once, and is what was checked in', (form) => {
    const text = emitForm(parts, form);
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
    expect(shader.forms![form].code).toBe(stripWgsl(text));
  });

  it('keeps its state slots, flags and rows in all forms', () => {
    for (const form of FORMS) {
      const { bindings, structs, overrides } = shader.forms![form];
      const names = bindings.map(({ name }) => name);
      expect(names).toEqual(
        shader.bindings.map(({ name }) => name).filter((name) => form !== 'shared' || name !== 'grad'),
      );
      expect(structs.Hyper).toEqual(shader.structs.Hyper);
      const flags = Object.keys(shader.overrides).filter((key) => form === 'body' || key !== 'LANES');
      expect(Object.keys(overrides).sort()).toEqual([...flags, 'FIXED', 'ZERO'].sort());
      for (const key of flags) expect(overrides[key]).toBe(shader.overrides[key]);
    }
  });
});

describe('the emitter', () => {
  const WGSL = `// A rule for this test.
override SECOND: bool = false;

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
`;

  it('finds the slots of a file, and which of them are optional', () => {
    const slots = [
      { name: 'first', optional: false },
      { name: 'second', optional: true },
    ];
    expect(ruleParts('test', WGSL)).toEqual({ name: 'test', own: WGSL.trimEnd(), slots });
    // Whatever stands below the marker is written anew.
    expect(ruleParts('test', `${WGSL}\n${MARKER}\nfn update() {}`)).toEqual(ruleParts('test', WGSL));
  });

  it('puts a loop around a file that has none yet', () => {
    const text = emitFile(ruleParts('test', WGSL)!);
    expect(text.startsWith(`${WGSL.trimEnd()}\n\n${MARKER}\n`)).toBe(true);
    const { bindings, entryPoint, overrides } = readShader('test', text);
    expect(entryPoint).toBe('update');
    expect(bindings).toHaveLength(6);
    expect(overrides).toEqual({ SECOND: false, LANES: 4, WORKGROUP: 64 });
    expect(count(text, 'if (SECOND)')).toBe(2);
    expect(emitFile(ruleParts('test', text)!)).toBe(text);
  });

  it.each(FORMS)('writes a complete file of them: %s', (form) => {
    const text = emitForm(ruleParts('test', WGSL)!, form);
    const { bindings, entryPoint, overrides } = readShader('test', text);
    expect(entryPoint).toBe('update');
    expect(bindings.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'hyper uniform',
      'param storage',
      ...(form === 'shared' ? [] : ['grad storage']),
      'first storage',
      'second storage',
      'group_of read-only-storage',
    ]);
    const lanes = form === 'body' ? { LANES: 4 } : {};
    expect(overrides).toEqual({ SECOND: false, FIXED: false, ZERO: false, WORKGROUP: 64, ...lanes });
    // Only the optional slot is behind its flag, loading and storing.
    expect(count(text, 'if (SECOND)')).toBe(2);
    expect(text).toContain(form === 'body' ? 'let s_first = first[at];' : 'let s_first = vec4f(first[');
    for (const helper of ['const TENTH = 0.1;', 'fn small(', 'fn long(', 'fn rule(', 'fn update('])
      expect(count(text, helper)).toBe(1);
  });

  it('leaves files without a rule alone, and refuses a loop of their own in those with one', () => {
    expect(ruleParts('test', WGSL.replace('\nfn rule(', '\nfn rules('))).toBeUndefined();
    expect(() => ruleParts('test', `${WGSL}\nfn update() {}`)).toThrow(/test\.wgsl: leave clip and update out/);
  });

  it('strips what only people read', () => {
    const text = '// Header\n\nfn a() {\n  let x = 6 / 2; // three\n\n  /* more\n  of it */ let y = x;\n}\n';
    expect(stripWgsl(text)).toBe('fn a() {\nlet x = 6 / 2;\nlet y = x;\n}');
  });
});

describe('foreignMap', () => {
  const MIXED = 0x8000_0000;
  const stretches = fc.array(
    fc.record({
      elements: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 63, 64, 65, 128, 5000)),
      row: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  /** Which row updates each element, how often, and by which kernel: what body and range do with the table. */
  function walk(map: ReturnType<typeof foreignMap>): { element: number; row: number; vec4: boolean }[] {
    const { words, body, rest } = map;
    const [end, lead, , , , borders, list, length] = words as unknown as number[];
    expect(length).toBe(rest);
    const found = [];
    const entryOf = (chunk: number) => words[8 + chunk]!;
    for (let chunk = 0; chunk < body; chunk++) {
      if (entryOf(chunk) >= MIXED) continue;
      for (let e = 64 * chunk; e < 64 * chunk + 64; e++) found.push({ element: e, row: entryOf(chunk), vec4: true });
    }
    for (const chunk of words.subarray(list!, list! + length!)) {
      const entry = entryOf(chunk);
      for (let e = 64 * chunk; e < 64 * chunk + 64; e++) {
        let row = entry;
        if (entry >= MIXED) {
          if (e < lead! || e >= end!) continue;
          let border = borders! + 2 * (entry - MIXED);
          while (e >= words[border]!) border += 2;
          row = words[border + 1]!;
        }
        found.push({ element: e, row, vec4: false });
      }
    }
    return found;
  }

  it('gives every element its tensor’s row once, and whole chunks of one row to the vec4s where they fit', () => {
    fc.assert(
      fc.property(stretches, fc.nat(63), fc.nat(63), fc.boolean(), (list, param, grad, shared) => {
        const map = foreignMap(list, { param, grad, unit: 0.5, shared });
        const rows = list.flatMap(({ elements, row }) => Array<number>(elements).fill(row));
        const fits = !shared && (param - grad) % 4 === 0;
        expect(map.lead).toBe(fits ? param % 4 : 0);
        expect([...map.words.subarray(0, 4)]).toEqual([
          map.lead + rows.length,
          map.lead,
          param - map.lead,
          grad - map.lead,
        ]);
        if (fits) expect([map.words[2]! % 4, map.words[3]! % 4]).toEqual([0, 0]);
        expect(new Float32Array(map.words.buffer)[4]).toBe(0.5);
        const found = walk(map).sort((a, b) => a.element - b.element);
        expect(found.map(({ element }) => element - map.lead)).toEqual(rows.map((_, i) => i));
        expect(found.map(({ row }) => row)).toEqual(rows);
        // A chunk whole and of one row goes by vec4s; but not where there are so few that a second dispatch costs more.
        const chunks = Math.ceil(map.words[0]! / ARENA_BLOCK);
        const whole = Array.from({ length: chunks }, (_, chunk) => {
          const own = rows.slice(Math.max(ARENA_BLOCK * chunk - map.lead, 0), ARENA_BLOCK * (chunk + 1) - map.lead);
          return own.length === ARENA_BLOCK && new Set(own).size === 1;
        });
        const wholes = whole.filter(Boolean).length;
        const used = fits && wholes > 0 && (wholes >= 64 || wholes === chunks);
        expect([map.body, map.rest]).toEqual(used ? [chunks, chunks - wholes] : [0, chunks]);
        expect(found.every(({ element, vec4 }) => vec4 === (used && whole[Math.floor(element / ARENA_BLOCK)]))).toBe(
          true,
        );
      }),
    );
  });

  it('says nothing of borders where one tensor fills its chunks', () => {
    const map = foreignMap([{ elements: 128, row: 7 }], { param: 0, grad: 4, unit: 1 });
    expect([...map.words]).toEqual([
      128,
      0,
      0,
      4,
      new Uint32Array(Float32Array.of(1).buffer)[0],
      10,
      12,
      0,
      7,
      7,
      128,
      7,
    ]);
    expect(map).toMatchObject({ lead: 0, body: 2, rest: 0 });
  });
});
