import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MethodName, SearchOptions, SearchResult, Space, Task, TrialFunction } from '../../src/search/index.js';
import {
  asha,
  ashaDecision,
  choice,
  coarseToFine,
  grid,
  History,
  halving,
  hyperband,
  int,
  logUniform,
  memoryLog,
  methods,
  pbt,
  ranked,
  search,
  uniform,
} from '../../src/search/index.js';
import { sample } from '../../src/search/sample.js';

/*
 * Searches over a float64 function. It has a memory, as a training has: each step takes the state a part of the way to a height that its
 * parameters decide, so that what is lost, repeated or copied wrongly shows in the value.
 */

const space = { lr: logUniform(1e-5, 1), momentum: uniform(0, 1) } satisfies Space;
type Lr = { readonly lr: number };
const heightOf = (lr: number) => Math.log10(lr / 1e-2) ** 2;
const curve: TrialFunction<Lr> = ({ params, from, steps, seed, state }, { report }) => {
  let value = (state as number | undefined) ?? 10 + seed;
  for (let step = from; step < steps; step++) value += 0.1 * (heightOf(params.lr) - value);
  report(steps, value);
  return { value, state: value };
};
const names = Object.keys(methods) as MethodName[];
const budget = { trials: 32, steps: 64 };

const run = (more: Partial<SearchOptions<typeof space>> = {}): Promise<SearchResult> =>
  search('cpu', { space, objective: curve, budget, ...more });

/** What a log must end with: the same search, whoever wrote it. */
const tasksOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.includes('"tasks"'))
    .flatMap((line) => (JSON.parse(line) as { tasks: Task[] }).tasks);

describe('a history', () => {
  it('takes more tasks than a call takes arguments', () => {
    const history = new History();
    const params = { lr: 1 };
    history.ask(Array.from({ length: 200_000 }, (_, trial) => ({ trial, params, from: 0, to: 1 })));
    expect(history.pending()).toHaveLength(200_000);
  });
});

describe('every method', () => {
  it.each(names)('%s finds what there is, and the same again', async (method) => {
    const result = await run({ method });
    expect(result.best!.state).toBe('complete');
    expect(Math.abs(Math.log10(result.best!.params.lr as number) + 2)).toBeLessThan(0.6);
    expect(await run({ method })).toEqual(result);
    expect(result.trials).toHaveLength(method === 'grid' ? 25 : 32);
    expect(result.steps).toBeLessThanOrEqual(32 * 64);
    const order = ranked(result.trials, 'minimize');
    expect(order[0]).toEqual(result.best);
  });

  it.each(names)('%s goes on from its log, cut anywhere, to the same result', async (method) => {
    const whole = memoryLog();
    const seeds = [3, 8];
    const expected = await run({ method, seeds, log: whole });
    const cuts = fc.sample(fc.integer({ min: 0, max: whole.text.length }), { numRuns: 20, seed: 7 });
    for (const cut of cuts) {
      const log = memoryLog(whole.text.slice(0, cut));
      expect(await run({ method, seeds, log })).toEqual(expected);
      expect(tasksOf(log.text)).toEqual(tasksOf(whole.text));
    }
  });

  it.each(names)('%s goes on from a log whose search was ended 20 times', async (method) => {
    const expected = await run({ method });
    const log = memoryLog();
    let results = 0;
    for (let kill = 0; kill < 20; kill++) {
      const controller = new AbortController();
      let left = 1 + ((kill * 7) % 5);
      const signal = controller.signal;
      const onEvent = ({ type }: { readonly type: string }) => {
        if (type !== 'result') return;
        results++;
        if (--left === 0) controller.abort();
      };
      await run({ method, log, signal, onEvent }).catch((error) => expect(error).toBe(signal.reason));
    }
    expect(await run({ method, log })).toEqual(expected);
    expect(results).toBeGreaterThan(20);
  });

  it.each(names)('%s leaves out no trial that fails, and never goes on with one', async (method) => {
    const objective: TrialFunction<Lr> = (request, context) => {
      if (request.params.lr > 0.1) throw new Error('out of memory');
      const result = curve(request, context) as { value: number; state: unknown };
      return request.params.lr < 1e-4 ? { ...result, value: Number.NaN } : result;
    };
    const log = memoryLog();
    const result = await run({ method, objective, log });
    const failed = result.trials.filter(({ state }) => state === 'failed');
    expect(failed.length).toBeGreaterThan(method === 'pbt' ? -1 : 3);
    for (const trial of failed) {
      expect(trial.value).toBeNull();
      expect(trial.reason).toMatch(/out of memory|its value is NaN/);
    }
    expect(result.best!.value).not.toBeNull();
    const order = ranked(result.trials, 'minimize');
    expect(
      order
        .slice(order.length - failed.length)
        .map(({ trial }) => trial)
        .sort(),
    ).toEqual(failed.map(({ trial }) => trial).sort());
    expect(await run({ method, objective, log: memoryLog(log.text) })).toEqual(result);
  });

  it('ends well where everything fails', async () => {
    for (const method of names) {
      const result = await run({ method, objective: () => Number.NaN });
      expect(result.best).toBeUndefined();
      expect(result.trials.every(({ state }) => state === 'failed')).toBe(true);
    }
  });

  it('maximizes as well', async () => {
    const objective: TrialFunction<Lr> = (request, context) => {
      const { value, state } = curve(request, context) as { value: number; state: unknown };
      return { value: -value, state };
    };
    for (const method of names) {
      const [low, high] = [await run({ method }), await run({ method, objective, direction: 'maximize' })];
      expect(high.trials.map(({ params }) => params)).toEqual(low.trials.map(({ params }) => params));
      expect(high.best!.value).toBe(-low.best!.value!);
    }
  });
});

