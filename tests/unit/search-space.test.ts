import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bestOfCurve,
  choice,
  type Direction,
  importanceOf,
  int,
  leaders,
  logUniform,
  optunaJournal,
  type Parameter,
  parseSpace,
  quantile,
  type Space,
  spreadOf,
  type Trial,
  tallyOf,
  uniform,
  type Value,
} from '../../src/search/index.js';
import { latinHypercube, sample } from '../../src/search/sample.js';
import { checkSpace, gridOf, hasValue, parameterText, unitOf, valueAt } from '../../src/search/space.js';

const finite = { noNaN: true, noDefaultInfinity: true };
const parameters: fc.Arbitrary<Parameter> = fc.oneof(
  fc
    .tuple(fc.double({ min: 1e-8, max: 10, ...finite }), fc.double({ min: 1.5, max: 1e6, ...finite }))
    .map(([low, factor]) => logUniform(low, low * factor)),
  fc
    .tuple(fc.double({ min: -100, max: 100, ...finite }), fc.double({ min: 0.01, max: 100, ...finite }))
    .map(([low, room]) => uniform(low, low + room)),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 90 }))
    .map(([low, room]) => int(low, low + room)),
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 900 }))
    .map(([low, room]) => int(low, low + room, { log: true })),
  fc
    .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 20 }))
    .map(([low, n]) => uniform(low, low + 0.25 * n, { step: 0.25 })),
  fc
    .uniqueArray(fc.oneof(fc.string({ minLength: 1, maxLength: 4 }), fc.integer(), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
    })
    .map((values) => choice(values as Value[])),
);

