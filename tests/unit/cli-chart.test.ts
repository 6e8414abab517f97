import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultFolder } from '../../harness/common/output.js';
import { decimate, lossOption, lossSvg, smoothed, windowOf } from '../../harness/train/chart.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { RunFolder } from '../../harness/train/run-folder.js';
import type { AdapterReport, PlanReport } from '../../src/index.js';
import { readLines, scratch } from '../support/cli.js';

const falling = (steps: number, end: number) =>
  Array.from({ length: steps }, (_, i) => (2.3 * Math.exp((-8 * i) / steps) + end) * (0.8 + 0.4 * ((i * 0.618) % 1)));
const chart = { title: 'Adam, 784-10 <relu> & more', subtitle: 'test accuracy 97.31 %\non llvmpipe (CPU adapter)' };

interface Axes {
  yAxis: { type: string; min?: number };
  series: { name: string; data: [number, number | null][] }[];
}
const option = (losses: readonly number[]) => lossOption({ ...chart, losses }) as unknown as Axes;

describe('the chart of a run', () => {
  it('is an SVG with title, test accuracy, both lines and the name of the smoothing', () => {
    const svg = lossSvg({ ...chart, losses: falling(1250, 0.05) });
    expect(svg).toMatch(/^<svg [^>]*width="960" height="540"/);
    for (const text of [
      'Adam, 784-10 &lt;relu&gt; &amp; more',
      'test accuracy 97.31 %',
      'llvmpipe',
      'mean of 51 steps',
    ]) {
      expect(svg).toContain(text);
    }
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  it('shows validations as points, the best ones filled, and never too many', () => {
    const validations = Array.from({ length: 1000 }, (_, i) => ({
      step: i + 1,
      loss: i === 10 ? Number.NaN : 2 / (i + 1),
      best: i < 500,
    }));
    const { series, yAxis } = lossOption({ ...chart, losses: falling(1000, 1), validations }) as unknown as Axes & {
      series: { data: { value: [number, number | null]; symbol: string }[] }[];
    };
    const held = series.find(({ name }) => name === 'validation loss')!.data;
    expect(held.length).toBeLessThan(210);
    expect(held.at(-1)).toEqual({ value: [1000, 0.002], symbol: 'emptyCircle' });
    expect(held).toContainEqual({ value: [500, 2 / 500], symbol: 'circle' });
    // Its low values count for the axis.
    expect(yAxis.type).toBe('log');
    expect(lossSvg({ ...chart, losses: falling(60, 1), validations: validations.slice(0, 20) })).not.toMatch(/NaN/);
  });

  it('has a logarithmic axis when the loss falls far, and none below a loss of zero', () => {
    expect(option(falling(1000, 0.01)).yAxis.type).toBe('log');
    expect(option(falling(1000, 1)).yAxis).toMatchObject({ type: 'value', min: 0 });
    expect(option(falling(1000, 0.01).map((loss) => loss - 1)).yAxis.type).toBe('value');
  });

  it.each([[0], [1], [2], [49], [50], [1400], [1401], [100_003]])(
    'draws %i steps with at most 2000 points',
    (steps) => {
      const { series } = option(falling(steps, 0.05));
      const points = series.flatMap(({ data }) => data);
      expect(points.length).toBeLessThanOrEqual(2000);
      expect(points.every(([step]) => step >= 1 && step <= steps)).toBe(true);
      for (const { data } of series) expect(data).toEqual([...data].sort(([a], [b]) => a - b));
      expect(lossSvg({ ...chart, losses: falling(steps, 0.05) })).not.toMatch(/NaN/);
    },
  );

  it('keeps every peak when it thins out', () => {
    const losses = falling(50_000, 0.5);
    losses[31_234] = 40;
    losses[12_345] = 0.001;
    const points = decimate(losses);
    expect(points).toContainEqual([31_235, 40]);
    expect(points).toContainEqual([12_346, 0.001]);
  });

  it('smooths by a centred mean', () => {
    const losses = Array.from({ length: 200 }, (_, i) => i);
    const points = smoothed(losses, 11);
    for (const [step, mean] of points.slice(0, 195)) expect(mean).toBeCloseTo(step - 1, 9); // no lag on a straight line
    expect(points.at(-1)![1]).toBeCloseTo(196.5, 9); // the last six
    expect([10, 50, 250, 1250].map(windowOf)).toEqual([1, 5, 11, 51]);
  });

  it('breaks the line where the loss is not finite', () => {
    const losses = falling(300, 0.05).map((loss, i) => (i < 200 ? loss : i === 200 ? Infinity : Number.NaN));
    const svg = lossSvg({ ...chart, losses });
    expect(svg).not.toMatch(/NaN|Infinity/);
    const [raw, smooth] = option(losses).series;
    expect(raw!.data[200]).toEqual([201, null]);
    expect(smooth!.data.at(-1)![1]).toBeNull();
    expect(() => lossSvg({ ...chart, losses: [Number.NaN, Number.NaN] })).not.toThrow();
  });
});

describe('the folder of a run', () => {
  const folder = scratch();
  afterAll(folder.remove);
  const { config } = parseTrain([]) as TrainCommand;
  const adapter = { name: 'llvmpipe (CPU adapter)', cpu: true } as AdapterReport;
  const plan = {
    type: 'plan',
    plan: { label: 'train', dispatches: 17 } as PlanReport,
    data: { train: 8000, test: 2000, features: 784, classes: 10 },
    batchSize: 64,
    steps: 3,
    stepsPerEpoch: 125,
  } as const;
  const step = (n: number) => ({ step: n, epoch: 0, loss: Math.fround(1 / n), lr: 0.001 });

  function begin(path: string, force = false): RunFolder {
    const run = new RunFolder(path, config, force ? 'force' : 'new');
    run.event({ type: 'runtime', versions: { downhill: '0.1.0' } });
    run.event({ type: 'adapter', adapter });
    run.event(plan);
    return run;
  }

  it('has config.json, metrics.jsonl and loss.svg', () => {
    const path = folder.path('a', 'b');
    const run = begin(path);
    run.event({ type: 'steps', steps: [step(1), step(2)] });
    run.event({
      type: 'steps',
      steps: [{ ...step(3), validation: { step: 3, loss: 0.5, mse: 0.25, best: true } }],
    });
    run.finish({ step: 3, loss: 0.25, accuracy: 0.5, trainSeconds: 1, stepsPerSecond: 3, interrupted: false });
    expect(readFileSync(folder.path('a', 'b', 'metrics.jsonl'), 'utf8')).toBe(
      '{"step":1,"epoch":0,"loss":1,"lr":0.001}\n{"step":2,"epoch":0,"loss":0.5,"lr":0.001}\n' +
        '{"step":3,"epoch":0,"loss":0.3333333432674408,"lr":0.001}\n' +
        '{"step":3,"validationLoss":0.5,"validationMse":0.25,"best":true}\n{"step":3,"testLoss":0.25,"testAccuracy":0.5}\n',
    );
    const saved = JSON.parse(readFileSync(folder.path('a', 'b', 'config.json'), 'utf8'));
    expect(saved).toMatchObject({
      config,
      adapter,
      plan: { dispatches: 17 },
      versions: { downhill: '0.1.0' },
      result: { accuracy: 0.5 },
    });
    expect(readFileSync(folder.path('a', 'b', 'loss.svg'), 'utf8')).toContain('test accuracy 50.00 %');
  });

  it('keeps what was reached when a run breaks off', () => {
    const run = begin(folder.path('broken'));
    run.event({ type: 'steps', steps: [step(1)] });
    expect(run.abandon()).toBe(true);
    expect(readLines(folder.path('broken', 'metrics.jsonl'))).toHaveLength(1);
    expect(readFileSync(folder.path('broken', 'loss.svg'), 'utf8')).toContain('broke off after 1 step<');
  });

  it('that is gone is said calmly, and not made again', () => {
    const run = begin(folder.path('gone'));
    rmSync(folder.path('gone'), { recursive: true });
    expect(() => run.event({ type: 'steps', steps: [step(1)] })).toThrow(
      /gone cannot be written: it is no longer there/,
    );
    expect(run.abandon()).toBe(false);
    expect(existsSync(folder.path('gone'))).toBe(false);
  });

  it('goes away again when nothing was saved, but not what was there before', () => {
    expect(new RunFolder(folder.path('new', 'deep'), config).abandon()).toBe(false);
    expect(existsSync(folder.path('new'))).toBe(false);
    mkdirSync(folder.path('old'));
    new RunFolder(folder.path('old'), config).abandon();
    expect(existsSync(folder.path('old'))).toBe(true);
  });

  it('is not overwritten without force', () => {
    begin(folder.path('twice')).abandon();
    expect(() => begin(folder.path('twice'))).toThrow(/has config\.json in it already.*OUTPUT-UNWRITABLE/);
    begin(folder.path('twice'), true).event({ type: 'steps', steps: [step(1)] });
    expect(readLines(folder.path('twice', 'metrics.jsonl'))).toHaveLength(1);
    writeFileSync(folder.path('plain'), '');
    expect(() => begin(folder.path('plain'))).toThrow(/OUTPUT-UNWRITABLE/);
  });

  it('is named by time and optimizer', () => {
    expect(defaultFolder('adam', new Date(2026, 0, 2, 3, 4, 5))).toMatch(/^runs[\\/]2026-01-02_03-04-05-adam$/);
  });
});
