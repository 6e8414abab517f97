import { expect, it } from 'vitest';
import { show } from '../../src/gpu/errors.js';

it('shows any value, whatever it holds or throws', () => {
  const cyclic: unknown[] = [1];
  cyclic.push(cyclic);
  let deep: unknown[] = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  const hostile = {
    get constructor(): never {
      throw new Error('no');
    },
    toString() {
      throw new Error('no');
    },
  };
  const nameless = Object.create({ constructor: { name: { toString: () => 'x' } } });
  expect(show(cyclic)).toBe('[1, a list of 2]');
  expect(show(deep)).toBe('[a list of 1]');
  expect(show([hostile, Symbol('s'), 2n, null, undefined])).toBe('[an object, Symbol(s), 2, null, undefined]');
  expect(show(nameless)).toBe('an object');
  expect(show(Object.create(null))).toBe('an object');
});
