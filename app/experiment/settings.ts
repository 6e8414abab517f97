import { readSetting, readText, SETTINGS, toNumber } from '../../harness/common/settings.js';
import type { Regularisation } from '../../harness/train/config.js';
import type { DataShape } from '../../harness/train/events.js';
import { modelOf as makeModel } from '../../harness/train/model.js';
import { makeSchedule } from '../../harness/train/schedule.js';
import { readSchedule, SCHEDULE_FLAGS } from '../../harness/train/schedule-flags.js';
import { checkStopMetric, readValidation, VALIDATION_FLAGS } from '../../harness/train/validation.js';
import { checkInteger, type Field, type Loss, type Mlp, mlp, type Rule, resolveRule, rules } from '../../src/index.js';
import { complete, controlsOf, POINTS, PREFIX, RULE_KEY, rowOf, SAMPLES, smoothable, type Texts } from './controls.js';

/*
 * The settings as the library takes them. Form and address hold them as text; `parse` reads it, and files what is wrong
 * under the control that it stands in. config.ts makes the command line's configuration of them.
 */

export { complete, describeRule, RULE_KEY, type Texts } from './controls.js';

/** How wide samples and outputs are. */
export type Ends = Pick<DataShape, 'features' | 'classes'>;

/** Network and loss, as a run's configuration has them. */
export const networkOf = (settings: Settings, { features, classes }: Ends) => ({
  model: {
    sizes: [features, ...settings.hidden, classes],
    activation: settings.activation,
    ...(settings.norm !== 'none' && { norm: settings.norm }),
    ...(settings.dropout > 0 && { dropout: settings.dropout }),
    init: settings.init,
    loss: settings.loss,
  },
  ...(settings.labelSmoothing > 0 && { lossOptions: { labelSmoothing: settings.labelSmoothing } }),
});

/** The network for samples of `features` numbers and `classes` classes. */
export const modelOf = (settings: Settings, features: number, classes: number): Mlp =>
  makeModel(networkOf(settings, { features, classes }));

/** What is wrong with a text, by the control it stands in. */
export type Problems = ReadonlyMap<string, unknown>;

/** Reads every setting, and collects what is wrong instead of stopping at the first. */
function read(texts: Texts, problems: Map<string, unknown>) {
  const one = <T>(key: string, reader: (typed: string) => T): T | undefined => {
    try {
      return reader(texts[key]!);
    } catch (error) {
      problems.set(key, error);
      return undefined;
    }
  };
  const setting = <F extends Field>(key: string, field: F, where = key.replaceAll('-', ' ')) =>
    one(key, (typed) => readSetting(where, field, typed));
  const rule = readRule(texts, problems);
  return {
    source: setting('data', SETTINGS.data),
    /** Of the built-in digits. */
    samples: setting('samples', SAMPLES, 'images'),
    /** Of the plane. */
    points: setting('points', POINTS),
    noise: setting('noise', SETTINGS.noise),
    /** Of the person's own files. */
    classes: setting('classes', SETTINGS.classes),
    scaling: setting('scaling', SETTINGS.scale, 'pixel values'),
    /** Widths of the hidden layers. */
    hidden: one('hidden', hiddenLayers),
    activation: setting('activation', SETTINGS.activation),
    norm: setting('norm', SETTINGS.norm, 'normalisation'),
    dropout: setting('dropout', SETTINGS.dropout),
    init: setting('init', SETTINGS.init),
    loss: setting('loss', SETTINGS.loss),
    labelSmoothing: smoothable(texts) ? setting('label-smoothing', SETTINGS['label-smoothing']) : 0,
    regularisation: {
      penalty: { l1: setting('penalty-l1', SETTINGS['penalty-l1']), l2: setting('penalty-l2', SETTINGS['penalty-l2']) },
      clip: {
        norm: setting('clip-norm', SETTINGS['clip-norm']),
        value: setting('clip-value', SETTINGS['clip-value']),
      },
      mixup: setting('mixup', SETTINGS.mixup),
      cutout: setting('cutout', SETTINGS.cutout),
    } as Regularisation,
    rule,
    /** Of the rate; undefined where it stays as it is. */
    schedule: schedule(texts, setting('warmup', SETTINGS.warmup, 'warm-up'), rule, problems),
    /** Undefined where nothing is held out. */
    validation: validation(texts, problems),
    batchSize: setting('batch', SETTINGS.batch, 'batch size'),
    sampling: setting('sampling', SETTINGS.sampling),
    epochs: setting('epochs', SETTINGS.epochs),
    seed: setting('seed', SETTINGS.seed),
  };
}
type Read = ReturnType<typeof read>;
export type Settings = {
  readonly [K in keyof Read]: K extends 'schedule' | 'validation' ? Read[K] : NonNullable<Read[K]>;
};

