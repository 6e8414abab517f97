import { HIDDEN, readSetting, readText, SETTINGS, type Setting, toNumber } from '../harness/common/settings.js';
import { checkInteger, type Field, type Mlp, mlp, type Rule, resolveRule, rules } from '../src/index.js';

/*
 * What a person can choose. The form and the address hold it as text, under the same keys; `parse` turns it into what the
 * library takes. No choice, range or default is written here: they are the command line's (harness/common/settings.ts).
 */

/** The settings as text: key -> what stands in the control. */
export type Texts = Readonly<Record<string, string>>;

/** One control of the page. */
export interface Control {
  readonly key: string;
  readonly label: string;
  readonly initial: string;
  readonly kind: 'text' | 'choice' | 'flag' | 'tuple';
  /** Value and label of each choice. */
  readonly choices?: readonly (readonly [value: string, label: string])[];
  /** What it is made of; only the widths are of no such kind. */
  readonly field?: Field;
  /** Below the control. */
  readonly hint?: string;
  /** Beside the label, in the type of code: the option's name in the library. */
  readonly name?: string;
  /** What an on-screen keyboard should offer. */
  readonly keys?: 'numeric' | 'decimal' | 'text';
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** A control of a field. */
const control = (key: string, label: string, field: Setting, more: Partial<Control> = {}): Control => ({
  key,
  label,
  field,
  initial: String(field.default), // a pair becomes 'a,b'
  kind: field.kind === 'number' || field.kind === 'integer' ? 'text' : field.kind,
  ...(field.kind === 'choice' && {
    choices: field.choices.map((each) => [each, field.words?.[each] ? `${each}: ${field.words[each]}` : each] as const),
  }),
  ...(field.kind === 'integer' && { hint: `${capital(field.help)}.`, keys: 'numeric' }),
  ...more,
});

/** A page holds less than the command line. */
const SAMPLES = { ...SETTINGS.samples, max: 200_000 };

/** The controls that are always there, by the part of the form they stand in. */
export const CONTROLS = {
  data: [
    control('data', 'Source', SETTINGS.data),
    control('samples', 'Images', SAMPLES),
    control('classes', 'Classes', SETTINGS.classes),
    control('scaling', 'Pixel values', SETTINGS.scale),
  ],
  network: [
    {
      key: 'hidden',
      label: 'Hidden layers',
      initial: HIDDEN.join(', '),
      kind: 'text',
      hint: 'Their widths, separated by commas. None: softmax regression.',
    },
    control('activation', 'Activation', SETTINGS.activation),
    control('norm', 'Normalisation', SETTINGS.norm),
    control('dropout', 'Dropout', SETTINGS.dropout, { keys: 'decimal', hint: `${capital(SETTINGS.dropout.help)}.` }),
  ],
  training: [
    control('epochs', 'Epochs', SETTINGS.epochs),
    control('batch', 'Batch size', SETTINGS.batch),
    control('sampling', 'Sampling', SETTINGS.sampling),
    control('seed', 'Seed', SETTINGS.seed),
  ],
} as const satisfies Record<string, readonly Control[]>;

export const RULE_KEY = 'optimizer';
const table: Readonly<Record<string, (typeof rules)[keyof typeof rules]>> = rules;
const rowOf = (name: string) => (Object.hasOwn(table, name) ? table[name]!.row : undefined);
export const RULE_CONTROL: Control = {
  ...control(RULE_KEY, 'Rule', SETTINGS.optimizer),
  choices: Object.entries(SETTINGS.optimizer.words),
};

/** The prefix keeps a rule's options apart from the page's own keys. */
const PREFIX = `${RULE_KEY}.`;
export const describeRule = (name: string) => rowOf(name) ?? rowOf(RULE_CONTROL.initial)!;

/** A control for every field of a rule's row. */
export function ruleControls(name: string): Control[] {
  const fields: Readonly<Record<string, Field>> = describeRule(name).fields;
  return Object.entries(fields).map(([key, field]) =>
    control(PREFIX + key, capital(field.help), field, { name: key, keys: 'decimal', hint: undefined }),
  );
}

const controlsOf = (name: string): Control[] => [
  ...Object.values(CONTROLS).flat(),
  RULE_CONTROL,
  ...ruleControls(name),
];

/** Fills the gaps of `given` with what stands in the controls at first. */
export function complete(given: Texts): Texts {
  const name = given[RULE_KEY] ?? RULE_CONTROL.initial;
  return Object.fromEntries(controlsOf(name).map(({ key, initial }) => [key, given[key] ?? initial]));
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

/** Widths as people write them: '100, 100', '100 100' or '100-100'. */
function hiddenLayers(typed: string): readonly number[] {
  const parts = typed.split(/[\s,;–-]+/).filter(Boolean);
  const widths = parts.map((part, i) => checkInteger(`hidden layer ${i + 1}`, toNumber(part), 1));
  return mlp({ sizes: [1, ...widths, 1] }).sizes.slice(1, -1);
}

/** The network for samples of `features` numbers and `classes` classes. */
export const modelOf = (settings: Settings, features: number, classes: number): Mlp =>
  mlp({
    sizes: [features, ...settings.hidden, classes],
    activation: settings.activation,
    ...(settings.norm !== 'none' && { norm: settings.norm }),
    dropout: settings.dropout,
  });

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
  const setting = <F extends Field>(key: string, field: F, where = key) =>
    one(key, (typed) => readSetting(where, field, typed));
  return {
    source: setting('data', SETTINGS.data),
    /** Of the built-in digits. */
    samples: setting('samples', SAMPLES, 'images'),
    /** Of the person's own files. */
    classes: setting('classes', SETTINGS.classes),
    scaling: setting('scaling', SETTINGS.scale, 'pixel values'),
    /** Widths of the hidden layers. */
    hidden: one('hidden', hiddenLayers),
    activation: setting('activation', SETTINGS.activation),
    norm: setting('norm', SETTINGS.norm, 'normalisation'),
    dropout: setting('dropout', SETTINGS.dropout),
    rule: readRule(texts, problems),
    batchSize: setting('batch', SETTINGS.batch, 'batch size'),
    sampling: setting('sampling', SETTINGS.sampling),
    epochs: setting('epochs', SETTINGS.epochs),
    seed: setting('seed', SETTINGS.seed),
  };
}
type Read = ReturnType<typeof read>;
export type Settings = { readonly [K in keyof Read]: NonNullable<Read[K]> };

export function parse(given: Texts): { readonly settings?: Settings; readonly problems: Problems } {
  const problems = new Map<string, unknown>();
  const settings = read(complete(given), problems);
  // Without a problem every reader has returned a value.
  return problems.size > 0 ? { problems } : { settings: settings as Settings, problems };
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
