import { describe, expect, it } from 'vitest';
import { configOf, experimentOf, misfit, outlineOf } from '../../app/experiment/config.js';
import { CONTROLS, controlsOf, inWords, RULE_KEY, type Texts } from '../../app/experiment/controls.js';
import { sampleDigits } from '../../app/experiment/data.js';
import { optionsOf } from '../../app/experiment/options.js';
import { PRESETS } from '../../app/experiment/presets.js';
import { parse } from '../../app/experiment/settings.js';
import { kebab, SETTINGS } from '../../harness/common/settings.js';
import { buildData } from '../../harness/train/data.js';
import { trainerOptions } from '../../harness/train/job.js';
import { hyperFlags, parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { SCHEDULES, scheduleOf } from '../../harness/train/schedule.js';
import { mlp, type RuleRow, rules } from '../../src/index.js';

/* Whoever starts the page's run and the command line's, with the same settings, gets the same run. */

const commandOf = (...args: string[]) => (parseTrain(['--in', 'chrome', ...args]) as TrainCommand).config;
const pageOf = (texts: Texts) => {
  const { settings, problems } = parse(texts);
  if (!settings) throw [...problems.values()][0];
  return configOf(settings, { features: 784, classes: 10 });
};

/** Where page and flags have different names: those of the first page. */
const FLAG: Readonly<Record<string, string>> = { scaling: 'scale' };
const HYPER = new Map([...hyperFlags()].map(([flag, { key }]) => [key, flag]));

/** The texts of the page as a person would type them on a command line. */
function flagsOf(texts: Texts): string[] {
  return Object.entries(texts).flatMap(([key, text]) => {
    if (key === 'hidden') return ['--model', [784, ...text.split(/[ ,]+/).filter(Boolean), 10].join('-')];
    if (!key.startsWith(`${RULE_KEY}.`)) return [`--${FLAG[key] ?? key}`, text];
    const flag = HYPER.get(key.slice(RULE_KEY.length + 1))!;
    if (text === 'true') return [`--${flag}`];
    return text === 'false' ? [flag.startsWith('no-') ? `--${flag.slice(3)}` : `--no-${flag}`] : [`--${flag}`, text];
  });
}

/** Another value than the default of each control that stands alone. */
const OTHER: Texts = {
  samples: '600',
  scaling: 'unit',
  hidden: '20 10',
  activation: 'tanh',
  norm: 'layer',
  dropout: '0.25',
  init: 'xavier-uniform',
  loss: 'mse',
  'label-smoothing': '0.1',
  schedule: 'cosine',
  warmup: '7',
  epochs: '3',
  batch: '32',
  sampling: 'replacement',
  seed: '42',
  'penalty-l1': '1e-5',
  'penalty-l2': '0.001',
  'clip-norm': '1',
  'clip-value': '0.5',
  mixup: '0.2',
  cutout: '8',
  validation: '0.2',
};
/** Values of the options of schedules. */
const OPTIONS: Texts = {
  'step-size': '40',
  milestones: '30,60',
  gamma: '0.5',
  power: '3',
  'min-lr': '1e-5',
  'decay-steps': '12',
  'decay-type': 'linear',
  'd-model': '256',
};

describe('the page and the command line', () => {
  it('have the same defaults', () => {
    expect(pageOf({})).toEqual(commandOf());
  });

  it('have the same of every rule, and of every one of its options', () => {
    for (const { row } of Object.values<{ readonly row: RuleRow }>(rules)) {
      const texts = { [RULE_KEY]: row.name };
      expect(pageOf(texts), row.name).toEqual(commandOf(...flagsOf(texts)));
      for (const { key, field } of controlsOf(texts)) {
        if (!key.startsWith(`${RULE_KEY}.`) || !field) continue;
        const value =
          field.kind === 'flag'
            ? String(!field.default)
            : field.kind === 'choice'
              ? field.choices.at(-1)!
              : field.kind === 'tuple'
                ? field.default.map((each) => each * 0.9).join(',')
                : String(
                    field.default === 0 ? 0.5 : field.kind === 'integer' ? field.default + 1 : field.default * 0.9,
                  );
        const one = { ...texts, [key]: value };
        if (!parse(one).settings) continue; // those that need another one with them
        expect(pageOf(one), `${row.name} ${key}`).toEqual(commandOf(...flagsOf(one)));
      }
    }
  });

  it.each(Object.entries(OTHER))('say the same by %s %s', (key, text) => {
    const texts = { [key]: text };
    expect(pageOf(texts)).toEqual(commandOf(...flagsOf(texts)));
    expect(pageOf(texts)).not.toEqual(commandOf());
  });

  it('say the same by every choice', () => {
    for (const control of Object.values(CONTROLS).flat()) {
      const { key, choices } = control as (typeof CONTROLS)['data'][number];
      if (!choices || key === 'data' || key === 'stop-metric' || key === 'decay-type') continue;
      for (const [value] of choices) {
        const texts = { [key]: value };
        expect(pageOf(texts), `${key} ${value}`).toEqual(commandOf(...flagsOf(texts)));
      }
    }
  });

  it.each(Object.keys(SCHEDULES))('have the schedule %s with its options and without', (schedule) => {
    const options = SCHEDULES[schedule]!.options.map(kebab);
    const given = { schedule, warmup: '5', ...Object.fromEntries(options.map((key) => [key, OPTIONS[key]!])) };
    for (const texts of [{ schedule }, given]) expect(pageOf(texts)).toEqual(commandOf(...flagsOf(texts)));
    // Options of other schedules, left in the form from before, say nothing.
    expect(pageOf({ ...OPTIONS, ...given })).toEqual(pageOf(given));
  });

  it('hold out the same, and end by the same', () => {
    const ways: Texts[] = [
      { validation: '0.1' },
      { validation: '0.1', 'validate-every': '100' },
      { validation: '0.1', 'validate-every': '2epochs', patience: '4' },
      { validation: '0.1', patience: '0', 'stop-metric': 'accuracy' },
    ];
    for (const texts of ways) {
      expect(pageOf(texts)).toEqual(commandOf(...flagsOf(texts)));
      expect(pageOf(texts).validation).toBeDefined();
    }
    // What needs a validation part says nothing without one.
    expect(pageOf({ patience: '4', 'stop-metric': 'accuracy' })).toEqual(pageOf({}));
  });

  it('have the same with everything at once', () => {
    const texts = {
      ...OTHER,
      loss: 'softmax-cross-entropy',
      norm: 'batch',
      [RULE_KEY]: 'sgd',
      'optimizer.momentum': '0.9',
      'optimizer.nesterov': 'true',
      patience: '3',
      'min-lr': '1e-4',
    };
    expect(pageOf(texts)).toEqual(commandOf(...flagsOf(texts)));
  });

  it.each([
    [60, {}],
    [59, { validation: '0.25', scaling: 'unit' }],
    [1000, { loss: 'mse', validation: '0.1' }],
  ] as const)('make the same of %i digits with %o', async (samples, more) => {
    const texts = { samples: String(samples), batch: '8', ...more };
    const page = experimentOf(parse(texts).settings!, sampleDigits(samples));
    const config = commandOf(...flagsOf(texts));
    const data = await buildData(config);
    expect(page.config).toEqual(config);
    for (const part of ['train', 'test', 'validation'] as const) {
      const [ours, theirs] = [page.data[part], data[part]];
      expect(ours?.samples).toBe(theirs?.samples);
      if (!ours || !theirs) continue;
      // Compared as bytes: a million numbers take toEqual seconds.
      expect(Buffer.compare(Buffer.from(ours.x), Buffer.from(theirs.x))).toBe(0);
      expect([ours.scale, ours.shift, ours.targets]).toEqual([theirs.scale, theirs.shift, theirs.targets]);
    }
    const { validation: _, earlyStopping: __, plan, label, data: ___, ...options } = optionsOf(page);
    const { data: ____, ...theirs } = trainerOptions(config, data, scheduleOf(config, page.steps));
    expect(JSON.stringify(options)).toBe(JSON.stringify(theirs));
    expect([plan, label]).toEqual(['pinned', 'page']);
    expect(mlp(config.model)).toEqual(mlp(page.config.model));
  });
});

describe('the settings of the page', () => {
  const problemsOf = (texts: Texts) =>
    [...parse(texts).problems].map(([key, error]) => [key, inWords((error as Error).message)]);

  it.each([
    [{ schedule: 'step', 'step-size': '-1' }, 'step-size'],
    [{ schedule: 'multistep', milestones: '9,3' }, 'milestones'],
    [{ schedule: 'step', 'step-size': '10', gamma: 'x' }, 'gamma'],
    [{ schedule: 'wsd', 'decay-type': 'none' }, 'decay-type'],
    [{ schedule: 'bogus' }, 'schedule'],
    [{ warmup: '-1' }, 'warmup'],
    [{ validation: '2' }, 'validation'],
    [{ validation: '0.1', 'validate-every': 'often' }, 'validate-every'],
    [{ validation: '0.1', patience: 'x' }, 'patience'],
    [{ validation: '0.1', patience: '2', 'stop-metric': 'mse' }, 'stop-metric'],
    [{ 'label-smoothing': '2' }, 'label-smoothing'],
    [{ 'clip-norm': '-1' }, 'clip-norm'],
    [{ cutout: '1.5' }, 'cutout'],
    [{ loss: 'none' }, 'loss'],
    [{ init: 'none' }, 'init'],
  ])('file what is wrong with %o under the control', (texts, key) => {
    expect(problemsOf(texts as Texts).map(([at]) => at)).toEqual([key]);
  });

  it('have the words of the page in their messages', () => {
    expect(problemsOf({ validation: '0.1', 'validate-every': 'often' })[0]![1]).toBe(
      "“Judged every” must be a number of steps, or epochs, got 'often'. [OPTION-RANGE] Write 100, epoch or 2epochs.",
    );
  });

  it('refuse what data and settings do not allow together, before any GPU work', () => {
    const fitting = (texts: Texts) => () => experimentOf(parse(texts).settings!, sampleDigits(100));
    expect(fitting({ batch: '90' })).toThrow(/90, more than the 80 samples/);
    expect(fitting({ batch: '10', epochs: '2', warmup: '16' })).toThrow(/--warmup is 16, but the run has 16 steps/);
  });

  it('are those of the command line', () => {
    const keys = Object.values(CONTROLS).flatMap((group) => group.map(({ key }) => key));
    for (const key of Object.keys(SETTINGS)) {
      if (!['scale', 'in', RULE_KEY].includes(key)) expect(keys).toContain(key);
    }
  });
});

describe('presets', () => {
  it.each(PRESETS.map((each) => [each.title, each.experiment] as const))(
    '%s can be started as it stands',
    (_, experiment) => {
      const { settings, problems } = parse(experiment);
      expect([...problems.keys()]).toEqual([]);
      const known = outlineOf(settings!, undefined)!;
      expect(misfit(known)).toBeUndefined();
      expect(known.config.data.kind).toBe(experiment.data ?? 'digits');
      // On a CPU adapter it should end while somebody looks.
      expect(known.steps).toBeLessThanOrEqual(2000);
    },
  );
});