describe('a function', () => {
  it('that keeps no state is called anew for as many steps as it should have done', async () => {
    const calls: (readonly [number, number])[] = [];
    const objective: TrialFunction<Lr> = ({ params, from, steps }) => {
      calls.push([from, steps]);
      return heightOf(params.lr) + 1 / steps;
    };
    const log = memoryLog();
    const result = await run({ method: 'halving', objective, log });
    expect(calls.every(([from]) => from === 0)).toBe(true);
    expect(new Set(calls.map(([, steps]) => steps))).toEqual(new Set([4, 8, 16, 32, 64]));
    expect(await run({ method: 'halving', objective, log: memoryLog(log.text.slice(0, log.text.length / 2)) })).toEqual(
      result,
    );
    await expect(run({ method: 'pbt', objective })).rejects.toMatchObject({ code: 'OPTION-TYPE' });
  });

  it('is called for each seed, whose values and metrics stand in the trial with their mean', async () => {
    const objective = ({ seed }: { readonly seed: number }) => ({ value: seed, metrics: { twice: 2 * seed } });
    const { trials } = await run({ objective, seeds: [1, 2, 6], method: 'random', budget: { trials: 2 } });
    expect(trials[0]).toMatchObject({ value: 3, values: [1, 2, 6], metrics: { twice: [2, 4, 12] } });
    const odd = await run({ objective: ({ seed }) => (seed === 1 ? Number.NaN : 1), seeds: 2, method: 'random' });
    expect(odd.trials[0]).toMatchObject({ value: null, values: [1, null], state: 'failed' });
    expect(odd.trials[0]!.reason).toBe('its value is NaN (seed 2 of 2)');
  });

  it('that returns no value ends the search, since none would', async () => {
    const objective = (() => 'good') as unknown as TrialFunction<Lr>;
    await expect(run({ objective })).rejects.toMatchObject({ code: 'OPTION-TYPE' });
  });
});

describe('a search of a function that never waits', () => {
  it.each([1, 1000])('gives way between its calls, of %i seeds: a timer ends it', async (seeds) => {
    const controller = new AbortController();
    let calls = 0;
    const timer = setTimeout(() => controller.abort(), 50);
    const endless = search('cpu', {
      ...{ space, method: 'random', budget: { trials: 20_000 / seeds }, seeds, signal: controller.signal },
      // 20 s by microtasks alone, and more.
      objective: ({ params }) => {
        calls++;
        for (const start = performance.now(); performance.now() - start < 1; );
        return params.lr;
      },
    });
    await expect(endless).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    clearTimeout(timer);
    expect(calls).toBeLessThan(500);
  });
});

