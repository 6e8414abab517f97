import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emitFile, emitForm, FORMS, MARKER, ruleParts } from '../../harness/generate/emit.js';
import { readShader, stripWgsl } from '../../harness/generate/shaders.js';
import { foreignMap, type Stretch } from '../../src/kernels/foreign.js';
import { ARENA_BLOCK } from '../../src/kernels/update.js';
import { rules } from '../../src/optim/rules.gen.js';

/*
 * How a rule gets onto foreign memory: its text into other loops, elements to their groups. What the
 * emitted text computes is compared on the GPU (tests/gpu/optimizer.test.ts) and validated in tests/wgsl.
 */

const folder = resolve(import.meta.dirname, '../../shaders/optim');
const source = (name: string) => readFileSync(resolve(folder, `${name}.wgsl`), 'utf8');
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.wgsl'))
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

  it.each(FORMS)('in the form %s holds its rule to the letter, once, and is what was checked in', async (form) => {
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
    expect((await shader.forms![form]()).code).toBe(stripWgsl(text));
  });

  it('keeps its state slots, flags and rows in all forms', async () => {
    for (const form of FORMS) {
      const { bindings, structs, overrides } = await shader.forms![form]();
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
  const NONE = 0xffff_ffff;
  const stretches = fc.array(
    fc.record({
      elements: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 63, 64, 65, 128, 5000)),
      row: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 4 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  /** Which row updates each element, how often, and by which kernel: what body and range do with the table. */
  function walk(map: ReturnType<typeof foreignMap>): { element: number; row: number; vec4: boolean }[] {
    const { words, body, rest } = map;
    const [chunks, , , , list, length] = words as unknown as number[];
    expect(length).toBe(rest);
    if (body) expect(body).toBe(chunks);
    const found = [];
    for (let chunk = 0; chunk < body; chunk++) {
      const row = words[6 + chunk]!;
      if (row === NONE) continue;
      for (let e = 64 * chunk; e < 64 * chunk + 64; e++) found.push({ element: e, row, vec4: true });
    }
    for (let item = list!; item < list! + 2 * length!; item += 2) {
      let [chunk, border] = words.subarray(item, item + 2) as unknown as [number, number];
      for (let e = 64 * chunk; e < 64 * chunk + 64; e++) {
        while (e >= words[border]!) border += 2;
        const row = words[border + 1]!;
        if (row !== NONE) found.push({ element: e, row, vec4: false });
      }
    }
    return found;
  }

  it('gives every element its tensor’s row once, and whole chunks of one row to the vec4s where they fit', () => {
    fc.assert(
      fc.property(stretches, fc.nat(63), fc.nat(63), fc.boolean(), (list, param, grad, shared) => {
        const map = foreignMap(list as Stretch[], { param, grad, unit: 0.5, shared });
        const rows = list.flatMap(({ elements, row = NONE }) => Array<number>(elements).fill(row));
        const fits = !shared && (param - grad) % 4 === 0;
        expect(map.lead).toBe(fits ? param % 4 : 0);
        const chunks = Math.ceil((map.lead + rows.length) / ARENA_BLOCK);
        expect([...map.words.subarray(0, 3)]).toEqual([chunks, param - map.lead, grad - map.lead]);
        if (fits) expect([map.words[1]! % 4, map.words[2]! % 4]).toEqual([0, 0]);
        expect(new Float32Array(map.words.buffer)[3]).toBe(0.5);
        const found = walk(map).sort((a, b) => a.element - b.element);
        const expected = rows.map((row, i) => ({ element: map.lead + i, row })).filter(({ row }) => row !== NONE);
        expect(found.map(({ element, row }) => ({ element, row }))).toEqual(expected);
        // A chunk whole and of one row goes by vec4s; but not where there are so few that a second dispatch costs more.
        const own = Array.from({ length: chunks }, (_, chunk) =>
          rows.slice(Math.max(ARENA_BLOCK * chunk - map.lead, 0), ARENA_BLOCK * (chunk + 1) - map.lead),
        );
        const empty = own.filter((each) => each.every((row) => row === NONE)).length;
        const whole = own.map((each) => each.length === ARENA_BLOCK && each[0] !== NONE && new Set(each).size === 1);
        const wholes = whole.filter(Boolean).length;
        const used = fits && wholes > 0 && (wholes >= 64 || map.rest === 0);
        expect(map.body).toBe(used ? chunks : 0);
        expect(found.every(({ element, vec4 }) => vec4 === (used && whole[Math.floor(element / ARENA_BLOCK)]))).toBe(
          true,
        );
        // Nothing but what has a piece of a tensor is looked at float by float; a chunk partly of nobody, beyond the end, may be.
        expect(map.rest).toBeLessThanOrEqual(chunks - (used ? wholes : 0));
        expect(map.rest).toBeGreaterThanOrEqual(chunks - empty - (used ? wholes : 0));
      }),
    );
  });

  it('says nothing of a list where one tensor fills its chunks', () => {
    const map = foreignMap([{ elements: 128, row: 7 }], { param: 0, grad: 4, unit: 1 });
    const unit = new Uint32Array(Float32Array.of(1).buffer)[0];
    expect([...map.words]).toEqual([2, 0, 4, unit, 12, 0, 7, 7, 128, 7, NONE, NONE]);
    expect(map).toMatchObject({ lead: 0, body: 2, rest: 0 });
  });

  it('leaves out chunks of a gap', () => {
    const gap = [{ elements: 100, row: 1 }, { elements: 156 + 128 }, { elements: 64, row: 1 }];
    const map = foreignMap(gap, { param: 0, grad: 1, unit: 1 });
    expect([...map.words.subarray(map.words[4]!)].filter((_, i) => i % 2 === 0)).toEqual([0, 1, 6]);
    expect(map).toMatchObject({ lead: 0, body: 0, rest: 3 });
  });
});
