import { expect, it } from 'vitest';
import { spectrumOf } from '../../src/train/spectrum.js';
import { tridiagonalSpectrum } from '../../src/train/tridiagonal.js';

it('has the eigenvalues of the second difference, 2 - 2 cos(kπ/(n+1)), and components of its eigenvectors', () => {
  const n = 24;
  const { values, first, last } = tridiagonalSpectrum(new Array(n).fill(2), new Array(n - 1).fill(-1));
  for (let k = 1; k <= n; k++) {
    expect(values[k - 1]).toBeCloseTo(2 - 2 * Math.cos((k * Math.PI) / (n + 1)), 13);
    const component = Math.sqrt(2 / (n + 1)) * Math.sin((k * Math.PI) / (n + 1));
    expect(Math.abs(first[k - 1]!)).toBeCloseTo(component, 13);
    expect(Math.abs(last[k - 1]!)).toBeCloseTo(component, 13);
  }
});

it('takes matrices that fall apart, and of one element', () => {
  expect(tridiagonalSpectrum([3], []).values).toEqual([3]);
  const { values } = tridiagonalSpectrum([1, 2, 5, 5], [0, 0, 2]);
  for (const [i, wanted] of [1, 2, 3, 7].entries()) expect(values[i]).toBeCloseTo(wanted, 14);
});

it('says what the numbers mean', () => {
  const result = {
    values: [-4, -0.001, 0.5, 8],
    first: [0.5, 0.5, 0.5, 0.5],
    last: [0, 0, 0, 0],
    errors: [0, 0, 0, 0],
  };
  expect(spectrumOf({ ...result, exhausted: false }, 2)).toEqual({
    largest: [
      { value: 8, error: 0 },
      { value: 0.5, error: 0 },
    ],
    smallest: [
      { value: -4, error: 0 },
      { value: -0.001, error: 0 },
    ],
    conditionNumber: 2,
    conditionRank: 2,
    negative: { count: 1, share: 0.25 },
    stabilityLimit: 0.25,
    iterations: 4,
  });
  expect(spectrumOf({ ...result, exhausted: true }, 2)).toMatchObject({ conditionNumber: 8000, conditionRank: 4 });
  const down = { ...result, values: [-3, -2, -1, 0] };
  expect(spectrumOf({ ...down, exhausted: false }, 1).stabilityLimit).toBe(Number.POSITIVE_INFINITY);
});