describe('grid', () => {
  const points = async (wanted: Space, trials: number, count = 0) => {
    const { trials: all } = await search('cpu', {
      ...{ space: wanted, method: grid({ points: count }), budget: { trials } },
      objective: () => 0,
    });
    return all.map(({ params }) => Object.values(params));
  };

  it('has the ends, and what lies evenly between on each axis', async () => {
    expect(await points({ lr: logUniform(1e-4, 1) }, 5)).toEqual([[1e-4], [1e-3], [1e-2], [0.1], [1]]);
    expect(await points({ a: uniform(0, 1), b: choice(['x', 'y']) }, 6)).toEqual([
      [0, 'x'],
      [0, 'y'],
      [0.5, 'x'],
      [0.5, 'y'],
      [1, 'x'],
      [1, 'y'],
    ]);
    expect(await points({ n: int(1, 3), m: uniform(0, 1, { step: 0.5 }) }, 100)).toHaveLength(9);
    expect(await points({ n: int(8, 512, { log: true }) }, 7)).toEqual([[8], [16], [32], [64], [128], [256], [512]]);
  });

  it('is refused where it is larger than the budget, which is said', async () => {
    const whole = { a: uniform(0, 1), b: uniform(0, 1), c: uniform(0, 1) };
    await expect(points(whole, 100, 5)).rejects.toThrow(
      'The grid has 125 points, but there are 100 trials. [OPTION-RANGE] Allow 125 trials, or 4 points for each parameter.',
    );
    await expect(points({ a: choice([1, 2, 3]), b: choice([1, 2, 3]) }, 8)).rejects.toThrow(/use random/);
    expect(await points(whole, 100)).toHaveLength(64);
  });
});

describe('halving', () => {
  const tasks = async (method: SearchOptions['method'], trials = 64, steps = 512) => {
    const log = memoryLog();
    await run({ method, budget: { trials, steps }, log });
    return tasksOf(log.text);
  };

  it('trains half as many for twice as long, from 1/16 of the steps on: 3/16 of all', async () => {
    const all = await tasks('halving');
    const rungs = [32, 64, 128, 256, 512].map((to) => all.filter((task) => task.to === to).length);
    expect(rungs).toEqual([64, 32, 16, 8, 4]);
    expect(all.reduce((sum, { from, to }) => sum + to - from, 0) / (64 * 512)).toBe(3 / 16);
    expect(all.filter(({ from, to }) => from > 0 && to !== 2 * from)).toEqual([]);
  });

  it('lets the best go on: with curves that do not cross, the best of all', async () => {
    for (const method of [halving(), halving({ eta: 4 }), asha(), hyperband()]) {
      const { trials, best } = await run({ method, budget: { trials: 48, steps: 64 } });
      if (method.row.name === 'halving')
        expect(heightOf(best!.params.lr as number)).toBe(
          Math.min(...trials.map(({ params }) => heightOf(params.lr as number))),
        );
      const order = ranked(trials, 'minimize').map(({ step }) => step);
      expect(order).toEqual([...order].sort((a, b) => b - a));
    }
  });

  it('has fewer rungs where steps are few', async () => {
    expect(new Set((await tasks('halving', 8, 3)).map(({ to }) => to))).toEqual(new Set([1, 2, 3]));
    expect(await tasks('halving', 8, 1)).toHaveLength(8);
  });

  it('is also decided for one worker at a time, of whatever is there', () => {
    const plan = { space, seed: 0, trials: 16, steps: 16, direction: 'minimize' as const, workers: 1 };
    const options = { eta: 4, firstRung: 1 / 16 };
    const history = new History();
    const values = [5, 3, 4, 1, 2];
    for (const value of values) {
      const task = ashaDecision(plan, options, history)!;
      history.ask([task]);
      history.add({ trial: task.trial, to: task.to, value, values: [value] });
      if (task.trial < 3) expect(task).toMatchObject({ from: 0, to: 1, rung: 0 });
    }
    // The fourth made four: the best of them went on at once, before a fifth began.
    expect(history.tasks[4]).toMatchObject({ trial: 3, from: 1, to: 4, rung: 1 });
    const next = ashaDecision(plan, options, history)!;
    expect(next).toMatchObject({ trial: 4, from: 0 });
    history.ask([next]);
    // Running ones hold nothing up.
    expect(ashaDecision(plan, options, history)).toMatchObject({ trial: 5, from: 0 });
  });

  it('of several brackets begins each at a rung of its own', async () => {
    const all = await tasks(hyperband(), 30, 90);
    const firsts = [0, 1, 2, 3].map((bracket) => all.filter((task) => task.bracket === bracket && task.from === 0));
    expect(firsts.map((each) => each[0]!.to)).toEqual([6, 17, 51, 90]);
    expect(firsts.reduce((sum, { length }) => sum + length, 0)).toBe(30);
  });
});

