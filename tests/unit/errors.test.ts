import { expect, it } from 'vitest';
import { DownhillError, nearest, show } from '../../src/gpu/errors.js';
import { checkNumber, checkOptions } from '../../src/gpu/fields.js';

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

it('shows no value at length', () => {
  let wide: unknown = 1;
  for (let i = 0; i < 8; i++) wide = new Array(8).fill(wide);
  class Long {}
  Object.defineProperty(Long, 'name', { value: 'x'.repeat(1e6) });
  const [plain, list] = [Proxy.revocable({}, {}), Proxy.revocable([], {})];
  plain.revoke();
  list.revoke();
  const long = ['x'.repeat(1e6), Symbol('x'.repeat(1e6)), 10n ** 100_000n, new Long(), wide, plain.proxy, list.proxy];
  for (const value of [...long, long]) expect(show(value).length).toBeLessThan(600);
  expect(show(plain.proxy)).toBe('an object');
  expect(show(new Array(2))).toBe('[undefined, undefined]');
  expect(show(-(2n ** 40n))).toBe('-1099511627776');
  expect(() => checkNumber('lr', wide)).toThrow(/^lr must be a number, got \[a list of 8(, a list of 8){7}\]\. /);
});

it('compares no long name with others, which would take seconds', () => {
  expect(nearest('x'.repeat(1e7), ['xx'])).toBeUndefined();
  expect(nearest('weight_decay', ['lr', 'weightDecay'])).toBe('weightDecay');
});

it('null is no default', () => {
  expect(() => checkOptions('here', { a: undefined }, ['a'])).not.toThrow();
  const wrong = () => checkOptions('here', { a: null }, ['a']);
  expect(wrong).toThrow(DownhillError);
  expect(wrong).toThrow('here.a is null. [OPTION-TYPE] Leave it out for its default.');
});
