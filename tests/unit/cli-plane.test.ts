import { describe, expect, it } from 'vitest';
import { needs } from '../../harness/cli.js';
import { logLoss, logTicks, planeSvg } from '../../harness/plane/chart.js';
import { type PlaneCommand, parsePlane, planeHelp } from '../../harness/plane/options.js';
import { digits } from '../../src/data/index.js';
import type { Landscape, PlaneKind } from '../../src/landscape/index.js';

const parsed = (...args: string[]) => parsePlane(args) as PlaneCommand;

describe('the flags of loss-plane', () => {
  it('are those of train that say what is trained, and its own', () => {
    const { config, planes, grid, range, samples, every, directions, run } = parsed(
      ...['--model', '784-8-10', '--steps', '40', '--lr', '0.1', '--planes', 'pca,random,pca'],
      ...['--grid', '9', '--range', '0.5', '--evaluate', '100', '--every', '4', '--directions', '7'],
    );
    expect(config.model.sizes).toEqual([784, 8, 10]);
    expect(config).toMatchObject({ steps: 40, optimizer: { hyper: { lr: 0.1 } } });
    expect({ planes, grid, range, samples, every, directions, run }).toEqual({
      ...{ planes: ['pca', 'random'], grid: 9, range: 0.5, samples: 100, every: 4, directions: 7, run: undefined },
    });
    expect(parsed().planes).toEqual(['random', 'pca', 'line']);
    expect(parsed().grid).toBeUndefined();
  });

  it.each([
    ['--grid', '1'],
    ['--range', '0'],
    ['--evaluate', 'all'],
    ['--every', '0'],
    ['--planes', 'random,flat'],
    ['--profile'],
    ['--in', 'chrome'],
    ['--resume', 'runs/a'],
    ['--model', '3'],
    ['--run', 'runs/a', '--lr', '0.1'],
    ['--run', 'runs/a', '--every', '5'],
  ])('refuse %s %s', (...args) => {
    expect(() => parsePlane(args)).toThrow(/OPTION-|SHAPE-/);
  });

  it('want a run that is there', () => {
    expect(() => parsePlane(['--run', '/nowhere/at/all'])).toThrow(/DATA-NOT-FOUND/);
  });

  it('stand in its help, and say what it needs', () => {
    expect(parsePlane(['--help'])).toBe('help');
    for (const flag of [
      'run',
      'planes',
      'grid',
      'range',
      'evaluate',
      'every',
      'directions',
      'out',
      'model',
      'optimizer',
    ])
      expect(planeHelp()).toContain(`  --${flag} `);
    expect(planeHelp()).not.toContain('--profile');
    expect(needs(['loss-plane'])).toEqual({ adapter: true, browser: false });
    expect(needs(['loss-plane', '--help'])).toEqual({ adapter: false, browser: false });
  });
});

const data = digits({ samples: 20 });
function made(plane: PlaneKind, columns: number, rows: number, of: (x: number, y: number) => number): Landscape {
  const axis = (n: number) => Float64Array.from({ length: n }, (_, i) => (n === 1 ? 0 : (2 * i) / (n - 1) - 1));
  const [x, y] = [axis(columns), axis(rows)];
  const loss = Float32Array.from([...y].flatMap((b) => [...x].map((a) => of(a, b))));
  const path = { x: x.slice(0, 3), y: new Float64Array(3), distance: Float64Array.of(2, 1, 0), steps: [0, 5, 10] };
  return {
    ...{ plane, x, y, loss, accuracy: loss.map(() => 0.5), norms: [1], cosine: 0, seed: 0, share: [0.8, 0.1] },
    ...{ centre: { x: 0, y: 0, loss: 0.1, accuracy: 0.5 }, path: plane === 'random' ? undefined : path },
    ...{ step: 10, data, members: 5, passes: 1, note: '' },
  };
}

describe('the picture', () => {
  it('has bands of colour, the path, how far that is away, and axes', () => {
    const landscape = made('pca', 9, 9, (x, y) => 0.1 + x * x + y * y);
    const svg = planeSvg({ title: 'a < b', subtitle: ['one', 'two'], landscape });
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
    expect(svg).toContain('a &#60; b');
    expect(svg.match(/fill-rule="evenodd"/g)).toHaveLength(18);
    expect(svg.match(/<circle/g)).toHaveLength(3);
    expect(svg).toContain('first principal component: 80.0 % of the squared distance');
    expect(svg).toContain('distance of the path from this plane');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('of a line is a curve with the accuracy', () => {
    const svg = planeSvg({ title: 'line', subtitle: [], landscape: made('line', 21, 1, (x) => 2 + x) });
    expect(svg).toContain('stroke-dasharray');
    expect(svg).toContain('accuracy');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('shows where a loss is no number, or too large, as the largest', () => {
    const landscape = made('random', 5, 5, (x, y) =>
      x > 0.9 ? Number.NaN : y > 0.9 ? Number.POSITIVE_INFINITY : 1 + x * x,
    );
    const { values, low, high } = logLoss(landscape);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(values[4]).toBe(high);
    expect(values[22]).toBe(high);
    expect(low).toBeCloseTo(-1, 12); // of the centre
    expect(planeSvg({ title: '', subtitle: [], landscape })).not.toMatch(/NaN|Infinity/);
    const nothing = made('random', 3, 3, () => Number.NaN);
    expect(planeSvg({ title: '', subtitle: [], landscape: nothing })).not.toMatch(/NaN|Infinity/);
    const flat = made('random', 3, 3, () => 0.1);
    expect(planeSvg({ title: '', subtitle: [], landscape: flat })).not.toMatch(/NaN|Infinity/);
  });

  it('has round numbers on its log axis', () => {
    const shown = (low: number, high: number) =>
      logTicks(Math.log10(low), Math.log10(high)).map((each) => Number((10 ** each).toPrecision(6)));
    expect(shown(0.001, 2)).toEqual([0.001, 0.01, 0.1, 1]);
    expect(shown(0.04, 2.4)).toEqual([0.05, 0.1, 0.2, 0.5, 1, 2]);
    expect(shown(1.1, 1.9)).toEqual([1.2, 1.4, 1.6, 1.8]);
  });
});
