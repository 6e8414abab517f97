import { describe, expect, it } from 'vitest';
import { type Dataset, type Toy, toys } from '../../src/data/index.js';

const NAMES = Object.keys(toys) as Toy[];
const labelsOf = ({ targets }: Dataset) => (targets.kind === 'classes' ? [...targets.labels] : []);
const pointsOf = (data: Dataset) =>
  labelsOf(data).map((label, i) => ({ label, x: data.x[2 * i]!, y: data.x[2 * i + 1]! }));
const codeOf = (make: () => unknown) => {
  try {
    make();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

describe.each(NAMES)('%s', (name) => {
  const draw = toys[name];

  it('is a data set of float points in two classes', () => {
    const data = draw({ samples: 7 });
    expect(data).toMatchObject({ samples: 7, features: 2, scale: 1, shift: 0, featureNames: ['x', 'y'] });
    expect(data.x).toBeInstanceOf(Float32Array);
    expect(data.x.length).toBe(14);
    expect(data.x.every(Number.isFinite)).toBe(true);
    expect(data.targets).toMatchObject({ kind: 'classes', classes: 2 });
    expect(draw().samples).toBe(1000);
  });

  it('repeats itself by its seed, and fewer points are the beginning of more', () => {
    const many = draw({ samples: 50, seed: 3 });
    expect(draw({ samples: 50, seed: 3 })).toEqual(many);
    expect(draw({ samples: 11, seed: 3 }).x).toEqual(many.x.subarray(0, 22));
    expect(draw({ samples: 50, seed: 4 }).x).not.toEqual(many.x);
  });

  it('is balanced in every beginning', () => {
    const labels = labelsOf(draw({ samples: 101 }));
    let ones = 0;
    for (const [i, label] of labels.entries()) {
      ones += label;
      expect(Math.abs(2 * ones - (i + 1))).toBeLessThanOrEqual(1);
    }
  });

  it('adds noise of the standard deviation that is asked for', () => {
    // The same draws place the points, whatever the noise: the difference is the noise alone.
    const [clean, noisy] = [draw({ samples: 20_000, noise: 0 }), draw({ samples: 20_000, noise: 0.3 })];
    const differences = Array.from(noisy.x, (value, i) => value - clean.x[i]!);
    const variance = differences.reduce((sum, value) => sum + value ** 2, 0) / differences.length;
    expect(Math.sqrt(variance) / 0.3).toBeCloseTo(1, 1);
  });

  it('refuses other options', () => {
    const code = (options: unknown) => codeOf(() => draw(options as never));
    for (const samples of [1, 1.5, Number.NaN, 1e10]) expect(code({ samples })).toBe('OPTION-RANGE');
    for (const noise of [-0.1, Number.NaN, Infinity]) expect(code({ noise })).toBe('OPTION-RANGE');
    expect(code({ noise: '0' })).toBe('OPTION-TYPE');
    expect(code({ seed: -1 })).toBe('OPTION-RANGE');
    expect(code({ classes: 3 })).toBe('OPTION-UNKNOWN');
  });
});

describe('without noise', () => {
  const points = (name: Toy) => pointsOf(toys[name]({ samples: 400, noise: 0 }));

  it('points lie on two spirals', () => {
    for (const { label, x, y } of points('spirals')) {
      const r = Math.hypot(x, y);
      expect(r).toBeLessThan(1);
      const a = 3.5 * Math.PI * r + Math.PI * label;
      expect(x).toBeCloseTo(r * Math.sin(a), 5);
      expect(y).toBeCloseTo(r * Math.cos(a), 5);
    }
  });

  it('points lie on two circles', () => {
    for (const { label, x, y } of points('circles')) expect(Math.hypot(x, y)).toBeCloseTo(label === 0 ? 1 : 0.5, 6);
  });

  it('points lie in four squares, with all signs', () => {
    const all = points('xor');
    for (const { label, x, y } of all) {
      expect(Number(x * y < 0)).toBe(label);
      for (const side of [Math.abs(x), Math.abs(y)]) {
        expect(side).toBeGreaterThanOrEqual(Math.fround(0.1));
        expect(side).toBeLessThanOrEqual(1);
      }
    }
    const quadrants = all.map(({ x, y }) => `${Math.sign(x)} ${Math.sign(y)}`);
    for (const quadrant of new Set(quadrants))
      expect(quadrants.filter((each) => each === quadrant).length).toBeGreaterThan(60);
    expect(new Set(quadrants).size).toBe(4);
  });

  it('points lie on two half circles', () => {
    for (const { label, x, y } of points('moons')) {
      const [cx, cy, side] = label === 0 ? [0, 0, 1] : [1, 0.5, -1];
      expect(Math.hypot(x - cx, y - cy)).toBeCloseTo(1, 6);
      expect(side * (y - cy)).toBeGreaterThanOrEqual(0);
    }
  });
});