describe('coarse-to-fine', () => {
  it('draws later rounds from the box of the best, and says what lies at a border', async () => {
    const { trials, notes } = await run({ method: coarseToFine({ rounds: 2 }), budget: { trials: 32 } });
    const [first, second] = [trials.slice(0, 16), trials.slice(16)];
    const best = ranked(first, 'minimize').slice(0, 4);
    const logs = best.map(({ params }) => Math.log(params.lr as number));
    const margin = 0.1 * (Math.max(...logs) - Math.min(...logs)) + 1e-4;
    for (const { params } of second) {
      expect(Math.log(params.lr as number)).toBeGreaterThanOrEqual(Math.min(...logs) - margin);
      expect(Math.log(params.lr as number)).toBeLessThanOrEqual(Math.max(...logs) + margin);
    }
    expect(notes.filter((note) => note.includes('lr'))).toEqual([]);
  });

  it('widens a box where its best lies at the border, and asks for a wider space at that of the space', async () => {
    // Whatever is drawn, more is better: the end of the space is where it goes.
    const rising: TrialFunction<Lr> = ({ params }) => -Math.log(params.lr);
    const { notes, best } = await run({
      objective: rising,
      method: coarseToFine({ rounds: 4 }),
      budget: { trials: 64 },
    });
    expect(best!.params.lr).toBeGreaterThan(0.5);
    expect(notes.some((note) => /lies at the upper end of its range: widen the space there/.test(note))).toBe(true);
    // The first draws miss the best: the box round them would leave it out.
    const first = (await run({ method: coarseToFine({ rounds: 8 }), budget: { trials: 32 } })).trials.slice(0, 4);
    const least = Math.min(...first.map(({ params }) => params.lr as number));
    const below: TrialFunction<Lr> = ({ params }) => Math.abs(Math.log(params.lr / (least / 2)));
    const method = coarseToFine({ rounds: 8, best: 2, margin: 0.01 });
    const widened = await run({ objective: below, method, budget: { trials: 32 } });
    expect(widened.notes[0]).toMatch(/^round 1: the best lr, .*, lay outermost of the best, at the lower end: the box/);
    expect(widened.best!.params.lr as number).toBeLessThan(least);
  });

  it('keeps of a choice what is among the best', async () => {
    const { trials } = await search('cpu', {
      space: { kind: choice(['a', 'b', 'c', 'd']), x: uniform(0, 1) },
      objective: ({ params }) => (params.kind === 'b' ? 0 : 10) + params.x,
      method: 'coarse-to-fine',
      budget: { trials: 64 },
    });
    expect(new Set(trials.slice(32).map(({ params }) => params.kind))).toEqual(new Set(['b']));
  });
});

describe('pbt', () => {
  it('copies the best quarter over the worst, moves parameters, and keeps the lineage', async () => {
    const log = memoryLog();
    const { trials, best } = await run({ method: pbt({ generations: 8 }), log });
    const all = tasksOf(log.text);
    expect(all).toHaveLength(8 * 32);
    const copied = all.filter(({ copy }) => copy !== undefined);
    expect(copied).toHaveLength(7 * 8);
    for (const task of copied) {
      const source = all.find(({ trial, to }) => trial === task.copy && to === task.from)!;
      const ratio = (task.params.lr as number) / (source.params.lr as number);
      const drawn = !(Math.abs(ratio - 1.2) < 1e-4 || Math.abs(ratio - 0.8) < 1e-4);
      if (drawn) expect(task.params.lr).not.toBe(source.params.lr);
    }
    expect(trials.every(({ state }) => state === 'complete')).toBe(true);
    const { lineage } = best!;
    expect(lineage!.at(-1)!.to).toBe(64);
    expect(lineage![0]!.from).toBe(0);
    lineage!.slice(1).forEach((segment, i) => {
      expect(segment.from).toBe(lineage![i]!.to);
    });
  });
});

