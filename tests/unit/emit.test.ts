import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ruleParts } from '../../harness/generate/rule-parts.js';
import { readShader } from '../../harness/generate/shaders.js';
import { emitRange } from '../../src/kernels/emit.js';
import { ARENA_BLOCK, MAX_ROWS, rangeMap, SEGMENT } from '../../src/kernels/update.js';
import type { AdoptedTensor } from '../../src/optim/adopt.js';
import type { Rule } from '../../src/optim/rule.js';
import { adamw, rules, sgd } from '../../src/optim/rules.gen.js';
import { groupRows, longestRun, planRuns, planSegments } from '../../src/optim/runs.js';

/*
 * How a rule gets onto foreign memory: its text into other loops, tensors into runs, elements to their rows. What the
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

/* Tensors somewhere in a few buffers, as a caller may have them. */

const RULES: readonly Rule[] = [adamw(), adamw({ lr: 0.01 }), sgd(), adamw({ betas: [0.8, 0.999] })] as never;
const bufferOf = [0, 1, 2].map((id) => ({ id }) as unknown as GPUBuffer);

interface Placed {
  readonly elements: number;
  readonly gap: number;
  readonly gradGap: number;
  readonly buffer: number;
  readonly frozen: boolean;
  readonly rule: number;
}

/** Parameters one after another in their buffers, gradients in others or behind all parameters, in any order. */
function place(list: readonly Placed[], oneBuffer: boolean): AdoptedTensor[] {
  const ends = [0, 0, 0];
  const gradEnds = oneBuffer
    ? [0, 1, 2].map((b) => list.reduce((sum, t) => sum + (t.buffer === b ? 4 * (t.elements + t.gap) : 0), 0))
    : [0, 0, 0];
  const gradBuffers = oneBuffer ? bufferOf : bufferOf.map((_, id) => ({ id: 10 + id }) as unknown as GPUBuffer);
  return list.map(({ elements, gap, gradGap, buffer, frozen, rule }, i) => {
    const param = { buffer: bufferOf[buffer]!, offset: ends[buffer]! + 4 * gap };
    const grad = { buffer: gradBuffers[buffer]!, offset: gradEnds[buffer]! + 4 * gradGap };
    ends[buffer] = param.offset + 4 * elements;
    gradEnds[buffer] = grad.offset + 4 * elements;
    return { name: `t${i}`, elements, param, grad, frozen, rule: RULES[rule]! };
  });
}

const gap = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(1, 3, 64));
const placements = (maxElements: number) =>
  fc
    .record({
      list: fc.array(
        fc.record({
          elements: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: maxElements })),
          gap,
          gradGap: gap,
          buffer: fc.nat(2),
          frozen: fc.boolean(),
          rule: fc.nat(3),
        }),
        { minLength: 1, maxLength: 10 },
      ),
      oneBuffer: fc.boolean(),
      most: fc.integer({ min: 4, max: 40 }).map((blocks) => blocks * ARENA_BLOCK),
      order: fc.infiniteStream(fc.nat()),
    })
    .map(({ list, oneBuffer, most, order }) => {
      const tensors = place(list, oneBuffer);
      const keys = tensors.map(() => order.next().value as number);
      return {
        tensors: tensors
          .map((_, i) => i)
          .sort((a, b) => keys[a]! - keys[b]!)
          .map((i) => tensors[i]!),
        most,
      };
    });

describe('groupRows', () => {
  it('gives equal hyper-parameters one row, and tensors their own where norms are per tensor', () => {
    fc.assert(
      fc.property(placements(10), ({ tensors }) => {
        const { rows, rowOf } = groupRows(tensors, false);
        for (const tensor of tensors)
          expect(rows[rowOf.get(tensor)!]).toEqual({ rule: tensor.rule, frozen: tensor.frozen });
        const kinds = new Set(tensors.map(({ rule, frozen }) => JSON.stringify([rule.hyper, frozen])));
        expect(rows).toHaveLength(kinds.size);
        const each = groupRows(tensors, true);
        expect(tensors.map((tensor) => each.rowOf.get(tensor))).toEqual(tensors.map((_, i) => i));
      }),
    );
  });

  it('tells schedules apart by what they are, and pairs by their numbers', () => {
    const lr = () => 1;
    const [one] = place([{ elements: 1, gap: 0, gradGap: 0, buffer: 0, frozen: false, rule: 0 }], false);
    const of = (...all: unknown[]) =>
      groupRows(
        all.map((rule) => ({ ...one!, rule: rule as Rule })),
        false,
      ).rows.length;
    expect(of(adamw({ lr }), adamw({ lr }))).toBe(1);
    expect(of(adamw({ lr }), adamw({ lr: () => 1 }))).toBe(2);
    expect(of(adamw({ betas: [lr, 0.9] }), adamw({ betas: [lr, 0.9] }), adamw({ betas: [0.9, lr] }))).toBe(2);
  });

  it('refuses more than the uniform holds', () => {
    const many = place(
      Array.from({ length: MAX_ROWS + 1 }, () => ({
        elements: 1,
        gap: 0,
        gradGap: 0,
        buffer: 0,
        frozen: false,
        rule: 0,
      })),
      false,
    );
    expect(groupRows(many, false).rows).toHaveLength(1);
    expect(() => groupRows(many, true)).toThrow(
      expect.objectContaining({ code: 'OPTION-RANGE', fix: expect.stringMatching(/\S/) }),
    );
  });
});