export function parse(given: Texts): { readonly settings?: Settings; readonly problems: Problems } {
  const problems = new Map<string, unknown>();
  const settings = read(complete(given), problems);
  // Without a problem every reader has returned a value.
  return problems.size > 0 ? { problems } : { settings: settings as Settings, problems };
}

/** Widths as people write them: '100, 100', '100 100' or '100-100'. */
function hiddenLayers(typed: string): readonly number[] {
  const parts = typed.split(/[\s,;–-]+/).filter(Boolean);
  const widths = parts.map((part, i) => checkInteger(`hidden layer ${i + 1}`, toNumber(part), 1));
  return mlp({ sizes: [1, ...widths, 1] }).sizes.slice(1, -1);
}

/** The options of the chosen rule. An empty control stands for the default. */
function ruleOptions(name: string, texts: Texts): Record<string, unknown> {
  const fields: Readonly<Record<string, Field>> = rowOf(name)?.fields ?? {};
  const options: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const typed = texts[PREFIX + key] ?? '';
    if (typed.replaceAll(',', '').trim() !== '') options[key] = readText(field, typed);
  }
  return options;
}

/** The rule; its error is filed under the control that causes it, where one alone does. */
function readRule(texts: Texts, problems: Map<string, unknown>): Rule | undefined {
  const name = texts[RULE_KEY]!;
  const options = ruleOptions(name, texts);
  try {
    return resolveRule(rules, name, options);
  } catch (error) {
    const key = Object.keys(options).find((one) => {
      try {
        resolveRule(rules, name, { [one]: options[one] });
        return false;
      } catch (alone) {
        // The same words: this option is wrong whatever the others are.
        return (alone as Error).message === (error as Error).message;
      }
    });
    problems.set(key === undefined ? RULE_KEY : PREFIX + key, error);
    return undefined;
  }
}

/** What stands in those of these controls that say anything, and no default, as if it was given to flags. */
function givenIn(texts: Texts, keys: readonly string[]): ReadonlyMap<string, string> {
  const controls = controlsOf(texts).filter(({ key }) => keys.includes(key));
  const said = controls.filter(
    ({ key, initial, applies }) => texts[key]!.trim() !== initial && applies?.(texts) !== false,
  );
  return new Map(
    said.map(({ key }) => [key, texts[key]!.trim()]).filter(([, text]) => text !== '') as [string, string][],
  );
}

/** Reads what several controls say together; an error is filed under the one without which there is none. */
function together<T>(
  given: ReadonlyMap<string, string>,
  problems: Map<string, unknown>,
  reader: (given: ReadonlyMap<string, string>) => T,
): T | undefined {
  try {
    return reader(given);
  } catch (error) {
    const keys = [...given.keys()];
    const cause = keys.findLast((key) => {
      try {
        reader(new Map([...given].filter(([other]) => other !== key)));
        return true;
      } catch {
        return false;
      }
    });
    problems.set(cause ?? keys[0]!, error);
    return undefined;
  }
}

function schedule(
  texts: Texts,
  warmup: number | undefined,
  rule: Rule | undefined,
  problems: Map<string, unknown>,
): ReturnType<typeof readSchedule> {
  const given = givenIn(texts, ['schedule', ...Object.keys(SCHEDULE_FLAGS)]);
  return together(given, problems, (some) => {
    const config = readSchedule(some, warmup ?? 0);
    // As far as it can be checked now: how many steps epochs are, the data says.
    if (config && rule) makeSchedule(config, rule.hyper.lr as number, Number.MAX_SAFE_INTEGER);
    return config;
  });
}

function validation(texts: Texts, problems: Map<string, unknown>): ReturnType<typeof readValidation> {
  const given = givenIn(texts, ['validation', ...VALIDATION_FLAGS]);
  if (given.size === 0) return undefined;
  return together(given, problems, (some) => {
    const config = readValidation(some);
    if (config) checkStopMetric({ validation: config, model: { sizes: [1, 2], loss: texts.loss as Loss } });
    return config;
  });
}

/** The settings as the part of the address behind '#', so that a link carries the run. Defaults may change: all are written. */
export const toHash = (texts: Texts): string => new URLSearchParams(Object.entries(complete(texts))).toString();

/** The settings of an address, and the keys in it that mean nothing here. */
export function fromHash(hash: string): { readonly texts: Texts; readonly unknown: readonly string[] } {
  const given = Object.fromEntries(new URLSearchParams(hash.replace(/^#/, '')));
  const known = new Set(Object.keys(complete(given)));
  const entries = Object.entries(given);
  return {
    texts: Object.fromEntries(entries.filter(([key]) => known.has(key))),
    unknown: entries.map(([key]) => key).filter((key) => !known.has(key)),
  };
}