describe('a budget, a method, a log', () => {
  it.each([
    [{ budget: { trials: 0 } }, 'OPTION-RANGE'],
    [{ budget: { trials: 2.5 } }, 'OPTION-RANGE'],
    [{ budget: { trials: 4, steps: 0 } }, 'OPTION-RANGE'],
    [{ budget: { trials: 4, epochs: 1 } }, 'OPTION-UNKNOWN'],
    [{ method: 'having' }, 'OPTION-RANGE'],
    [{ method: 7 }, 'OPTION-TYPE'],
    [{ method: 'halving', budget: { trials: 1 } }, 'OPTION-RANGE'],
    [{ method: 'coarse-to-fine', budget: { trials: 3 } }, 'OPTION-RANGE'],
    [{ method: 'hyperband', budget: { trials: 3, steps: 64 } }, 'OPTION-RANGE'],
    [{ method: 'pbt', budget: { trials: 1, steps: 64 } }, 'OPTION-RANGE'],
    [{ method: 'pbt', budget: { trials: 8, steps: 3 } }, 'OPTION-RANGE'],
    [{ seeds: 0 }, 'OPTION-RANGE'],
    [{ seeds: [1, 1] }, 'OPTION-RANGE'],
    [{ seed: -1 }, 'OPTION-RANGE'],
    [{ direction: 'up' }, 'OPTION-RANGE'],
    [{ objective: { kind: 'training' } }, 'OPTION-TYPE'],
    [{ objective: 'loss' }, 'OPTION-TYPE'],
  ])('of %j is refused', async (more, code) => {
    let calls = 0;
    const objective = () => ++calls;
    await expect(run({ objective, ...(more as object) })).rejects.toMatchObject({ code });
    expect(calls).toBe(0);
  });

  it('says which method was meant', async () => {
    const method = 'having' as MethodName;
    await expect(run({ method })).rejects.toThrow("Did you mean 'halving'?");
    await expect(run({ budget: undefined as never })).rejects.toThrow(/no budget.*budget: \{ trials: 32/);
    expect(() => halving({ eta: 1 })).toThrow(/eta/);
    expect(() => halving({ etas: 2 } as object)).toThrow("Did you mean 'eta'?");
    expect(() => pbt({ quantile: 0.7 })).toThrow(/quantile/);
  });

  it('of another search is refused, with what differs; a damaged one, too', async () => {
    const log = memoryLog();
    await run({ log });
    for (const other of [
      { seed: 1 },
      { method: 'random' as const },
      { budget: { trials: 8, steps: 64 } },
      { seeds: 2 },
    ])
      await expect(run({ log: memoryLog(log.text), ...other })).rejects.toMatchObject({ code: 'CHECKPOINT-MISMATCH' });
    const wider = { space: { ...space, lr: logUniform(1e-6, 1) }, log: memoryLog(log.text) };
    await expect(run(wider)).rejects.toThrow(/its space is .*1e-5|its space is .*0.00001/);
    const lines = log.text.split('\n');
    lines[3] = lines[3]!.slice(0, 20);
    await expect(run({ log: memoryLog(lines.join('\n')) })).rejects.toThrow(/Line 4 of the log/);
    const newer = log.text.replace('"version":1', '"version":9');
    await expect(run({ log: memoryLog(newer) })).rejects.toMatchObject({ code: 'CHECKPOINT-VERSION' });
    const deep = log.text.replace('"version":1', `"version":${'['.repeat(10_000)}${']'.repeat(10_000)}`);
    await expect(run({ log: memoryLog(deep) })).rejects.toMatchObject({ code: 'CHECKPOINT-VERSION' });
    await expect(run({ log: memoryLog(lines.slice(1).join('\n')) })).rejects.toMatchObject({
      code: 'CHECKPOINT-CORRUPT',
    });
  });

  it.each<[string, object]>([
    ['no tasks', { type: 'tasks' }],
    ['a task of no trial', { type: 'tasks', tasks: [{ trial: { toString: null }, from: 0, to: 1, params: {} }] }],
    ['a task without parameters', { type: 'tasks', tasks: [{ trial: 90, from: 0, to: 1 }] }],
    ['a task that ends where it begins', { type: 'tasks', tasks: [{ trial: 90, from: 1, to: 1, params: {} }] }],
    ['a task that goes on from nothing', { type: 'tasks', tasks: [{ trial: 90, from: 1, to: 2, params: {} }] }],
    ['a copy of nothing', { type: 'tasks', tasks: [{ trial: 90, copy: 91, from: 1, to: 2, params: {} }] }],
    ['a result of nothing', { type: 'result', trial: 90, to: 1, value: 1, values: [1] }],
    ['a result that is a text', { type: 'result', trial: 0, to: 1, value: '1', values: [1] }],
    ['metrics that are none', { type: 'result', trial: 0, to: 1, value: 1, values: [1], metrics: { a: 1 } }],
  ])('with a line that cannot be is refused by its number: %s', async (_, line) => {
    const log = memoryLog();
    await run({ log });
    const lines = log.text.trimEnd().split('\n').length;
    const damaged = memoryLog(`${log.text}${JSON.stringify(line)}\n`);
    await expect(run({ log: damaged })).rejects.toMatchObject({
      code: 'CHECKPOINT-CORRUPT',
      message: expect.stringContaining(`Line ${lines + 1} of the log`),
    });
  });

  it('whose last line is torn is repaired: the text that is left is what was whole', async () => {
    const log = memoryLog();
    const result = await run({ log });
    const torn = memoryLog(`${log.text}{"type":"result","tri`);
    expect(await run({ log: torn })).toEqual(result);
    expect(torn.text).toBe(log.text);
  });
});

/*
 * The lecture's claims, with seeds. A parameter that does not matter costs a grid most of its trials, and random draws none; and few
 * trials, or few steps, find a rate as good as many.
 */
describe('of 16 trials in two dimensions, one of which does not matter', () => {
  it('random draws come nearer to the best than a grid, in most of 200 cases and by more than half in the median', async () => {
    const misses: (readonly [grid: number, random: number])[] = [];
    for (let seed = 0; seed < 200; seed++) {
      // Where the best lies, nobody knows.
      const [best] = Object.values(sample({ x: uniform(0, 1) }, 99, seed)) as [number];
      const objective = ({ params: { x, y } }: { readonly params: { readonly x: number; readonly y: number } }) =>
        Math.abs(x - best) + 1e-6 * y;
      const miss = async (method: 'grid' | 'random') => {
        const both = { x: uniform(0, 1), y: uniform(0, 1) };
        return (await search('cpu', { space: both, method, objective, budget: { trials: 16 }, seed })).best!.value!;
      };
      misses.push([await miss('grid'), await miss('random')]);
    }
    const median = (i: 0 | 1) => misses.map((each) => each[i]).sort((a, b) => a - b)[100]!;
    expect(misses.filter(([grid, random]) => random < grid).length).toBeGreaterThan(130);
    expect(median(1)).toBeLessThan(0.5 * median(0));
  });
});

describe('a rate within a factor of 2 of the best', () => {
  /** A validation loss by rate and steps: what 784-16-10 came to on the digits, roughly. Small rates need their steps. */
  const loss: TrialFunction<Lr> = ({ params: { lr }, steps }) =>
    lr > 0.4 ? 2.3 + lr : 0.77 + 1.5 * Math.exp((-lr * steps) / 0.7) + 4 * lr + 0.3 * Math.exp(-steps / 20);
  const found = async (method: 'coarse-to-fine' | 'halving', trials: number) => {
    const { best: exhaustive } = await run({ objective: loss, method: 'grid', budget: { trials: 10_000, steps: 128 } });
    const wanted = exhaustive!.params.lr as number;
    let [near, steps] = [0, 0];
    for (let seed = 0; seed < 100; seed++) {
      const result = await run({ objective: loss, method, budget: { trials, steps: 128 }, seed });
      const ratio = (result.best!.params.lr as number) / wanted;
      if (ratio >= 0.5 && ratio <= 2) near++;
      steps = result.steps;
    }
    return { near, steps };
  };

  it('is found by coarse-to-fine with 16 trials, a quarter of 64, nearly always', async () => {
    const { near, steps } = await found('coarse-to-fine', 16);
    expect(steps).toBe((64 * 128) / 4);
    expect(near).toBeGreaterThanOrEqual(95);
  });

  it('is found by halving of 64 trials, at 3/16 of their steps, nearly always', async () => {
    const { near, steps } = await found('halving', 64);
    expect(steps).toBe((3 * 64 * 128) / 16);
    expect(near).toBeGreaterThanOrEqual(95);
  });
});
