import { describe, expect, it } from 'vitest';
import { main } from '../../harness/cli.js';
import { chosenLayers, heightOf, outlineOf, rangeOf, startsOption, startsSvg } from '../../harness/inspect/chart.js';
import { report } from '../../harness/inspect/command.js';
import {
  type Inspected,
  inspectLines,
  layerName,
  numberText,
  shownLayers,
  sparkline,
} from '../../harness/inspect/lines.js';
import { type InspectCommand, parseInspect, startName } from '../../harness/inspect/options.js';
import type { InspectedLayer } from '../../src/index.js';
import { fakeIo } from '../support/cli.js';

const parse = (...args: string[]) => parseInspect(args) as InspectCommand;

/** A layer whose outputs are as given. */
function layerOf(values: readonly number[], more: Partial<InspectedLayer> = {}): InspectedLayer {
  const mean = values.reduce((a, b) => a + b) / values.length;
  const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const counts = new Array<number>(64).fill(0);
  for (const value of values) counts[max > min ? Math.min(Math.floor((64 * (value - min)) / (max - min)), 63) : 0]!++;
  const zeros = values.filter((value) => value === 0).length / values.length;
  const histogram = { min, max, counts };
  const output = { mean, std, min, max, zeros, nonFinite: 0, histogram, unitStd: std, dead: 0 };
  return { layer: 1, name: 'relu', width: 4, output, verdict: 'healthy', ...more };
}

const bell = Array.from({ length: 4000 }, (_, i) => Math.sin(i) + Math.sin(1.7 * i) + Math.sin(2.3 * i));
const halved = bell.map((value) => Math.max(value, 0));
const inspectedOf = (init: 'he-normal' | 'zeros', layers: readonly InspectedLayer[]): Inspected => ({
  start: { activation: 'relu', init },
  ...{ layers, tensors: [], loss: 2.3, samples: 10, verdict: 'healthy' },
});

describe('the flags of downhill inspect', () => {
  it('make a start of every initialisation and activation', () => {
    const { starts, config, batchSize } = parse('--activation', 'relu,tanh', '--init', 'zeros, pytorch');
    expect(starts).toEqual([
      { activation: 'relu', init: 'zeros' },
      { activation: 'relu', init: 'pytorch' },
      { activation: 'tanh', init: 'zeros' },
      { activation: 'tanh', init: 'pytorch' },
    ]);
    expect(config).toMatchObject({ data: { kind: 'digits' }, seed: 0, scale: 'standard' });
    expect(batchSize).toBeUndefined();
    const { starts: gains } = parse('--init', 'he-normal', '--gain', '0.5,auto');
    expect(gains.map(startName)).toEqual(['he-normal, gain 0.5', 'he-normal, gain auto']);
    expect(parse('--data', 'csv:table.csv', '--target', 'y')).toMatchObject({ open: { sizes: true, loss: true } });
    expect(parse('--batch', '10', '--seed', '4')).toMatchObject({ batchSize: 10, config: { seed: 4, batchSize: 10 } });
    expect(parse().starts.map(({ init }) => init)).toEqual(['he-normal', 'xavier-normal', 'pytorch']);
  });

  it.each([
    [['--init', 'he'], 'OPTION-RANGE'],
    [['--init', ''], 'OPTION-TYPE'],
    [['--activation', 'relu,'], 'OPTION-RANGE'],
    [['--activation', 'relu,tanh,sigmoid', '--init', 'zeros,zeros,zeros,zeros,zeros'], 'OPTION-RANGE'],
    [['--gain', 'much'], 'OPTION-RANGE'],
    [['--init', 'zeros', '--gain', '2'], 'OPTION-RANGE'],
    [['--batch', '0'], 'OPTION-RANGE'],
    [['--lr', '1'], 'OPTION-UNKNOWN'],
    [['--model', '784'], 'SHAPE-INVALID'],
  ])('refuse %j', async (args, code) => {
    expect(() => parseInspect(args)).toThrow(expect.objectContaining({ code }));
    expect(await main(['inspect', ...args], fakeIo())).toBe(2);
  });

  it('are told by --help', async () => {
    const io = fakeIo();
    expect(await main(['inspect', '--help'], io)).toBe(0);
    expect(io.out()).toMatch(/--init NAMES[\s\S]*he-normal,xavier-normal,pytorch[\s\S]*--activation NAMES/);
    expect(
      Math.max(
        ...io
          .out()
          .split('\n')
          .map(({ length }) => length),
      ),
    ).toBeLessThanOrEqual(96);
  });
});

