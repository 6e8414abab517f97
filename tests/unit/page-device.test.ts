import { expect, test } from 'vitest';
import { concerns } from '../../app/shell/device.js';

test('an error is of the work that it names, or of everybody', () => {
  const named = new Error('Usage of [Buffer "downhill:compare rates/weights"] is 0. - While calling [Device "page"]');
  expect(concerns(named, 'compare rates')).toBe(true);
  expect(concerns(named, 'compare', 'page')).toBe(false);
  expect(concerns(new Error('[Buffer "downhill:page-evaluate/sums"] is destroyed'), 'page')).toBe(true);
  for (const nobody of [new Error('The GPU device was lost.'), 'text', undefined])
    expect(concerns(nobody, 'page')).toBe(true);
});
