import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldGrid } from '../../src/gpu/passes.js';
import { mlp } from '../../src/nn/mlp.js';
import { tensorsOf } from '../../src/nn/model.js';
import { arenaSpace, groupTable } from '../../src/space/arena.js';
import { elementsOf, type TensorShape } from '../../src/space/space.js';

const BIG = 2 ** 30;

const matrix = (name: string, rows: number, columns: number): TensorShape => ({ name, shape: [rows, columns] });

describe('arenaSpace', () => {
  it('puts a whole network into one arena in order, every tensor at a multiple of 64: where it always lay', () => {
    const model = mlp({ sizes: [784, 100, 100, 100, 100, 10] });
    const { spans, padded } = arenaSpace(tensorsOf(model), { maxBytes: BIG });
    expect(padded).toBe(true);
    // 784·100 is a multiple of 64; 100 becomes 128, 100·100 becomes 10,048, 1,000 becomes 1,024 and 10 becomes 64.
    const before = [0, 78_400, 78_528, 88_576, 88_704, 98_752, 98_880, 108_928, 109_056, 110_080];
    expect(spans.map(({ elements }) => elements)).toEqual([110_144]);
    expect(spans[0]!.parts.map(({ tensor, at }) => [tensor, at])).toEqual(
      tensorsOf(model).map(({ name }, i) => [name, before[i]]),
    );
    expect(spans[0]!.parts.every(({ at }) => at % 64 === 0)).toBe(true);
  });

  it('ends an arena before a tensor first, then within a matrix at multiples of 64 rows', () => {
    const list = [matrix('w', 784, 100), { name: 'b', shape: [100] }, matrix('v', 100, 10), { name: 'c', shape: [10] }];
    const of = (elements: number) =>
      arenaSpace(list, { maxBytes: 4 * elements }).spans.map(({ parts }) =>
        parts.map(({ tensor, start, elements: own }) => [tensor, start, own]),
      );
    expect(of(78_400 + 128)).toEqual([
      [
        ['w', 0, 78_400],
        ['b', 0, 100],
      ],
      [
        ['v', 0, 1000],
        ['c', 0, 10],
      ],
    ]);
    expect(of(20_000)).toEqual([
      [['w', 0, 19_200]],
      [['w', 19_200, 19_200]],
      [['w', 38_400, 19_200]],
      [['w', 57_600, 19_200]],
      [
        ['w', 76_800, 1600],
        ['b', 0, 100],
        ['v', 0, 1000],
        ['c', 0, 10],
      ],
    ]);
  });

  it('gives every tensor an arena where that is asked for', () => {
    const list = [
      matrix('w', 784, 100),
      { name: 'b', shape: [100] },
      { name: 'none', shape: [0] },
      matrix('v', 100, 10),
    ];
    const { spans, partsOf } = arenaSpace(list, { maxBytes: BIG, separate: true });
    expect(spans.map(({ elements }) => elements)).toEqual([78_400, 128, 1024]);
    for (const { name } of list) expect(partsOf(name).every(({ at }) => at === 0)).toBe(true);
  });

  it('refuses what not even 64 rows fit, and says which tensor', () => {
    const refusal = expect.objectContaining({ code: 'LIMIT-BINDING', message: expect.stringContaining('"w"') });
    expect(() => arenaSpace([matrix('w', 100, 1000)], { maxBytes: 4 * 10_000 })).toThrow(refusal);
    expect(() => arenaSpace([matrix('w', 100, 200)], { maxBytes: 4 * 40_000, replicas: 4 })).toThrow(refusal);
    expect(() => arenaSpace([{ name: 'w', shape: [10_001] }], { maxBytes: 4 * 10_000 })).toThrow(refusal);
  });

  it('places every element of every tensor exactly once, within its arena, for any shapes and limit', () => {
    const tensor = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 300 })),
      fc.tuple(fc.integer({ min: 0, max: 300 })),
      fc.constant([]),
    );
    fc.assert(
      fc.property(
        fc.array(tensor, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 20_000, max: 200_000 }),
        fc.integer({ min: 1, max: 3 }),
        (shapes, most, replicas) => {
          fc.pre(64 * 300 + 64 <= most / replicas);
          const tensors = shapes.map((shape, i) => ({ name: `t${i}`, shape }));
          const space = arenaSpace(tensors, { maxBytes: 4 * most, replicas });
          const used = space.spans.map(({ elements }) => new Uint8Array(elements));
          for (const { elements } of space.spans) {
            expect(elements % 64).toBe(0);
            expect(elements * replicas).toBeLessThanOrEqual(most);
          }
          for (const one of tensors) {
            let next = 0;
            for (const { span, at, start, elements } of space.partsOf(one.name)) {
              expect([start, at % 64]).toEqual([next, 0]);
              next += elements;
              expect(at + elements).toBeLessThanOrEqual(used[span]!.length);
              expect(used[span]!.subarray(at, at + elements).some(Boolean)).toBe(false);
              used[span]!.fill(1, at, at + elements);
            }
            expect(next).toBe(elementsOf(one));
          }
          // Every block that holds something has the group of what it holds.
          for (const span of space.spans) {
            const table = groupTable(span, (name) => Number(name.slice(1)) + 1);
            expect(table).toHaveLength(span.elements / 64);
            for (const { tensor: name, at, elements } of span.parts)
              for (let block = Math.floor(at / 64); 64 * block < at + elements; block++)
                expect(table[block]).toBe(Number(name.slice(1)) + 1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('foldGrid', () => {
  it('covers every workgroup within the limit of a dimension', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (groups) => {
        const [x, y] = foldGrid(groups, 65_535);
        expect(x).toBeLessThanOrEqual(65_535);
        expect(y).toBeLessThanOrEqual(65_535);
        expect(x * y).toBeGreaterThanOrEqual(groups);
        expect(x * y - groups).toBeLessThan(y);
      }),
    );
  });
});