describe('planRuns', () => {
  it('covers every element that is not frozen once, where it lies, in runs without gaps and none too long', () => {
    fc.assert(
      fc.property(placements(2000), ({ tensors, most }) => {
        const { rowOf } = groupRows(tensors, false);
        const runs = planRuns(tensors, rowOf, most);
        const seen = new Map(tensors.map((tensor) => [tensor, [] as { start: number; elements: number }[]]));
        for (const { param, grad, elements, parts } of runs) {
          expect(elements).toBeGreaterThan(0);
          expect(elements).toBeLessThanOrEqual(most);
          expect(parts.some(({ tensor }) => !tensor.frozen)).toBe(true);
          let next = 0;
          for (const { tensor, start, at, elements: own, row } of parts) {
            expect(at).toBe(next);
            next += own;
            expect(row).toBe(rowOf.get(tensor));
            for (const [kind, run] of [
              ['param', param],
              ['grad', grad],
            ] as const) {
              expect(run.buffer).toBe(tensor[kind].buffer);
              expect(run.offset + 4 * at).toBe(tensor[kind].offset + 4 * start);
            }
            seen.get(tensor)!.push({ start, elements: own });
          }
          expect(next).toBe(elements);
          // What one binding may have to hold does fit: the two ranges, and what lies between and below them.
          const apart = param.buffer === grad.buffer ? Math.abs(param.offset - grad.offset) : Number.POSITIVE_INFINITY;
          if (apart < 4 * elements + 256) expect(apart + 4 * elements).toBeLessThanOrEqual(4 * most);
        }
        for (const [tensor, pieces] of seen) {
          if (tensor.frozen) continue;
          let next = 0;
          for (const { start, elements } of pieces.sort((a, b) => a.start - b.start)) {
            expect(start).toBe(next);
            next += elements;
          }
          expect(next).toBe(tensor.elements);
        }
      }),
    );
  });

  it('makes one run of neighbours, whatever their order and groups, and does not depend on the order', () => {
    const sizes = [10, 1, 300, 7];
    const tensors = place(
      sizes.map((elements, i) => ({ elements, gap: 0, gradGap: 0, buffer: 0, frozen: i === 1, rule: i % 2 })),
      true,
    );
    const plan = (list: AdoptedTensor[]) => planRuns(list, groupRows(list, true).rowOf, 2 ** 20);
    const [run, ...more] = plan(tensors);
    expect(more).toEqual([]);
    expect(run!.elements).toBe(318);
    const shape = (list: AdoptedTensor[]) =>
      plan(list).map(({ parts }) => parts.map(({ tensor, at }) => [tensor.name, at]));
    expect(shape([...tensors].reverse())).toEqual(shape(tensors));
  });

  it('cuts at whole blocks below what a device binds', () => {
    const of = (binding: number, buffer = binding, alignment = 256) =>
      longestRun({
        limits: {
          maxStorageBufferBindingSize: binding,
          maxBufferSize: buffer,
          minStorageBufferOffsetAlignment: alignment,
        },
      } as GPUDevice);
    for (const [binding, buffer, alignment] of [
      [2 ** 27, 2 ** 28, 256],
      [2 ** 31 - 4, 2 ** 30 + 4, 32],
      [4096, 4096, 256],
    ] as const) {
      const most = of(binding, buffer, alignment);
      expect(most % ARENA_BLOCK).toBe(0);
      expect(4 * most + alignment).toBeLessThanOrEqual(Math.min(binding, buffer));
      expect(4 * (most + ARENA_BLOCK) + alignment).toBeGreaterThan(Math.min(binding, buffer));
    }
  });
});

describe('planSegments', () => {
  it('cover every element that is not frozen once, within one tensor each, and lie sorted by group', () => {
    fc.assert(
      fc.property(placements(3 * SEGMENT), fc.boolean(), ({ tensors, most }, perTensor) => {
        const { rows, rowOf } = groupRows(tensors, perTensor);
        const runs = planRuns(tensors, rowOf, 16 * most);
        const { segments, begins, tables } = planSegments(runs, rows);
        const rowAt: number[] = [];
        for (const [i, { segments: own, table }] of tables.entries()) {
          expect(table).toHaveLength(4 * own);
          const found = Array.from({ length: own }, (_, k) => [...table.subarray(4 * k, 4 * k + 4)]).sort(
            (a, b) => a[0]! - b[0]!,
          );
          const left = runs[i]!.parts.filter(({ tensor }) => !tensor.frozen).flatMap(({ at, elements, row }) => {
            const cuts = Array.from({ length: Math.ceil(elements / SEGMENT) }, (_, k) => k * SEGMENT);
            return cuts.map((cut) => ({ first: at + cut, count: Math.min(SEGMENT, elements - cut), row }));
          });
          expect(found.map(([first, elements]) => [first, elements])).toEqual(
            left.map((each) => [each.first, each.count]),
          );
          for (const [k, [, , spot]] of found.entries()) {
            expect(rowAt[spot!]).toBeUndefined();
            rowAt[spot!] = left[k]!.row;
          }
        }
        expect(rowAt).toHaveLength(segments);
        expect(Object.keys(rowAt)).toHaveLength(segments);
        // A group's sum runs from its beginning to the next one's.
        expect(begins).toHaveLength(rows.length + 1);
        expect([begins[0], begins.at(-1)]).toEqual([0, segments]);
        for (const [row] of rows.entries())
          for (let spot = begins[row]!; spot < begins[row + 1]!; spot++) expect(rowAt[spot]).toBe(row);
      }),
      { numRuns: 50 },
    );
  });
});