describe('a parameter', () => {
  it('maps its axis to its values and back', () => {
    fc.assert(
      fc.property(parameters, fc.double({ min: 0, max: 1 - 2 ** -32, noNaN: true }), (parameter, unit) => {
        checkSpace({ x: parameter });
        const value = valueAt(parameter, unit);
        expect(hasValue(parameter, value)).toBe(true);
        // Six digits, so that a value stays itself.
        expect(valueAt(parameter, unitOf(parameter, value))).toBe(value);
        expect(JSON.parse(JSON.stringify(value))).toBe(value);
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('gives a grid of its values, each once, in order', () => {
    fc.assert(
      fc.property(parameters, fc.integer({ min: 1, max: 40 }), (given, count) => {
        const parameter = checkSpace({ x: given }).x!;
        const values = gridOf(parameter, count);
        expect(new Set(values).size).toBe(values.length);
        expect(values.every((value) => hasValue(parameter, value))).toBe(true);
        if (parameter.kind === 'choice') return;
        expect(values.length).toBeLessThanOrEqual(count);
        if (values.length > 1) expect([values[0], values.at(-1)]).toEqual([parameter.low, parameter.high]);
        expect(values).toEqual([...values].sort((a, b) => (a as number) - (b as number)));
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it('is drawn evenly on its axis, as a pure function of seed and trial', () => {
    const space = { lr: logUniform(1e-4, 1), n: int(1, 4), act: choice(['a', 'b']), p: uniform(0, 1) } satisfies Space;
    const drawn = Array.from({ length: 4000 }, (_, trial) => sample(space, 5, trial));
    expect(sample(space, 5, 3999)).toEqual(drawn[3999]);
    expect(sample(space, 6, 3999)).not.toEqual(drawn[3999]);
    const share = (test: (params: (typeof drawn)[number]) => boolean) => drawn.filter(test).length / drawn.length;
    // 4 standard deviations of a share of 1/4 of 4000 are 0.027.
    for (const [low, high] of [
      [1e-4, 1e-3],
      [1e-3, 1e-2],
      [1e-2, 0.1],
      [0.1, 1],
    ] as const)
      expect(Math.abs(share(({ lr }) => (lr as number) >= low && (lr as number) < high) - 0.25)).toBeLessThan(0.027);
    for (const n of [1, 2, 3, 4]) expect(Math.abs(share((params) => params.n === n) - 0.25)).toBeLessThan(0.027);
    expect(Math.abs(share(({ act }) => act === 'a') - 0.5)).toBeLessThan(0.032);
    expect(Math.abs(share(({ p, act }) => act === 'a' && (p as number) < 0.5) - 0.25)).toBeLessThan(0.027);
  });
});

describe('a Latin hypercube', () => {
  it('has a trial in each stretch of every axis, and is a pure function, too', () => {
    const space = { lr: logUniform(1e-4, 1), n: int(0, 99), act: choice(['a', 'b']), p: uniform(0, 1) } satisfies Space;
    const drawn = latinHypercube(space, 3, 10, 20);
    for (const name of ['lr', 'n', 'p'] as const) {
      const cells = drawn.map((params) => Math.floor(unitOf(space[name], params[name]!) * 20));
      expect([...cells].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
      expect(cells).not.toEqual([...cells].sort((a, b) => a - b));
    }
    expect(drawn.filter(({ act }) => act === 'a')).toHaveLength(10);
    expect(latinHypercube(space, 3, 10, 20)).toEqual(drawn);
    expect(latinHypercube(space, 4, 10, 20)).not.toEqual(drawn);
    for (const { p } of latinHypercube(space, 3, 0, 9, { p: { low: 0.5, high: 0.6 } }))
      expect(Math.abs((p as number) - 0.55)).toBeLessThanOrEqual(0.05);
  });
});

describe('a space as text', () => {
  it('is text', () => {
    expect(() => parseSpace(undefined as never)).toThrow(/space must be a string/);
  });

  it('is read as a line or as JSON, and says the same', () => {
    const expected = {
      lr: logUniform(1e-5, 1),
      momentum: uniform(0, 0.99),
      depth: int(1, 6),
      width: int(16, 512, { log: true }),
      dropout: uniform(0, 0.5, { step: 0.1 }),
      activation: choice(['relu', 'tanh']),
      batch: choice([32, 64]),
      nesterov: choice([true, false]),
    };
    const line =
      'lr=log:1e-5..1, momentum=0..0.99,depth=int:1..6,width=intlog:16..512,dropout=0..0.5/0.1,activation=relu|tanh,batch=32|64,nesterov=true|false';
    expect(parseSpace(line)).toEqual(expected);
    expect(parseSpace(JSON.stringify(expected))).toEqual(expected);
    expect(parseSpace('{ "lr": "log:1e-5..1", "activation": "relu|tanh" }')).toEqual({
      lr: logUniform(1e-5, 1),
      activation: choice(['relu', 'tanh']),
    });
    const again = Object.entries(expected).map(([name, each]) => `${name}=${parameterText(each)}`);
    expect(parseSpace(again.join(','))).toEqual(expected);
    expect(parseSpace('betas=0.9,0.99|0.9,0.999,lr=1e-4..1e-3')).toEqual({
      betas: choice(['0.9,0.99', '0.9,0.999']),
      lr: uniform(1e-4, 1e-3),
    });
    expect(parseSpace('x=-1..-0.5')).toEqual({ x: uniform(-1, -0.5) });
  });

  it.each([
    ['', 'OPTION-RANGE', 'empty'],
    ['{}', 'OPTION-RANGE', 'empty'],
    ['[]', 'OPTION-RANGE', 'no name=range'],
    ['lr', 'OPTION-RANGE', 'no name=range'],
    ['lr=1..0', 'OPTION-RANGE', 'reversed'],
    ['lr=1..1', 'OPTION-RANGE', 'empty'],
    ['lr=0.1|', 'OPTION-RANGE', 'an empty value'],
    ['lr=', 'OPTION-RANGE', 'an empty value'],
    ['lr=log:0..1', 'OPTION-RANGE', 'logarithmic'],
    ['lr=log:-1..1', 'OPTION-RANGE', 'logarithmic'],
    ['lr=NaN..1', 'OPTION-RANGE', 'low'],
    ['lr=0..Infinity', 'OPTION-RANGE', 'high'],
    ['lr=0..1,lr=0..2', 'OPTION-RANGE', 'twice'],
    ['{"lr":"0..1","lr":"0..2"}', 'OPTION-RANGE', 'twice'],
    ['{"lr":{"kind":"uniform","low":0,"high":1,"low":0}}', '', ''],
    ['{"lr":', 'DATA-FORMAT', 'no JSON'],
    ['{"lr":{"kind":"uniform","low":"0","high":1}}', 'OPTION-TYPE', 'low'],
    ['{"lr":{"kind":"uniform","min":0,"high":1}}', 'OPTION-UNKNOWN', 'min'],
    ['{"lr":{"kind":"loguniform","low":0.1,"high":1}}', 'OPTION-RANGE', "Did you mean 'log-uniform'"],
    ['{"lr":3}', 'OPTION-RANGE', 'kind'],
    ['{"lr":{"kind":{"toString":null}}}', 'OPTION-RANGE', 'kind'],
    ['{"lr":{"kind":"choice","values":[]}}', 'OPTION-RANGE', 'list of values'],
    ['{"lr":{"kind":"choice","values":[1,1]}}', 'OPTION-RANGE', 'twice'],
    ['{"lr":{"kind":"choice","values":[[1]]}}', 'OPTION-TYPE', 'value'],
    ['{"lr":{"kind":"choice","values":[null]}}', 'OPTION-TYPE', 'value'],
    ['lr=lag:1..2', 'OPTION-RANGE', "Did you mean 'log'"],
    ['lr=log:1', 'OPTION-RANGE', 'no range'],
    ['lr=log:a..1', 'OPTION-RANGE', 'number'],
    ['n=int:1.5..3', 'OPTION-RANGE', 'whole numbers'],
    ['n=int:1..3/0.5', 'OPTION-RANGE', 'step'],
    ['p=0..1/2', 'OPTION-RANGE', 'step'],
    ['p=log:0.1..1/0.1', 'OPTION-UNKNOWN', 'step'],
    ['{"__proto__":"0..1"}', 'OPTION-RANGE', 'named'],
    ['{"a b":"0..1"}', 'OPTION-RANGE', 'named'],
  ])('%s: %s %s', (text, code, words) => {
    if (code === '') return void expect(() => parseSpace(text)).not.toThrow();
    expect(() => parseSpace(text)).toThrow(expect.objectContaining({ code }));
    expect(() => parseSpace(text)).toThrow(words);
  });

  it('never ends in anything but an error of ours', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.json(), fc.stringMatching(/^[a-z]=(log:|int:)?[0-9.e-]*\.\.[0-9.|/,=a-z]*$/)),
        (text) => {
          try {
            checkSpace(parseSpace(text));
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^(OPTION|DATA)-/);
          }
        },
      ),
      { seed: 9, numRuns: 1000 },
    );
  });
});

const trialOf = (
  trial: number,
  value: number | null,
  params: Trial['params'] = {},
  more: Partial<Trial> = {},
): Trial => ({
  ...{ trial, params, value, values: [value], step: 10, state: value === null ? 'failed' : 'complete' },
  history: [{ step: 10, value }],
  ...more,
});

describe('statistics', () => {
  it('of seeds have Student’s interval', () => {
    expect(spreadOf([1, 2, 3, 4, 5])).toEqual({
      ...{ count: 5, mean: 3, std: Math.sqrt(2.5), median: 3 },
      interval: [3 - (2.776 * Math.sqrt(2.5)) / Math.sqrt(5), 3 + (2.776 * Math.sqrt(2.5)) / Math.sqrt(5)],
    });
    expect(spreadOf([2]).interval).toEqual([Number.NaN, Number.NaN]);
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
  });

  it('of the best of n are exact: as all subsets have it', () => {
    const values = [5, 1, 4, null, 2, 3];
    const trials = values.map((value, i) => trialOf(i, value));
    for (const { n, median, best10, best90 } of bestOfCurve(trials, 'minimize')) {
      const bests: number[] = [];
      for (let set = 0; set < 2 ** values.length; set++) {
        const chosen = values.filter((_, i) => (set >> i) & 1);
        if (chosen.length === n) bests.push(Math.min(...chosen.map((value) => value ?? 99)));
      }
      bests.sort((a, b) => a - b);
      const at = (share: number) => bests[Math.ceil(share * bests.length - 1e-9) - 1]!;
      expect([n, best10 ?? 99, median ?? 99, best90 ?? 99]).toEqual([n, at(0.1), at(0.5), at(0.9)]);
    }
    const many = bestOfCurve(
      Array.from({ length: 400 }, (_, i) => trialOf(i, i)),
      'maximize',
    );
    expect(many[0]!.median).toBe(200);
    expect(many.at(-1)).toEqual({ n: 400, median: 399, best10: 399, best90: 399 });
  });

  it('count what failed, and drop none', () => {
    const trials = [trialOf(0, 1), trialOf(1, null), trialOf(2, 3, {}, { state: 'pruned' }), trialOf(3, null)];
    expect(tallyOf(trials)).toEqual({ trials: 4, complete: 1, pruned: 1, failed: 2, running: 0, failedShare: 0.5 });
    expect(leaders(trials, 'minimize', 3).map(({ trial }) => trial.trial)).toEqual([0, 2]);
  });

  it('tell which parameter matters: the R² of a one-way analysis of variance of ranks', () => {
    const space = { lr: logUniform(1e-5, 1), act: choice(['a', 'b', 'c']), none: uniform(0, 1) } satisfies Space;
    const trials = Array.from({ length: 200 }, (_, i) => {
      const params = sample(space, 1, i);
      const value = (Math.log10(params.lr as number) + 2) ** 2 + (params.act === 'a' ? 1 : 0);
      return trialOf(i, Number.isFinite(value) ? value : null, params);
    });
    const found = importanceOf(trials, space, 'minimize');
    expect(found.map(({ name }) => name)).toEqual(['lr', 'act', 'none']);
    expect(found[0]).toMatchObject({ bins: 8, chance: 7 / 199 });
    expect(found[0]!.r2).toBeGreaterThan(0.8);
    expect(found[2]!.r2).toBeLessThan(3 * found[2]!.chance);
    expect(importanceOf([], space, 'minimize').every(({ r2 }) => r2 === 0)).toBe(true);
  });
});

describe('an Optuna journal', () => {
  const space = {
    lr: logUniform(1e-5, 1),
    n: int(1, 8),
    act: choice(['relu', 'tanh']),
    p: uniform(0, 1, { step: 0.5 }),
  } satisfies Space;
  const params = { lr: 0.01, n: 3, act: 'tanh', p: 0.5 };
  const write = (direction: Direction) =>
    optunaJournal(
      {
        trials: [
          trialOf(0, 1.5, params, {
            history: [
              { step: 5, value: 2 },
              { step: 10, value: 1.5 },
            ],
          }),
          trialOf(1, null, params, { reason: 'the training loss is NaN at step 3' }),
          trialOf(2, 3, params, { state: 'pruned', step: 5 }),
          trialOf(3, null, params, { state: 'running', step: 0, history: [] }),
        ],
        direction,
      },
      space,
      { study: 'lecture' },
    )
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('has the operations that Optuna writes itself', () => {
    const lines = write('minimize');
    expect(lines[0]).toEqual({ op_code: 0, worker_id: 'downhill', study_name: 'lecture', directions: [1] });
    expect(lines[1]).toEqual({
      op_code: 4,
      worker_id: 'downhill',
      study_id: 0,
      datetime_start: '1970-01-01T00:00:00.000+00:00',
    });
    const distributions = lines.filter(({ op_code, trial_id }) => op_code === 5 && trial_id === 0);
    expect(distributions.map(({ param_name, param_value_internal }) => [param_name, param_value_internal])).toEqual([
      ['lr', 0.01],
      ['n', 3],
      ['act', 1],
      ['p', 0.5],
    ]);
    expect(distributions.map(({ distribution }) => JSON.parse(distribution as string))).toEqual([
      { name: 'FloatDistribution', attributes: { step: null, low: 1e-5, high: 1, log: true } },
      { name: 'IntDistribution', attributes: { log: false, step: 1, low: 1, high: 8 } },
      { name: 'CategoricalDistribution', attributes: { choices: ['relu', 'tanh'] } },
      { name: 'FloatDistribution', attributes: { step: 0.5, low: 0, high: 1, log: false } },
    ]);
    expect(
      lines.filter(({ op_code }) => op_code === 6).map(({ trial_id, state, values }) => [trial_id, state, values]),
    ).toEqual([
      [0, 1, [1.5]],
      [1, 3, null],
      [2, 2, [3]],
    ]);
    expect(lines.filter(({ op_code }) => op_code === 7).map(({ step }) => step)).toEqual([5, 10, 10]);
    expect(lines.find(({ op_code, trial_id }) => op_code === 8 && trial_id === 1)!.user_attr).toEqual({
      reason: 'the training loss is NaN at step 3',
    });
    expect(write('maximize')[0]!.directions).toEqual([2]);
  });
});
