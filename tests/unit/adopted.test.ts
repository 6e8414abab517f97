import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEGMENT } from '../../src/kernels/advance.js';
import { ARENA_BLOCK, MAX_RECORDS } from '../../src/kernels/update.js';
import type { AdoptedTensor } from '../../src/optim/adopt.js';
import { makeGroups } from '../../src/optim/groups.js';
import type { Rule } from '../../src/optim/rule.js';
import { adamw, sgd } from '../../src/optim/rules.gen.js';
import { planSegments } from '../../src/optim/segments.js';
import { adoptedSpace, longestSpan } from '../../src/space/adopted.js';

/* Tensors somewhere in a few buffers, as a caller may have them. */

const RULES: readonly Rule[] = [adamw(), adamw({ lr: 0.01 }), sgd(), adamw({ betas: [0.8, 0.999] })] as never;
const bufferOf = [0, 1, 2].map((id) => ({ id }) as unknown as GPUBuffer);

interface Placed {
  readonly elements: number;
  readonly gap: number;
  /** As the parameter's where it is left out. */
  readonly gradGap?: number | undefined;
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
  return list.map(({ elements, gap, gradGap = gap, buffer, frozen, rule }, i) => {
    const param = { buffer: bufferOf[buffer]!, offset: ends[buffer]! + 4 * gap };
    const grad = { buffer: gradBuffers[buffer]!, offset: gradEnds[buffer]! + 4 * gradGap };
    ends[buffer] = param.offset + 4 * elements;
    gradEnds[buffer] = grad.offset + 4 * elements;
    return { name: `t${i}`, shape: [elements], elements, param, grad, frozen, rules: [RULES[rule]!] };
  });
}

