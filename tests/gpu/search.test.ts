import { beforeAll, describe, expect, it, vi } from 'vitest';
import { adam, arrays, type Dataset, digits, lbfgs, mlp, sgd, split } from '../../src/index.js';
import type { SearchEvent, SearchOptions, SearchResult } from '../../src/search/index.js';
import {
  choice,
  logUniform,
  memoryLog,
  pbt,
  rangeTest,
  runTrial,
  search,
  training,
  uniform,
} from '../../src/search/index.js';
import { Pack } from '../../src/search/training/pack.js';
import { testDevice } from '../support/gpu.js';

/* Searches that train: that they resume bit for bit, and that what fails does not end them. */

let device: GPUDevice;
let data: Dataset;
let validation: Dataset;
beforeAll(async () => {
  device = await testDevice();
  [data, validation] = split(digits({ samples: 256, seed: 3 }), { share: 0.75, seed: 0 }) as [Dataset, Dataset];
});

const model = mlp({ sizes: [784, 8, 10] });
const space = { lr: logUniform(1e-3, 10), momentum: uniform(0, 0.99) };

const run = (more: Partial<SearchOptions<typeof space>> = {}): Promise<SearchResult> =>
  search(device, {
    space,
    objective: training<{ lr: number; momentum: number }>({
      ...{ model, data, validation, batchSize: 32 },
      rule: ({ lr, momentum }) => sgd({ lr, momentum }),
    }),
    budget: { trials: 8, steps: 16 },
    ...more,
  });

describe('a search that trains', () => {
  const methods = { halving: 'halving', asha: 'asha', pbt: pbt({ generations: 3 }), random: 'random' } as const;
  it.each(Object.keys(methods) as (keyof typeof methods)[])(
    'by %s resumes from any place to the same bits',
    async (name) => {
      const method = methods[name];
      const [log, seeds] = [memoryLog(), 2];
      const expected = await run({ method, log, seeds });
      expect(expected.best!.value).toBeLessThan(2.4);
      for (const share of [0.35, 0.8]) {
        const cut = memoryLog(log.text.slice(0, Math.round(share * log.text.length)));
        expect(await run({ method, log: cut, seeds })).toEqual(expected);
      }
    },
  );

  it('keeps small networks in their population from rung to rung, with the bits that each has alone', async () => {
    const xor = arrays({
      x: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1),
      y: Uint8Array.of(0, 1, 1, 0),
      classes: 2,
      features: 2,
    });
    const small = mlp({ sizes: [2, 8, 2], activation: 'tanh' });
    const objective = training<{ lr: number; momentum: number }>({
      ...{ model: small, data: xor, validation: xor, batchSize: 4 },
      rule: ({ lr, momentum }) => sgd({ lr, momentum }),
    });
    const budget = { trials: 16, steps: 64 };
    const made = vi.spyOn(Pack.prototype, 'goOn');
    const { trials } = await run({ objective, method: 'halving', budget, seeds: 2 });
    // From 4 steps to 8 and 16 as they are; a quarter of 16 is the least that is faster together on a CPU adapter.
    expect(made.mock.calls.length).toBeGreaterThanOrEqual(2);
    made.mockRestore();
    const done = trials.filter(({ step }) => step === 64 || step === 16);
    expect(done.length).toBeGreaterThan(2);
    for (const { params, step, values, metrics } of done) {
      const { outcome } = await runTrial(device, objective, { params, seeds: [0, 1], to: step });
      expect(outcome).toMatchObject({ values, metrics });
    }
  });

  it('says how many members a pass takes, where that is not all', async () => {
    let notes: readonly string[] = [];
    const onEvent = (event: SearchEvent) => {
      if (event.type === 'begin') notes = event.notes;
    };
    await run({ onEvent, method: 'random', budget: { trials: 9, steps: 1 } });
    const { isFallbackAdapter } = device.adapterInfo;
    if (isFallbackAdapter || /llvmpipe|swiftshader/i.test(device.adapterInfo.description))
      expect(notes).toEqual(['up to 9 networks at a step train in 2 passes, 8 members in each']);
    else expect(notes).toEqual([]);
  });

  it('goes on where trials diverge, which rank last and say why', async () => {
    const wild = { lr: choice([0.1, 1e30]), momentum: uniform(0, 0.5) };
    const result = await run({
      space: wild as unknown as typeof space,
      method: 'random',
      budget: { trials: 6, steps: 8 },
    });
    const failed = result.trials.filter(({ params }) => params.lr === 1e30);
    expect(failed.length).toBeGreaterThan(0);
    for (const { state, value, reason } of failed) {
      expect([state, value]).toEqual(['failed', null]);
      expect(reason).toMatch(/^the (training|validation) loss is (NaN|Infinity)/);
    }
    expect(result.best!.params.lr).toBe(0.1);
  });

  it('takes networks of several shapes, and rules of several kinds', async () => {
    const result = await search(device, {
      space: { width: choice([4, 6]), rule: choice(['adam', 'sgd']), batch: choice([16, 500]) },
      objective: training<{ width: number; rule: string; batch: number }>({
        ...{ data, validation, metric: 'accuracy' },
        model: ({ width }) => mlp({ sizes: [784, width, 10] }),
        rule: ({ rule }) => (rule === 'adam' ? adam({ lr: 0.01 }) : sgd({ lr: 0.05 })),
        batchSize: ({ batch }) => batch,
      }),
      method: 'grid',
      budget: { trials: 8, steps: 12 },
    });
    expect(result.direction).toBe('maximize');
    // 500 rows are more than there are: those trials fail, and say so.
    const tooLarge = result.trials.filter(({ params }) => params.batch === 500);
    expect(tooLarge).toHaveLength(4);
    for (const { reason } of tooLarge) expect(reason).toMatch(/batchSize must be an integer from 1 to 192/);
    const others = result.trials.filter(({ params }) => params.batch === 16);
    for (const { state, value, metrics } of others) {
      expect(state).toBe('complete');
      expect(metrics!.accuracy).toEqual([value]);
    }
    expect(result.best!.value).toBe(Math.max(...others.map(({ value }) => value!)));
  });

  it('refuses before it trains what cannot be', async () => {
    const shapes = { width: choice([4, 8]) };
    const objective = training<{ width: number }>({
      ...{ data, validation },
      model: ({ width }) => mlp({ sizes: [784, width, 10] }),
      rule: () => sgd({ lr: 0.1 }),
    });
    const budget = { trials: 4, steps: 8 };
    await expect(search(device, { space: shapes, method: pbt({ generations: 2 }), objective, budget })).rejects.toThrow(
      /pbt copies weights and state from trial to trial, but width changes the network/,
    );
    const misfit = training({ data, validation, model: () => mlp({ sizes: [4, 2] }), rule: () => sgd({ lr: 0.1 }) });
    await expect(search(device, { space: shapes, objective: misfit, budget })).rejects.toMatchObject({
      code: 'SHAPE-MISMATCH',
    });
    await expect(search('cpu', { space: shapes, objective, budget })).rejects.toMatchObject({ code: 'OPTION-TYPE' });
    expect(() => training({ data, validation, model, rule: sgd() as never })).toThrow(/rule must be a function/);
    expect(() => training({ data, validation, model, rule: () => sgd(), metric: 'f1' as 'loss' })).toThrow(/metric/);
  });

  it('ends where it is told to, and keeps what is done', async () => {
    const controller = new AbortController();
    const log = memoryLog();
    let steps = 0;
    const onEvent = ({ type }: { readonly type: string }) => {
      if (type === 'steps' && ++steps === 20) controller.abort();
    };
    // Two passes of 8 and 4, of 16 steps each: it ends in the second.
    const budget = { trials: 12, steps: 16 };
    const ended = await run({ log, onEvent, signal: controller.signal, method: 'random', budget }).catch(
      (error) => error,
    );
    expect(ended).toBe(controller.signal.reason);
    expect(log.text).toContain('"result"');
    expect(await run({ log, method: 'random', budget })).toEqual(await run({ method: 'random', budget }));
  });
});

