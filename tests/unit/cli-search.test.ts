import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { main, needs } from '../../harness/cli.js';
import { axesOf, heatMapOption, heatMapSvg } from '../../harness/search/charts/heat-map.js';
import { historyOption, historySvg } from '../../harness/search/charts/history.js';
import { parallelOption, parallelSvg } from '../../harness/search/charts/parallel.js';
import { rangeOption, rangeSvg } from '../../harness/search/charts/range.js';
import { slicesOption, slicesSvg } from '../../harness/search/charts/slices.js';
import type { SearchChart } from '../../harness/search/charts/style.js';
import { searchLines, valueText } from '../../harness/search/lines.js';
import { parseSearch, readSpec, type SearchCommand, searchHelp } from '../../harness/search/options.js';
import { plannedSteps, SearchProgress } from '../../harness/search/progress.js';
import { parseRange, type RangeCommand, rangeHelp } from '../../harness/search/range.js';
import { baseOf, configOf, parameterFlag, trialArgs } from '../../harness/search/spec.js';
import { checkTrial, readTrial, TRIAL_FORMAT, trialHelp } from '../../harness/search/trial.js';
import { buildData } from '../../harness/train/data.js';
import { choice, logUniform, type RangeReport, type Trial, uniform } from '../../src/search/index.js';
import { fakeIo } from '../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'downhill-search-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

const parse = (...args: string[]) => parseSearch(args) as SearchCommand;
const SPACE = 'lr=log:1e-4..1,momentum=0..0.99';
const sgd = ['--optimizer', 'sgd'];