describe('the lines of an inspection', () => {
  it('show activations and outputs, not what is fed to an activation or dropped behind one', () => {
    const at = (layer: InspectedLayer, i: number) => ({ ...layer, layer: i });
    const own = { gradientNorm: 1, updateRatio: 0 };
    const [fed, gelu, last] = [layerOf(bell, own), layerOf(bell, { name: 'gelu' }), layerOf(bell, own)];
    const drop = layerOf(bell, { name: 'dropout' });
    const layers = shownLayers(inspectedOf('zeros', [fed, gelu, drop, fed, gelu, last].map(at)));
    expect(layers).toEqual([at(gelu, 1), at(gelu, 4), at(last, 5)]);
    expect(layers.map((_, i) => layerName(layers, i))).toEqual(['gelu 1', 'gelu 2', 'outputs']);
  });

  it('fit the terminal', () => {
    const all = [inspectedOf('he-normal', [layerOf(halved), layerOf(bell)]), inspectedOf('zeros', [layerOf([0, 0])])];
    const lines = inspectLines(all, (_, text) => text, 80);
    expect(Math.max(...lines.slice(0, 5).map(({ length }) => length))).toBeLessThan(80);
    expect(lines[1]).toMatch(/^ {2}he-normal +relu 1 +0\.\d+ .* healthy +[▁▂▃▄▅▆▇█ ]{16}$/);
    expect(lines[2]).toMatch(/^ +outputs /);
    expect(lines[3]).toBe('');
    expect(lines[4]).toMatch(/zeros +outputs +0 +0 +0 +0 %/);
  });

  it('draw how outputs are spread, not how many are 0', () => {
    const spread = sparkline(layerOf(halved));
    expect(spread.slice(1)).toContain('█');
    expect(sparkline(layerOf([5, 5]))).toBe(`█${' '.repeat(15)}`);
    expect(['0', '0.0123', '1230', '1e-5', 'NaN']).toEqual([0, 0.0123, 1234, 1e-5, Number.NaN].map(numberText));
  });
});

it('says the same as JSON, without histograms', () => {
  const io = fakeIo();
  const adapter = { name: 'an adapter', cpu: true } as never;
  const at = { svg: 'folder/activations.svg', json: 'folder/activations.json' };
  report(at, parse('--json'), adapter, [inspectedOf('zeros', [layerOf(bell)])], io);
  const { inspections, files } = JSON.parse(io.out());
  expect(inspections).toMatchObject([{ activation: 'relu', init: 'zeros', verdict: 'healthy', loss: 2.3 }]);
  expect(inspections[0].layers[0].output.std).toBeCloseTo(layerOf(bell).output.std, 12);
  expect(inspections[0].layers[0].output.histogram).toBeUndefined();
  expect(files).toEqual(at);
});

describe('the picture of an inspection', () => {
  it('has a cell for each layer of each start, and a line for each start', () => {
    const layers = [layerOf(halved), layerOf(halved), layerOf(bell)];
    const inspected = [inspectedOf('he-normal', layers), inspectedOf('zeros', [layerOf([0, 0]), layerOf([0, 0])])];
    const option = startsOption({ title: 'T', subtitle: 'S', inspected });
    expect(option.grid).toHaveLength(3 + 2 + 1);
    expect(option.series).toHaveLength(3 + 2 + 2);
    const svg = startsSvg({ title: 'A title', subtitle: 'and what', inspected });
    expect(svg).toContain(`height="${heightOf(2)}"`);
    expect(svg).not.toContain('NaN');
  });

  it('keeps the shape of what is not 0, in a range without far tails', () => {
    const outline = outlineOf(layerOf(halved));
    const heights = outline.map(([, y]) => y);
    expect(heights.filter((y) => y === 1).length).toBeGreaterThan(0);
    expect(heights[1]).toBe(1.25);
    const [low, high] = rangeOf([layerOf([...bell, 1e4])]);
    expect(low).toBe(Math.min(...bell));
    expect(high).toBeLessThan(1000);
    expect(rangeOf([layerOf([0, 0])])).toEqual([-1, 1]);
    expect(outlineOf(layerOf([0, 0]))).toEqual([
      [0, 0],
      [0, 1.25],
      [0, 0],
    ]);
  });

  it('chooses layers of a deep network evenly', () => {
    expect(chosenLayers(3)).toEqual([0, 1, 2]);
    expect(chosenLayers(11)).toEqual([0, 2, 4, 6, 8, 10]);
  });
});
