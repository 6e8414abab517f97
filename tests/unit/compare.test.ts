import { existsSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { needs } from '../../harness/cli.js';
import { CHAPTERS } from '../../harness/compare/chapters/index.js';
import { experimentOption, experimentSvg } from '../../harness/compare/chart.js';
import { compare } from '../../harness/compare/command.js';
import { accuracyText, below, endLoss } from '../../harness/compare/ends.js';
import { openFolder, writeFiles } from '../../harness/compare/files.js';
import { type CompareCommand, compareHelp, parseAll, parseCompare } from '../../harness/compare/options.js';
import { groupsOf, type RunSpec } from '../../harness/compare/runs.js';
import { spread, stopsOf } from '../../harness/compare/single.js';
import { across, kaiser, smooth } from '../../harness/compare/smooth.js';
import { lbfgs, mlp, rules, sgd } from '../../src/index.js';
import { fakeIo, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);

const parsed = (...args: string[]) => parseCompare(args) as CompareCommand;

describe('the flags of compare', () => {
  it('have amounts of the chapter, smaller ones with --quick, and those given', () => {
    expect(parsed('batching').amounts).toEqual({ images: 60_000, iterations: 2000, seeds: 1 });
    expect(parsed('batching', '--quick').amounts.iterations).toBe(200);
    expect(parsed('batching', '--quick', '--iterations', '7', '--seeds', '5').amounts).toEqual({
      ...{ images: 600, iterations: 7, seeds: 5 },
    });
    // As the notes: a rate of 0.64 is too large for inputs of variance 1.
    expect(parsed('batching').config.scale).toBe('unit');
    expect(parsed('batching', '--scale', 'standard').config.scale).toBe('standard');
    expect(parsed('schedules', '--log').log).toBe(true);
    expect(parsed('schedules', '--no-log').log).toBe(false);
    expect(parsed('optimizers', '--optimizers', 'sgd,lion', '--rates', 'default').own).toEqual({
      ...{ optimizers: 'sgd,lion', rates: 'default' },
    });
  });

  it('of every chapter stand in its help, with its claim', () => {
    for (const chapter of CHAPTERS) {
      expect(parseCompare([chapter.name, '--help'])).toEqual({ help: chapter });
      const help = compareHelp(chapter);
      for (const flag of [...Object.keys(chapter.flags ?? {}), 'images', 'iterations', 'seeds', 'quick', 'log', 'out'])
        expect(help).toContain(`  --${flag}`);
      expect(help.replace(/\s+/g, ' ')).toContain(chapter.claim);
      expect(parsed(chapter.name, '--quick').quick).toBe(true);
      expect(compareHelp()).toContain(chapter.title);
    }
    expect(needs(['compare', 'ravine'])).toMatchObject({ adapter: true });
    expect(needs(['compare', '--help'])).toMatchObject({ adapter: false });
  });

  it('list the chapters where there is no such one, and suggest the right one', () => {
    const names = [...CHAPTERS.map(({ name }) => name), 'all'].join(', ');
    expect(() => parseCompare(['pictures'])).toThrow(expect.objectContaining({ code: 'COMMAND-UNKNOWN' }));
    expect(() => parseCompare(['pictures'])).toThrow(expect.objectContaining({ fix: `Write one of ${names}.` }));
    expect(() => parseCompare([])).toThrow(expect.objectContaining({ fix: `Write one of ${names}.` }));
    expect(() => parseCompare(['batchin'])).toThrow(
      expect.objectContaining({ fix: expect.stringContaining('batching') }),
    );
  });

  it('say whose a flag of another chapter is', () => {
    expect(() => parseCompare(['batching', '--optimizers', 'sgd'])).toThrow(
      /--optimizers is a flag of .*optimizers.*, not of batching/,
    );
    expect(() => parseCompare(['ravine', '--images', '100'])).toThrow(/--images says nothing to ravine/);
    expect(() => parseCompare(['saddle', '--data', 'mnist'])).toThrow(
      expect.objectContaining({ code: 'OPTION-UNKNOWN' }),
    );
  });

  it('say where it runs, and what that needs', () => {
    expect(parsed('ravine').config.in).toBe('node');
    expect(parsed('ravine', '--in', 'chrome').config.in).toBe('chrome');
    expect(needs(['compare', 'ravine', '--in', 'chrome'])).toEqual({ adapter: false, browser: true });
    expect(needs(['compare', 'all', '--in', 'chrome'])).toEqual({ adapter: false, browser: true });
    expect(needs(['compare', 'all', '--help'])).toEqual({ adapter: false, browser: false });
  });

  it('of all chapters are those of each, without what says nothing to it, in a folder each', () => {
    const all = parseAll(['--quick', '--images', '300', '--no-log'], 'runs/lecture') as CompareCommand[];
    expect(all.map(({ chapter }) => chapter)).toEqual(CHAPTERS);
    for (const { chapter, out, quick, log, experiment, amounts } of all) {
      expect({ quick, log, out }).toEqual({ quick: true, log: false, out: `runs/lecture/${chapter.name}` });
      if (!experiment.withoutData) expect(amounts.images).toBe(300);
    }
    expect((parseAll(['--out', 'here'], 'there') as CompareCommand[])[0]!.out).toBe('here/batching');
    expect(parseAll(['--help'], 'there')).toBe('help');
    expect(() => parseAll(['--optimizer', 'adam'], 'there')).toThrow(/OPTION-UNKNOWN/);
  });

  it.each([
    ['batching', '--in', 'firefox'],
    ['batching', '--gd-seeds', '0'],
    ['warmup', '--batch', 'half'],
    ['warmup', '--rates', '0.1,fast'],
    ['batching', '--iterations', '1'],
    ['batching', '--images', 'all'],
    ['batching', '--seeds', '0'],
    ['batching', '--bogus'],
    ['optimizers', '--optimizers', 'sgd,adma'],
    ['optimizers', '--rates', 'best'],
    ['optimizers', '--lr', '-1'],
    ['schedules', '--optimizer', 'none'],
    ['warmup', '--optimizer', ''],
    ['batch-size', '--epochs', '0'],
    ['batch-size', '--most', '8'],
    ['search', '--trials', '2'],
    ['saddle', '--lr', 'fast'],
  ])('refuse %s %s %s', (...args) => {
    expect(() => parseCompare(args.filter((each) => each !== undefined))).toThrow(/OPTION-|RULE-UNKNOWN/);
  });

  it('want as many images as a batch takes, before any device is asked for', async () => {
    const line = ['batching', '--samples', '100', '--images', '20', '--out', folder.path('small')];
    await expect(compare(line, fakeIo())).rejects.toMatchObject({
      ...{ code: 'OPTION-RANGE', message: expect.stringContaining('batches of 64, but there are 20 images') },
    });
  });
});

describe('the Kaiser window', () => {
  // numpy.kaiser(11, 2) over its sum, and numpy.convolve of a series mirrored at its ends.
  const WINDOW = [0.052445173949, 0.073094180697, 0.091778039058, 0.1066607969, 0.116245185541, 0.119553247712];
  const SMOOTHED = [2.931884464891932, 3.0715011124015406, 3.4485869033449856, 3.972559493166435, 4.576569099275149];

  it('is NumPy’s', () => {
    for (const [i, weight] of [...WINDOW, ...WINDOW.slice(0, 5).reverse()].entries())
      expect(kaiser(11)[i]).toBeCloseTo(weight, 11);
    expect(kaiser(1)).toEqual([1]);
    expect(kaiser(4, 8.6)[0]).toBeCloseTo(0.001054630568, 11);
  });

  it('smooths as NumPy does, and shortens for short series', () => {
    const values = Array.from({ length: 20 }, (_, i) => 3 * Math.sin(i) + i);
    for (const [i, each] of SMOOTHED.entries()) expect(smooth(values)[i]).toBeCloseTo(each, 10);
    expect(smooth(values)).toHaveLength(20);
    expect(smooth([])).toEqual([]);
    expect(smooth([3])).toEqual([3]);
    expect(smooth([1, 1, 1, 1])).toEqual([1, 1, 1, 1].map((each) => expect.closeTo(each, 12)));
    expect(smooth([1, 2, Number.NaN, 2, 1])).toContain(null);
  });

  it('goes over seeds as a median and a band', () => {
    expect(
      across([
        [1, 2],
        [3, 1],
        [2, null],
      ]),
    ).toEqual({ y: [2, 2], band: { low: [1, 1], high: [3, null] } });
    expect(across([[1, 2]])).toEqual({ y: [1, 2] });
  });
});

describe('what is trained together', () => {
  const model = mlp({ sizes: [4, 3, 2] });
  const spec = (more: Partial<RunSpec> = {}): RunSpec => ({
    ...{ name: 'one', model, rule: () => sgd({ lr: 0.1 }), sampling: 'shuffle', batchSize: 8, steps: 10, ...more },
  });
  const sizes = (specs: RunSpec[], seeds = 1) => groupsOf(specs, seeds).map(({ length }) => length);

  it('is of one shape, whatever its rule and seed', () => {
    const adam = () => rules.adam() as never;
    expect(sizes([spec(), spec({ rule: adam })], 3)).toEqual([6]);
    expect(sizes([spec(), spec({ batchSize: 16 }), spec()])).toEqual([2, 1]);
    expect(sizes([spec(), spec({ model: mlp({ sizes: [4, 3, 2] }) })])).toEqual([1, 1]);
    expect(sizes(Array.from({ length: 40 }, () => spec()))).toEqual([32, 8]);
  });

  it('is not what is looked at in its own way', () => {
    for (const more of [
      { alone: true },
      { afterEvery: 5 },
      { sampling: 'full' as const },
      { rule: () => lbfgs() as never },
      { rule: () => rules.sophia() as never },
      { rule: () => rules.scheduleFreeSgd() as never },
    ])
      expect(sizes([spec(more), spec(more)], 2), JSON.stringify(more)).toEqual([1, 1, 1, 1]);
  });

  it('stops where something is looked at', () => {
    expect(stopsOf(10, [4, 0])).toEqual([
      [0, 4],
      [4, 8],
      [8, 10],
    ]);
    expect(stopsOf(6, [2, 3])).toEqual([
      [0, 2],
      [2, 3],
      [3, 4],
      [4, 6],
    ]);
  });

  it('took its time evenly over the steps of a submit', () => {
    const done = spread([1, 1.0001, 1.0002, 3, 3.0001], 0);
    for (const [i, each] of [1 / 3, 2 / 3, 1, 2, 3].entries()) expect(done[i]).toBeCloseTo(each, 3);
    expect(spread([], 0)).toEqual([]);
  });

  it('came to what its seeds came to', () => {
    const run = (loss: number) => ({ losses: Array.from({ length: 10 }, () => loss) });
    expect(endLoss({ spec: spec(), runs: [run(1), run(3), run(2)] } as never)).toBe(2);
    expect(endLoss({ spec: spec(), runs: [] })).toBeUndefined();
    const ended = (loss: number) =>
      ({ spec: spec(), runs: [{ ...run(loss), final: { loss, accuracy: 0.5 } }] }) as never;
    expect(accuracyText(ended(1))).toBe('50.0 %');
    expect(accuracyText(ended(Number.NaN))).toBe('diverged');
    expect(below('a', 1, 2)).toMatchObject([{ holds: true }]);
    expect(below('a', 1, Number.NaN)).toMatchObject([{ holds: true }]);
    expect(below('a', 1, undefined)).toEqual([]);
  });
});

describe('the picture of a comparison', () => {
  const curve = (name: string) => ({ name, x: [1, 2, 4, 8], y: [1, 0.5, null, 0.1] });
  const panel = { title: 'Loss', x: 'batch', y: 'loss', curves: [curve('a'), curve('b')], logX: true, logY: true };
  const heat = {
    title: 'Rates',
    x: 'batch',
    y: 'rate',
    columns: ['1', '2'],
    rows: ['0.1'],
    values: [[0.5, null]],
    unit: 'loss',
  };
  const chart = { title: 'A title', subtitle: 'and more', panels: [panel, panel], heatMaps: [heat] };

  it('has the same colour and marker for a name in every panel, and ticks at powers of 2', () => {
    const { option } = experimentOption(chart);
    const series = option.series as { name?: string; symbol?: string; lineStyle?: { color: string } }[];
    const [a, b, again] = series;
    expect([a!.symbol, b!.symbol]).toEqual(['circle', 'rect']);
    expect(again).toMatchObject({ name: 'a', symbol: a!.symbol, lineStyle: { color: a!.lineStyle!.color } });
    expect((option.xAxis as object[])[0]).toMatchObject({ type: 'log', logBase: 2 });
  });

  it('colours the cells of a heat map alone, and says which diverged', () => {
    const { option } = experimentOption(chart);
    expect(option.visualMap).toMatchObject([{ seriesIndex: 4 }]);
    const svg = experimentSvg(chart);
    expect(svg).toContain('diverged');
    expect(svg).toMatch(/A title/);
  });

  it('draws contours behind the curves, bands round them, and marks', () => {
    const ring = [
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 0],
    ] as const;
    const band = { low: [0.5, 0.4, 0.3, 0.1], high: [2, 1, 0.5, 0.2] };
    const one = {
      ...panel,
      logX: false,
      curves: [{ ...curve('a'), band }],
      contours: [ring],
      marks: [{ x: 2, text: 'here' }],
    };
    const { option } = experimentOption({ ...chart, panels: [one], heatMaps: [] });
    expect(option.series).toHaveLength(4);
    // The legend shows a name as its first series is: a line, not the edge of a band.
    expect((option.series as { name?: string; symbol: string }[]).find(({ name }) => name === 'a')!.symbol).toBe(
      'circle',
    );
    expect(experimentSvg({ ...chart, panels: [one], heatMaps: [] })).toContain('here');
  });

  it('keeps lines near its axes, and cuts off what flew away', () => {
    const flown = { name: 'b', x: [1, 2, 4], y: [1, 1e9, 1e30] };
    const { option } = experimentOption({
      ...chart,
      panels: [{ ...panel, curves: [curve('a'), flown] }],
      heatMaps: [],
    });
    expect((option.yAxis as object[])[0]).toMatchObject({ max: 10 });
    const linear = { ...panel, logX: false, logY: false, range: [0, 1] as const, curves: [flown] };
    const { option: cut } = experimentOption({ ...chart, panels: [linear], heatMaps: [] });
    expect((cut.series as { data: unknown }[])[0]!.data).toEqual([
      [1, 1],
      [2, 4],
      [4, 4],
    ]);
  });

  it('is drawn without a curve, too', () => {
    expect(experimentSvg({ ...chart, panels: [{ ...panel, curves: [] }], heatMaps: [] })).toContain('A title');
  });

  it('is kept as SVG where pixels cannot be drawn', async () => {
    const at = openFolder(folder.path('fontless'), false);
    const drawing = { canDraw: () => false, svgPng: () => Promise.reject(new Error('never asked')) };
    const files = await writeFiles(at, '<svg/>', { a: 1 }, drawing);
    expect(files).toMatchObject({ withoutPng: expect.stringContaining('resvg') });
    expect(files.png).toBeUndefined();
    expect(existsSync(folder.path('fontless', 'comparison.png'))).toBe(false);
    expect(readFileSync(files.picture, 'utf8')).toBe('<svg/>');
    at.close();
    expect(() => openFolder(at.folder, false)).toThrow(/has comparison\.svg in it already.*OUTPUT-UNWRITABLE/);
    openFolder(at.folder, true).close();
  });
});