describe('the flags of search', () => {
  it('say what is searched, and what every trial has', () => {
    const { spec, out, json } = parse('--space', SPACE, ...sgd, '--model', '784-8-10', '--steps', '64', '--seeds', '2');
    expect(spec).toEqual({
      format: 'downhill-search/1',
      train: { optimizer: 'sgd', model: '784-8-10', steps: '64' },
      space: { lr: logUniform(1e-4, 1), momentum: uniform(0, 0.99) },
      method: { name: 'halving', options: {} },
      ...{ trials: 32, seeds: [0, 1], seed: 0, metric: 'loss' },
    });
    expect({ out, json }).toEqual({ out: undefined, json: false });
    const method = parse('--space', SPACE, ...sgd, '--method', 'halving', '--eta', '3', '--first-rung', '0.1').spec
      .method;
    expect(method).toEqual({ name: 'halving', options: { eta: 3, firstRung: 0.1 } });
    // Points of a grid say how many trials there are, where --trials does not.
    expect(parse('--space', 'lr=log:1e-4..1,batch=16|64|256', '--method', 'grid', '--points', '5').spec.trials).toBe(
      15,
    );
  });

  it('take the space from a file, or as JSON', () => {
    writeFileSync(
      path('space.json'),
      '{ "lr": { "kind": "log-uniform", "low": 0.0001, "high": 1 }, "momentum": "0..0.99" }',
    );
    const expected = parse('--space', SPACE, ...sgd).spec;
    expect(parse('--space', path('space.json'), ...sgd).spec).toEqual(expected);
    expect(parse('--space', '{"lr":"log:1e-4..1","momentum":"0..0.99"}', ...sgd).spec).toEqual(expected);
    expect(() => parse('--space', path('none.json'))).toThrow(expect.objectContaining({ code: 'DATA-NOT-FOUND' }));
  });

  it.each([
    [[], 'OPTION-RANGE', 'what to search'],
    [['--space', 'lr=1..0'], 'OPTION-RANGE', 'reversed'],
    [['--space', 'lr=log:0..1'], 'OPTION-RANGE', 'logarithmic'],
    [['--space', 'lr=0..1,lr=0..2'], 'OPTION-RANGE', 'twice'],
    [['--space', 'learning=0..1'], 'OPTION-RANGE', 'no flag of a training'],
    [['--space', 'momentun=0..1'], 'OPTION-RANGE', "Did you mean 'momentum'"],
    [['--space', 'seed=1|2'], 'OPTION-RANGE', 'no flag'],
    [['--space', 'lr=log:1e-4..1', '--lr', '0.1'], 'OPTION-RANGE', '--lr is in the space'],
    [['--space', 'weightDecay=0..1,weight-decay=0..1'], 'OPTION-RANGE', 'twice'],
    [['--space', 'lr=log:1e-4..1', '--method', 'having'], 'OPTION-RANGE', "Did you mean 'halving'"],
    [['--space', 'lr=log:1e-4..1', '--trials', '0'], 'OPTION-RANGE', '--trials'],
    [['--space', 'lr=log:1e-4..1', '--seeds', '0'], 'OPTION-RANGE', '--seeds'],
    [['--space', 'batch=16|64', '--optimizer', 'lbfgs'], 'OPTION-RANGE', 'finds the length of its steps itself'],
    [['--space', 'lr=log:1e-4..1', '--generations', '4'], 'OPTION-RANGE', '--generations is for pbt'],
    [['--space', 'lr=log:1e-4..1', '--eta', '1'], 'OPTION-RANGE', '--eta'],
    [['--space', 'lr=log:1e-4..1', '--metric', 'f1'], 'OPTION-RANGE', '--metric'],
    [['--space', 'lr=log:1e-4..1', '--method', 'pbt', '--schedule', 'cosine'], 'OPTION-RANGE', 'schedule of its own'],
    [['--space', 'lr=log:1e-4..1', '--in', 'chrome'], 'OPTION-UNKNOWN', '--in'],
    [['--space', 'lr=log:1e-4..1', '--patience', '3'], 'OPTION-UNKNOWN', '--patience'],
    [['--space', 'lr=log:1e-4..1', '--model', '784'], 'SHAPE-INVALID', 'width'],
    [['--resume', 'nowhere'], 'DATA-NOT-FOUND', 'no search in nowhere'],
    [['--resume', 'nowhere', '--trials', '3'], 'OPTION-RANGE', 'as it was begun'],
  ])('refuse %j', async (args, code, words) => {
    expect(() => parseSearch(args)).toThrow(expect.objectContaining({ code }));
    expect(() => parseSearch(args)).toThrow(words);
    expect(await main(['search', ...args], fakeIo())).toBe(/^DATA/.test(code) ? 1 : 2);
  });

  it('stand in its help, and say what it needs', () => {
    for (const flag of [
      'space',
      'method',
      'trials',
      'seeds',
      'eta',
      'rounds',
      'points',
      'generations',
      'resume',
      'model',
    ])
      expect(searchHelp()).toMatch(new RegExp(`^  --${flag} `, 'm'));
    for (const help of [searchHelp(), rangeHelp(), trialHelp()])
      expect(Math.max(...help.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(130);
    expect(needs(['search', '--space', SPACE])).toEqual({ adapter: true, browser: false });
    expect(needs(['search', '--help'])).toEqual({ adapter: false, browser: false });
    expect(needs(['range'])).toEqual({ adapter: true, browser: false });
    expect(needs(['trial', 'a.json'])).toEqual({ adapter: true, browser: false });
  });

  it('go on only with what is a search', () => {
    writeFileSync(path('search.json'), '{"format":"other"}');
    expect(() => readSpec(folder)).toThrow(expect.objectContaining({ code: 'CHECKPOINT-CORRUPT' }));
  });
});

describe('a trial’s training', () => {
  const train = { samples: '60', model: '784-6-10', steps: '8' };

  it('has its parameters as flags', () => {
    const args = trialArgs({ ...train, optimizer: 'sgd' }, { lr: 0.05, momentum: 0.9, nesterov: true, batch: 16 });
    expect(args.join(' ')).toBe(
      '--samples 60 --model 784-6-10 --steps 8 --optimizer sgd --validation 0.2 --lr 0.05 --momentum 0.9 --nesterov --batch 16',
    );
    expect(trialArgs({}, { nesterov: false })).toContain('--no-nesterov');
    expect(parameterFlag('weightDecay')).toBe('weight-decay');
  });

  it('leaves out what its rule lacks, where the rule is searched', () => {
    expect(trialArgs({}, { optimizer: 'adam', momentum: 0.9, lr: 0.1 })).not.toContain('--momentum');
    expect(trialArgs({}, { optimizer: 'sgd', momentum: 0.9, lr: 0.1 })).toContain('--momentum');
    expect(trialArgs({ optimizer: 'adam' }, { momentum: 0.9 })).toContain('--momentum');
  });

  it('has width and depth of the hidden layers', async () => {
    const { config, open } = baseOf(train);
    const base = { open, data: await buildData(config) };
    const sizes = (params: Record<string, number>) => configOf(train, params, base).model.sizes;
    expect(sizes({ width: 12 })).toEqual([784, 12, 10]);
    expect(sizes({ width: 12, depth: 3 })).toEqual([784, 12, 12, 12, 10]);
    expect(sizes({ depth: 2 })).toEqual([784, 6, 6, 10]);
    expect(base.data.validation!.samples).toBe(10);
  });
});

describe('how much a search will train', () => {
  it('is what its method asks for', async () => {
    const planned = (...args: string[]) => plannedSteps(parse('--space', SPACE, ...sgd, ...args).spec, 512);
    expect(await planned('--trials', '64', '--method', 'random')).toBe(64 * 512);
    expect(await planned('--trials', '64')).toBe((3 / 16) * 64 * 512);
    expect(await planned('--trials', '8', '--method', 'pbt')).toBe(8 * 512);
    await expect(planned('--trials', '3', '--method', 'coarse-to-fine')).rejects.toMatchObject({
      code: 'OPTION-RANGE',
    });
  });
});

describe('trial.json', () => {
  const trial = {
    format: TRIAL_FORMAT,
    trial: 3,
    train: { samples: '60' },
    params: { lr: 0.1 },
    seeds: [0],
    metric: 'loss',
  };

  it('is data, and checked', () => {
    expect(checkTrial(trial)).toBe(trial);
    const bad: [object, string][] = [
      [{ format: 'downhill-trial/9' }, 'OPTION-RANGE'],
      [{ trial: -1 }, 'OPTION-RANGE'],
      [{ metric: 'f1' }, 'OPTION-RANGE'],
      [{ seeds: [] }, 'OPTION-TYPE'],
      [{ seeds: [0.5] }, 'OPTION-RANGE'],
      [{ train: { samples: 60 } }, 'OPTION-TYPE'],
      [{ train: { samples: '--out' } }, 'OPTION-TYPE'],
      [{ train: { out: '/etc' } }, 'OPTION-UNKNOWN'],
      [{ train: { resume: 'x' } }, 'OPTION-UNKNOWN'],
      [{ params: { lr: '--out' } }, 'OPTION-TYPE'],
      [{ params: { lr: null } }, 'OPTION-TYPE'],
      [{ to: 0 }, 'OPTION-RANGE'],
      [{ checkpoints: [] }, 'OPTION-TYPE'],
      [{ command: 'rm -rf /' }, 'OPTION-UNKNOWN'],
    ];
    for (const [more, code] of bad)
      expect(() => checkTrial({ ...trial, ...more }), JSON.stringify(more)).toThrow(expect.objectContaining({ code }));
    for (const nonsense of [null, 7, [], 'x']) expect(() => checkTrial(nonsense)).toThrow(/OPTION-/);
    expect(() => readTrial(path('none.json'))).toThrow(expect.objectContaining({ code: 'DATA-NOT-FOUND' }));
    writeFileSync(path('torn.json'), '{"format":');
    expect(() => readTrial(path('torn.json'))).toThrow(expect.objectContaining({ code: 'OPTION-TYPE' }));
  });

  it('is told by --help', async () => {
    const io = fakeIo();
    expect(await main(['trial', '--help'], io)).toBe(0);
    expect(io.out()).toContain('exit codes');
    expect(await main(['trial'], fakeIo())).toBe(2);
  });
});

describe('the flags of range', () => {
  it('are those of a training, and its own', () => {
    const command = parseRange([
      '--optimizer',
      'sgd',
      '--momentum',
      '0.9',
      '--from',
      '1e-5',
      '--parallel',
      '8',
    ]) as RangeCommand;
    expect(command).toMatchObject({ from: 1e-5, to: 10, parallel: 8, steps: 100 });
    expect(command.train.config.optimizer).toMatchObject({ name: 'sgd', hyper: { momentum: 0.9 } });
    expect(parseRange([])).toMatchObject({ steps: 300, parallel: undefined });
  });
  it.each([
    [['--lr', '1']],
    [['--from', '1', '--to', '0.1']],
    [['--steps', '3']],
    [['--parallel', '2']],
    [['--schedule', 'cosine']],
    [['--optimizer', 'lbfgs']],
  ])('refuse %j', (args) => {
    expect(() => parseRange(args)).toThrow(/OPTION-/);
  });
});

const space = { lr: logUniform(1e-4, 1), batch: choice([16, 64]), momentum: uniform(0, 0.99) };
const trials: Trial[] = Array.from({ length: 24 }, (_, i) => {
  const failed = i % 8 === 7;
  const value = failed ? null : 0.1 + ((i * 7) % 24) / 10;
  const step = i % 3 === 0 ? 64 : 16;
  return {
    ...{ trial: i, value, values: [value, value && value + 0.02], step },
    params: { lr: [1e-4, 1e-3, 1e-2, 0.1, 1][i % 5]!, batch: i % 2 === 0 ? 16 : 64, momentum: (i % 10) / 10 },
    state: failed ? 'failed' : step === 64 ? 'complete' : 'pruned',
    ...(failed && { reason: `the training loss is NaN at step ${i}` }),
    history: [{ step, value }],
  };
});
const chart: SearchChart = { title: 'T', subtitle: 'S', trials, space, direction: 'minimize', metric: 'loss' };

describe('the lines of a search', () => {
  it('have the best trials, and what can be said of all', () => {
    const text = searchLines({ ...chart, notes: ['round 1: widen it'] }, (_, words) => words, 120).join('\n');
    expect(text).toMatch(/trial +loss +95 % +steps +lr +batch +momentum/);
    expect(text).toMatch(/trials +7 trained to the end, 14 ended before, 3 failed \(12\.50 %\)/);
    expect(text).toMatch(/importance .*by chance.*one-way\s+ANOVA/s);
    expect(text).toMatch(/failed +3 trials: the training loss is NaN/);
    expect(text).toMatch(/note +round 1: widen it/);
    expect([0.0123456, 1.2e-5, 0, 'relu', true].map(valueText)).toEqual(['0.01235', '1.2e-5', '0', 'relu', 'true']);
    const none = trials.map((trial): Trial => ({ ...trial, value: null, state: 'failed' }));
    expect(searchLines({ ...chart, trials: none, notes: [] }, (_, words) => words, 80).join('\n')).toContain(
      'Every trial failed.',
    );
  });

  it('move while it goes on, and say what is better than all before', () => {
    const io = fakeIo();
    let now = 0;
    const progress = new SearchProgress(io, { metric: 'loss', seeds: 2, trials: 4, steps: 64 }, () => now);
    progress.event({ type: 'begin', trials: [trials[1]!], notes: ['8 members in a pass'] });
    const tasks = [{ trial: 2, params: { lr: 0.1 }, from: 0, to: 16 }];
    progress.event({ type: 'tasks', tasks });
    now = 3000;
    progress.event({ type: 'steps', steps: 32 });
    const entry = { trial: 2, to: 16, values: [1, 1], value: 1 };
    progress.event({ type: 'result', task: tasks[0]!, entry, best: trials[3]! });
    progress.event({ type: 'result', task: tasks[0]!, entry, best: trials[3]! });
    progress.end();
    expect(io.err()).toContain('goes on after 1 trial');
    expect(io.err()).toContain('8 members in a pass');
    expect(io.err().match(/best so far/g)).toHaveLength(1);
  });
});

describe('the pictures of a search', () => {
  it('are parallel coordinates on the axes that were searched, the best on top', () => {
    const { parallelAxis, series } = parallelOption(chart);
    expect(parallelAxis.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'lr log',
      'batch category',
      'momentum value',
      'loss log',
    ]);
    const lines = series[0]!.data as { value: unknown[]; lineStyle: { width: number; color: string } }[];
    expect(lines).toHaveLength(24);
    expect(lines.at(-1)!.lineStyle.width).toBeGreaterThan(3);
    expect(lines.at(-1)!.value).toEqual([1e-4, '16', 0, 0.1]);
  });

  it('are the rate by the batch, with the best of each cell', () => {
    expect(axesOf(chart)).toEqual(['lr', 'batch']);
    const { series } = heatMapOption(chart)!;
    const cells = series[0]!.data as unknown as [number, number, number, number, number | null][];
    expect(cells.reduce((sum, [, , , count]) => sum + count, 0)).toBe(24);
    expect(cells.find(([, , rank]) => rank === 0)![4]).toBe(0.1);
    expect(heatMapOption({ ...chart, space: { lr: space.lr } })).toBeUndefined();
  });

  it('are a slice for each parameter, and the history', () => {
    const { grid, series } = slicesOption(chart);
    expect(grid).toHaveLength(3);
    expect(series).toHaveLength(9);
    const history = historyOption(chart);
    const best = history.series[3]!.data as [number, number][];
    expect(best.map(([, value]) => value)).toEqual([...best.map(([, value]) => value)].sort((a, b) => b - a));
    expect(history.series.at(-1)!.data).toHaveLength(24);
  });

  it('are drawn, whatever there is', () => {
    const failed = trials.map((trial): Trial => ({ ...trial, value: null, state: 'failed' }));
    const maximize = { ...chart, direction: 'maximize', metric: 'accuracy' } as const;
    for (const each of [chart, maximize, { ...chart, trials: failed }, { ...chart, trials: trials.slice(0, 1) }]) {
      for (const draw of [parallelSvg, slicesSvg, historySvg, heatMapSvg]) {
        const svg = draw(each);
        expect(svg).toMatch(/^<svg/);
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      }
    }
    const points = [1e-3, 1e-2, 0.1, 1].map((lr, i) => ({ lr, loss: 3 - i, smooth: i === 3 ? Number.NaN : 3 - i }));
    const report: RangeReport = {
      kind: 'sweep',
      points,
      minimum: points[2],
      steepest: points[1],
      blowUp: 1,
      suggestion: 0.01,
    };
    const range = { title: 'T', subtitle: 'S', report };
    expect(rangeOption(range).series).toHaveLength(2);
    expect(rangeSvg(range)).not.toMatch(/NaN|undefined|Infinity/);
    const none = {
      kind: 'parallel',
      points,
      minimum: undefined,
      steepest: undefined,
      blowUp: 1e-3,
      suggestion: undefined,
    } as const;
    expect(rangeSvg({ ...range, report: none })).toMatch(/^<svg/);
  });
});