describe('the learning-rate range test', () => {
  it('sweeps, and ends where the loss is 4 times the lowest', async () => {
    const options = { model, data, batchSize: 32, rule: sgd({ momentum: 0.9 }), from: 1e-5, to: 100, steps: 120 };
    const { points, minimum, steepest, blowUp, suggestion } = await rangeTest(device, options);
    expect(points.length).toBeLessThan(120);
    for (const [i, { lr }] of points.entries()) expect(lr / (1e-5 * 1e7 ** (i / 119))).toBeCloseTo(1, 10);
    expect(minimum!.lr).toBeGreaterThan(1e-3);
    expect(minimum!.lr).toBeLessThan(3);
    expect(steepest!.lr).toBeLessThan(minimum!.lr);
    expect(blowUp).toBe(points.at(-1)!.lr);
    expect(suggestion! / (minimum!.lr / 10)).toBeCloseTo(1, 2);
  });

  it('trains constant rates side by side, which shows the late ones', async () => {
    const options = { model, data, batchSize: 32, rule: sgd(), from: 1e-3, to: 1e3, steps: 24 };
    const { points, minimum, blowUp, suggestion } = await rangeTest(device, { ...options, parallel: 7 });
    expect(points.map(({ lr }) => lr)).toEqual([1e-3, 1e-2, 0.1, 1, 10, 100, 1e3]);
    expect(suggestion).toBe(minimum!.lr);
    expect(minimum!.lr).toBeGreaterThanOrEqual(0.01);
    expect(blowUp).toBeGreaterThan(minimum!.lr);
  });

  it.each([
    [{ from: 1, to: 0.1 }, 'OPTION-RANGE'],
    [{ from: 0 }, 'OPTION-RANGE'],
    [{ to: Number.NaN }, 'OPTION-RANGE'],
    [{ steps: 3 }, 'OPTION-RANGE'],
    [{ parallel: 2 }, 'OPTION-RANGE'],
    [{ form: 1 }, 'OPTION-UNKNOWN'],
    [{ rule: 'sgd' }, 'OPTION-TYPE'],
    [{ rule: lbfgs() }, 'OPTION-RANGE'],
  ])('refuses %j', async (more, code) => {
    const options = { model, data, rule: sgd(), ...more } as Parameters<typeof rangeTest>[1];
    await expect(rangeTest(device, options)).rejects.toMatchObject({ code });
  });
});
