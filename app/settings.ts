import {
  ACTIVATIONS,
  type Activation,
  checkChoice,
  checkInteger,
  type Field,
  type Mlp,
  mlp,
  type Rule,
  resolveRule,
  rules,
  SAMPLINGS,
  type Sampling,
} from '../src/index.js';

/*
 * What a person can choose. The form and the address hold it as text, under the same keys; `parse` turns it into what the
 * library takes. The library checks: no range or default of a hyper-parameter is written here.
 */

/** The settings as text: key -> what stands in the control. */
export type Texts = Readonly<Record<string, string>>;

export interface Settings {
  readonly source: 'digits' | 'files';
  /** Of the built-in digits. */
  readonly samples: number;
  /** Of the person's own files. */
  readonly classes: number;
  readonly scaling: Scaling;
  /** Widths of the hidden layers. */
  readonly hidden: readonly number[];
  readonly activation: Activation;
  readonly rule: Rule;
  readonly batchSize: number;
  readonly sampling: Sampling;
  readonly epochs: number;
  readonly seed: number;
}

const SOURCES = ['digits', 'files'] as const;
const SCALINGS = ['standard', 'unit'] as const;
export type Scaling = (typeof SCALINGS)[number];

const SOURCE_LABELS: Record<Settings['source'], string> = { digits: 'built-in digits', files: 'my own IDX files' };
const SCALING_LABELS: Record<Scaling, string> = { standard: 'zero mean, unit variance', unit: '0 to 1' };
const SAMPLING_LABELS: Record<Sampling, string> = {
  shuffle: 'shuffle: once per epoch',
  sequential: 'sequential: in the data’s order',
  replacement: 'replacement: independent draws',
  full: 'full: all in every step',
};

/** One control of the page. */
export interface Control {
  readonly key: string;
  readonly label: string;
  readonly initial: string;
  readonly kind: 'text' | 'choice' | 'flag' | 'tuple';
  /** Value and label of each choice. */
  readonly choices?: readonly (readonly [value: string, label: string])[];
  /** Below the control. */
  readonly hint?: string;
  /** Beside the label, in the type of code: the option's name in the library. */
  readonly name?: string;
  /** What an on-screen keyboard should offer. */
  readonly keys?: 'numeric' | 'decimal' | 'text';
}

const text = (key: string, label: string, initial: string, more: Partial<Control> = {}): Control => ({
  key,
  label,
  initial,
  kind: 'text',
  keys: 'numeric',
  ...more,
});

const choice = (
  key: string,
  label: string,
  values: readonly string[],
  labels: Readonly<Record<string, string>> = {},
): Control => ({
  key,
  label,
  initial: values[0]!,
  kind: 'choice',
  choices: values.map((value) => [value, labels[value] ?? value] as const),
});

/** The controls that are always there, by the part of the form they stand in. Defaults as on the command line. */
export const CONTROLS = {
  data: [
    choice('data', 'Source', SOURCES, SOURCE_LABELS),
    text('samples', 'Images', '10000', { hint: 'The last fifth is held back for testing.' }),
    text('classes', 'Classes', '10', { hint: 'Labels run from 0 to one less.' }),
    choice('scaling', 'Pixel values', SCALINGS, SCALING_LABELS),
  ],
  network: [
    text('hidden', 'Hidden layers', '100, 100, 100, 100', {
      hint: 'Their widths, separated by commas. None: softmax regression.',
      keys: 'text',
    }),
    { ...choice('activation', 'Activation', ACTIVATIONS), initial: 'relu' },
  ],
  training: [
    text('epochs', 'Epochs', '10'),
    text('batch', 'Batch size', '64'),
    choice('sampling', 'Sampling', SAMPLINGS, SAMPLING_LABELS),
    text('seed', 'Seed', '0', { hint: 'Of the first weights and of the batches. Same seed, same run.' }),
  ],
} as const satisfies Record<string, readonly Control[]>;

export const RULE_KEY = 'optimizer';
const RULE_NAMES = Object.keys(rules);
const table: Readonly<Record<string, (typeof rules)[keyof typeof rules]>> = rules;
const rowOf = (name: string) => (Object.hasOwn(table, name) ? table[name]!.row : undefined);

