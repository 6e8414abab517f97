import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldGrid } from '../../src/gpu/pipelines.js';
import { planArenas, tensorParts } from '../../src/nn/arena.js';
import { mlp, tensorsOf } from '../../src/nn/mlp.js';

const BIG = 2 ** 30;

describe('planArenas', () => {
  it('puts a whole network into one arena, every tensor at a multiple of 64', () => {
    const plan = planArenas(mlp({ sizes: [784, 100, 100, 100, 100, 10] }), BIG);
    expect(plan.arenas).toHaveLength(1);
    expect(
      plan.layers.flatMap(({ pieces }) => pieces).every(({ offset, bias }) => offset % 64 === 0 && bias % 64 === 0),
    ).toBe(true);
  });

  it('splits at a layer first, then within a matrix at multiples of 64 rows', () => {
    const model = mlp({ sizes: [784, 100, 10] });
    expect(planArenas(model, 4 * (78_400 + 64 + 128)).layers.map(({ pieces }) => pieces.length)).toEqual([1, 1]);
    const { layers, arenas } = planArenas(model, 4 * 20_000);
    expect(layers[0]!.pieces.map(({ begin, inputs }) => [begin, inputs])).toEqual([
      [0, 192],
      [192, 192],
      [384, 192],
      [576, 192],
      [768, 16],
    ]);
    expect(arenas.every((elements) => elements <= 20_000)).toBe(true);
  });

  it('refuses what not even 64 rows fit', () => {
    expect(() => planArenas(mlp({ sizes: [100, 1000, 2] }), 4 * 10_000)).toThrow(
      expect.objectContaining({ code: 'LIMIT-BINDING' }),
    );
  });

  it('places every element of every tensor exactly once, within its arena, for any shape and limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 20_000, max: 200_000 }),
        fc.integer({ min: 1, max: 3 }),
        (sizes, elements, replicas) => {
          const model = mlp({ sizes });
          fc.pre(64 * Math.max(...sizes) + 512 <= elements / replicas);
          const plan = planArenas(model, 4 * elements, replicas);
          const used = plan.arenas.map((size) => new Uint8Array(size));
          for (const size of plan.arenas) expect(size * replicas).toBeLessThanOrEqual(elements);
          for (const { name, shape } of tensorsOf(model)) {
            const { parts } = tensorParts(model, plan).get(name)!;
            let next = 0;
            for (const { arena, offset, start, elements: count } of parts) {
              expect(start).toBe(next);
              next += count;
              expect(offset + count).toBeLessThanOrEqual(used[arena]!.length);
              expect(used[arena]!.subarray(offset, offset + count).some(Boolean)).toBe(false);
              used[arena]!.fill(1, offset, offset + count);
            }
            expect(next).toBe(shape.reduce((product, size) => product * size, 1));
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
