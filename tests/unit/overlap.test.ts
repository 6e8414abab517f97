import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AdoptedTensor, checkOverlap } from '../../src/optim/adopt.js';

/* Ranges and rows at strides in one buffer: which of them share a byte, told without a look at every row. */

const buffer = {} as GPUBuffer;

const item = fc.record({
  offset: fc.nat(60),
  width: fc.integer({ min: 1, max: 5 }),
  /** Words between one row and the next. */
  gap: fc.oneof(fc.constant(0), fc.nat(9)),
  rows: fc.integer({ min: 1, max: 7 }),
});
type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

const tensors = (items: readonly Item[]): AdoptedTensor[] =>
  items.map(({ offset, width, gap, rows }, i) => {
    const stride = gap === 0 ? undefined : 4 * (width + gap);
    return {
      ...{ name: `t${i}`, shape: [rows, width], elements: rows * width, frozen: false, rules: [] as never },
      param: { buffer, offset: 4 * offset, stride },
      grad: { buffer: {} as GPUBuffer, offset: 0 },
      rows: { now: rows, most: rows, width, kind: '', grows: false, active: undefined, rates: undefined },
    };
  });

/** The words of each, counted. */
function clash(items: readonly Item[]): boolean {
  const seen = new Set<number>();
  for (const { offset, width, gap, rows } of items) {
    for (let e = 0; e < rows * width; e++) {
      const at = offset + Math.floor(e / width) * (width + gap) + (e % width);
      if (seen.has(at)) return true;
      seen.add(at);
    }
  }
  return false;
}

describe('checkOverlap', () => {
  it('refuses those that share a word, and no others', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 5 }), (items) => {
        const check = expect(() => checkOverlap(tensors(items)));
        if (clash(items)) check.toThrow(/overlap in one buffer/);
        else check.not.toThrow();
      }),
      { numRuns: 3000 },
    );
  });

  it('tells fields of one record apart, and finds one that reaches into the next', () => {
    const record = (widths: readonly number[], shift: number) =>
      widths.map((width, i): Item => {
        const offset = widths.slice(0, i).reduce((sum, each) => sum + each, 0) + (i === widths.length - 1 ? shift : 0);
        return { offset, width, gap: 12 - width, rows: 150_000 };
      });
    expect(() => checkOverlap(tensors(record([3, 1, 4, 2], 0)))).not.toThrow();
    expect(() => checkOverlap(tensors(record([3, 1, 4, 2], 2)))).not.toThrow();
    expect(() => checkOverlap(tensors(record([3, 1, 4, 2], 3)))).toThrow(/"t0".*"t3"|"t3".*"t0"/);
  });
});