const titles = Object.fromEntries(RULE_NAMES.map((name) => [name, rowOf(name)!.title]));
/** The rule at first: the command line's default. */
export const RULE_CONTROL: Control = { ...choice(RULE_KEY, 'Rule', RULE_NAMES, titles), initial: 'adam' };

/** The prefix keeps a rule's options apart from the page's own keys. */
const PREFIX = `${RULE_KEY}.`;
export const describeRule = (name: string) => rowOf(name) ?? rowOf(RULE_NAMES[0]!)!;

/** A control for every field of a rule's row. */
export function ruleControls(name: string): Control[] {
  const fields: Readonly<Record<string, Field>> = describeRule(name).fields;
  return Object.entries(fields).map(([key, field]) => ({
    key: PREFIX + key,
    label: field.help.charAt(0).toUpperCase() + field.help.slice(1),
    name: key,
    initial: String(field.default), // a pair becomes 'a,b'
    kind: field.kind === 'number' || field.kind === 'integer' ? 'text' : field.kind,
    keys: 'decimal',
  }));
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

// A text that is no number stays text: the library's message then quotes what was typed.
const asNumber = (typed: string): unknown => {
  const trimmed = typed.trim();
  return trimmed === '' || Number.isNaN(Number(trimmed)) ? typed : Number(trimmed);
};

const readers: Record<Field['kind'], (typed: string) => unknown> = {
  number: asNumber,
  integer: asNumber,
  tuple: (typed) => typed.split(',').map(asNumber),
  flag: (typed) => (typed === 'true' ? true : typed === 'false' ? false : typed),
  choice: (typed) => typed,
};

/** The options of the chosen rule. An empty control stands for the default. */
function ruleOptions(name: string, texts: Texts): Record<string, unknown> {
  const fields: Readonly<Record<string, Field>> = rowOf(name)?.fields ?? {};
  const options: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const typed = texts[PREFIX + key] ?? '';
    if (typed.replaceAll(',', '').trim() !== '') options[key] = readers[field.kind](typed);
  }
  return options;
}

/** Widths as people write them: '100, 100', '100 100' or '100-100'. */
function hiddenLayers(typed: string): readonly number[] {
  const parts = typed.split(/[\s,;–-]+/).filter(Boolean);
  const widths = parts.map((part, i) => checkInteger(`hidden layer ${i + 1}`, asNumber(part), 1));
  return mlp({ sizes: [1, ...widths, 1] }).sizes.slice(1, -1);
}

/** The network for samples of `features` numbers and `classes` classes. */
export const modelOf = (settings: Settings, features: number, classes: number): Mlp =>
  mlp({ sizes: [features, ...settings.hidden, classes], activation: settings.activation });

/** What is wrong with a text, by the control it stands in. */
export type Problems = ReadonlyMap<string, unknown>;

/** Reads every setting, and collects what is wrong instead of stopping at the first. */
export function parse(given: Texts): { readonly settings?: Settings; readonly problems: Problems } {
  const texts = complete(given);
  const problems = new Map<string, unknown>();
  const read = <T>(key: string, reader: (typed: string) => T): T | undefined => {
    try {
      return reader(texts[key]!);
    } catch (error) {
      problems.set(key, error);
      return undefined;
    }
  };
  const whole = (what: string, min: number, max?: number) => (typed: string) =>
    checkInteger(what, asNumber(typed), min, max);

  const settings = {
    source: read('data', (typed) => checkChoice('data', typed, SOURCES)),
    samples: read('samples', whole('images', 2, 200_000)),
    classes: read('classes', whole('classes', 2, 256)),
    scaling: read('scaling', (typed) => checkChoice('pixel values', typed, SCALINGS)),
    hidden: read('hidden', hiddenLayers),
    activation: read('activation', (typed) => checkChoice('activation', typed, ACTIVATIONS)),
    rule: readRule(texts, problems),
    batchSize: read('batch', whole('batch size', 1)),
    sampling: read('sampling', (typed) => checkChoice('sampling', typed, SAMPLINGS)),
    epochs: read('epochs', whole('epochs', 1)),
    seed: read('seed', whole('seed', 0, 2 ** 32 - 1)),
  };
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