const gap = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(1, 3, 64, 1024, 1025));
const placements = (maxElements: number) =>
  fc
    .record({
      list: fc.array(
        fc.record({
          elements: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: maxElements })),
          gap,
          gradGap: fc.option(gap, { nil: undefined }),
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

describe('makeGroups', () => {
  it('gives equal hyper-parameters one group, and tensors their own where norms are per tensor', () => {
    fc.assert(
      fc.property(placements(10), ({ tensors }) => {
        const groups = makeGroups(tensors, false);
        for (const tensor of tensors) {
          const own = groups.filter((group) => group.tensors.includes(tensor.name));
          expect(own).toMatchObject([{ rules: tensor.rules, frozen: tensor.frozen }]);
        }
        const kinds = new Set(tensors.map(({ rules, frozen }) => JSON.stringify([rules[0].hyper, frozen])));
        expect(groups).toHaveLength(kinds.size);
        const each = makeGroups(tensors, true);
        expect(each.map((group) => group.tensors)).toEqual(tensors.map(({ name }) => [name]));
      }),
    );
  });

  it('tells schedules apart by what they are, pairs by their numbers, replicas by all of them', () => {
    const lr = () => 1;
    const of = (...all: unknown[]) =>
      makeGroups(
        all.map((rules, i) => ({ name: `t${i}`, frozen: false, rules: [rules].flat() as Rule[] })),
        false,
      ).length;
    expect(of(adamw({ lr }), adamw({ lr }))).toBe(1);
    expect(of(adamw({ lr }), adamw({ lr: () => 1 }))).toBe(2);
    expect(of(adamw({ betas: [lr, 0.9] }), adamw({ betas: [lr, 0.9] }), adamw({ betas: [0.9, lr] }))).toBe(2);
    expect(of([adamw({ lr }), adamw()], [adamw({ lr }), adamw()], [adamw({ lr }), adamw({ lr })])).toBe(2);
  });

  it('refuses more records, of groups and replicas, than the uniform holds', () => {
    const many = (length: number, replicas: number) =>
      Array.from({ length }, (_, i) => ({
        name: `t${i}`,
        frozen: false,
        rules: Array.from({ length: replicas }, () => adamw() as unknown as Rule),
      }));
    const refusal = (words: string) =>
      expect.objectContaining({
        code: 'OPTION-RANGE',
        message: expect.stringContaining(words),
        fix: expect.stringMatching(/\S/),
      });
    expect(makeGroups(many(MAX_RECORDS + 1, 1), false)).toHaveLength(1);
    expect(() => makeGroups(many(MAX_RECORDS + 1, 1), true)).toThrow(refusal('1025 groups'));
    expect(makeGroups(many(4, 256), true)).toHaveLength(4);
    expect(() => makeGroups(many(4, 257), true)).toThrow(refusal('4 groups for each of 257 replicas'));
    expect(() => makeGroups(many(1, MAX_RECORDS + 1), false)).toThrow(refusal('1024 are the most'));
  });
});

describe('adoptedSpace', () => {
  it('covers every element that is not frozen once, where it lies, in spans with short gaps or none, and none too long', () => {
    fc.assert(
      fc.property(placements(2000), fc.boolean(), ({ tensors, most }, gaps) => {
        const { space, param, grad } = adoptedSpace(tensors, most, gaps);
        const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
        for (const [i, { elements, parts }] of space.spans.entries()) {
          expect(elements).toBeGreaterThan(0);
          expect(elements).toBeLessThanOrEqual(most);
          expect(parts.some(({ tensor }) => !byName.get(tensor)!.frozen)).toBe(true);
          let next = 0;
          for (const { tensor, span, start, at, elements: own } of parts) {
            expect(span).toBe(i);
            expect(at).toBeGreaterThanOrEqual(next);
            // A gap that a limit cut off may be in front.
            expect(at - next).toBeLessThanOrEqual(gaps ? 1024 : 0);
            next = at + own;
            for (const vector of [param, grad]) {
              const [range, given] = [vector.ranges[i]!, byName.get(tensor)![vector.name as 'param']];
              expect(range.buffer).toBe(given.buffer);
              expect(range.offset + 4 * at).toBe(given.offset + 4 * start);
              expect(range.size).toBe(4 * elements);
            }
          }
          expect(elements - next).toBeLessThanOrEqual(gaps ? 1024 : 0);
          // What one binding may have to hold does fit: the two ranges, and what lies between and below them.
          const [p, g] = [param.ranges[i]!, grad.ranges[i]!];
          const apart = p.buffer === g.buffer ? Math.abs(p.offset - g.offset) : Number.POSITIVE_INFINITY;
          if (apart < 4 * elements + 256) expect(apart + 4 * elements).toBeLessThanOrEqual(4 * most);
          expect(apart).toBeGreaterThanOrEqual(4 * elements);
        }
        for (const { name, frozen, elements } of tensors) {
          if (frozen) continue;
          let next = 0;
          for (const { start, elements: own } of [...space.partsOf(name)].sort((a, b) => a.start - b.start)) {
            expect(start).toBe(next);
            next += own;
          }
          expect(next).toBe(elements);
        }
      }),
    );
  });

  it('makes one span of neighbours, whatever their order and groups, and does not depend on the order', () => {
    const sizes = [10, 1, 300, 7];
    const tensors = place(
      sizes.map((elements, i) => ({ elements, gap: 0, gradGap: 0, buffer: 0, frozen: i === 1, rule: i % 2 })),
      true,
    );
    const shape = (list: AdoptedTensor[]) =>
      adoptedSpace(list, 2 ** 20, false).space.spans.map(({ elements, parts }) => [
        elements,
        parts.map(({ tensor, at }) => [tensor, at]),
      ]);
    expect(shape(tensors)).toHaveLength(1);
    expect(shape(tensors)[0]![0]).toBe(318);
    expect(shape([...tensors].reverse())).toEqual(shape(tensors));
  });

  it('makes one span of tensors with gaps, where they are alike, short, and the ranges lie apart', () => {
    const list = (gap: number, gradGap = gap) =>
      [10, 300, 7].map((elements) => ({ elements, gap, gradGap, buffer: 0, frozen: false, rule: 0 }));
    const spans = (tensors: AdoptedTensor[], gaps = true) => adoptedSpace(tensors, 2 ** 20, gaps).space.spans;
    expect(spans(place(list(64), false))).toMatchObject([
      { elements: 445, parts: [{ at: 0 }, { at: 74 }, { at: 438, elements: 7 }] },
    ]);
    expect(spans(place(list(64), false), false)).toHaveLength(3);
    expect(spans(place(list(1024), false))).toHaveLength(1);
    expect(spans(place(list(1025), false))).toHaveLength(3);
    expect(spans(place(list(64, 65), false))).toHaveLength(3);
    // In one buffer: gradients behind all parameters and a boundary, or each in the gap behind its parameter.
    const [first, ...rest] = list(64);
    expect(spans(place([...list(64), { ...first!, gap: 2000, gradGap: 64 }], true))).toHaveLength(2);
    const between = place([first!, ...rest], false).map((tensor) => ({
      ...tensor,
      grad: { buffer: tensor.param.buffer, offset: tensor.param.offset - 40 },
    }));
    expect(spans(between)).toHaveLength(3);
  });

  it('cuts at whole blocks below what a device binds', () => {
    const of = (binding: number, buffer = binding, alignment = 256) =>
      longestSpan({
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
      fc.property(placements(3 * SEGMENT), fc.boolean(), fc.boolean(), ({ tensors, most }, perTensor, gaps) => {
        const groups = makeGroups(tensors, perTensor);
        const groupOf = (name: string) => groups.findIndex((group) => group.tensors.includes(name));
        const { space } = adoptedSpace(tensors, 16 * most, gaps);
        const { all, begins, tables } = planSegments(space, groups);
        const groupAt: number[] = [];
        for (const [i, { segments: own, table }] of tables.entries()) {
          expect(table).toHaveLength(4 * own);
          const found = Array.from({ length: own }, (_, k) => [...table.subarray(4 * k, 4 * k + 4)]).sort(
            (a, b) => a[0]! - b[0]!,
          );
          const moving = space.spans[i]!.parts.filter(({ tensor }) => !groups[groupOf(tensor)]!.frozen);
          const left = moving.flatMap(({ at, elements, tensor }) => {
            const cuts = Array.from({ length: Math.ceil(elements / SEGMENT) }, (_, k) => k * SEGMENT);
            const group = groupOf(tensor);
            return cuts.map((cut) => ({ first: at + cut, count: Math.min(SEGMENT, elements - cut), group }));
          });
          expect(found.map(([first, elements]) => [first, elements])).toEqual(
            left.map((each) => [each.first, each.count]),
          );
          for (const [k, [, , spot]] of found.entries()) {
            expect(groupAt[spot!]).toBeUndefined();
            groupAt[spot!] = left[k]!.group;
          }
        }
        expect(groupAt).toHaveLength(all);
        expect(Object.keys(groupAt)).toHaveLength(all);
        // A group's sum runs from its beginning to the next one's.
        expect(begins).toHaveLength(groups.length + 1);
        expect([begins[0], begins.at(-1)]).toEqual([0, all]);
        for (const [group] of groups.entries())
          for (let spot = begins[group]!; spot < begins[group + 1]!; spot++) expect(groupAt[spot]).toBe(group);
      }),
      { numRuns: 50 },
    );
  });
});
