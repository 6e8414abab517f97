import { HIDDEN, isToy, SETTINGS, type Setting } from '../../harness/common/settings.js';
import type { ScheduleOptions } from '../../harness/train/config.js';
import { SCHEDULES } from '../../harness/train/schedule.js';
import { SCHEDULE_FLAGS } from '../../harness/train/schedule-flags.js';
import { EVERY } from '../../harness/train/validation.js';
import { choice } from '../../src/fields.js';
import { DECAY_TYPES, type Field, type LossFunction, losses, resolveRule, rules } from '../../src/index.js';

/*
 * What a person can choose, as controls. No choice, range or default is written here: they are the command line's
 * (harness/common/settings.ts, harness/train), and so are the keys of all that came after the first page.
 */

/** The settings as text: key -> what stands in the control. */
export type Texts = Readonly<Record<string, string>>;

/** One control of the page. */
export interface Control {
  readonly key: string;
  readonly label: string;
  /** An empty text stands for a default that depends on the run; `placeholder` says it. */
  readonly initial: string;
  readonly kind: 'text' | 'choice' | 'flag' | 'tuple';
  /** Value and label of each choice. */
  readonly choices?: readonly (readonly [value: string, label: string])[];
  /** What it is made of; those that the command line reads in its own way have none. */
  readonly field?: Field;
  /** Below the control. */
  readonly hint?: string;
  /** The same, of what is chosen. */
  readonly describe?: (value: string) => string;
  readonly placeholder?: string;
  /** Beside the label, in the type of code: the option's name in the library. */
  readonly name?: string;
  /** What an on-screen keyboard should offer. */
  readonly keys?: 'numeric' | 'decimal' | 'text';
  /** Whether it says anything, with the other settings as they are; without it always. */
  readonly applies?: (texts: Texts) => boolean;
}

export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

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

/** A number that is explained below its control. */
const explained = (key: string, label: string, field: Setting, more: Partial<Control> = {}): Control =>
  control(key, label, field, { keys: 'decimal', hint: `${capital(field.help)}.`, ...more });

/** A page holds less than the command line. */
export const SAMPLES = { ...SETTINGS.samples, max: 200_000 };

export const POINTS = { ...SETTINGS.points, max: 200_000 };
const drawsToy = ({ data = '' }: Texts) => isToy(data);

const SCHEDULE_FIELD = choice('what the rate follows', Object.keys(SCHEDULES), 'constant');
/** The options of schedules in words: --step-size is the control 'Step size'. */
const scheduleHelp = (name: string) =>
  `${capital(SCHEDULES[name]?.help ?? '').replace(/--([a-z-]+[a-z])/g, (_, flag: string) => flag.replaceAll('-', ' '))}.`;

const SCHEDULE_LABELS: Readonly<Record<keyof ScheduleOptions, string>> = {
  stepSize: 'Step size',
  milestones: 'Milestones',
  gamma: 'Gamma',
  power: 'Power',
  minLr: 'Min lr',
  decaySteps: 'Decay steps',
  decayType: 'Decay type',
  dModel: 'D model',
};

/** A control for each option of a schedule; it is there with the schedules that take it. */
const scheduleControls = (Object.entries(SCHEDULE_LABELS) as [keyof ScheduleOptions, string][]).map(
  ([option, label], i): Control => {
    const [key, flag] = Object.entries(SCHEDULE_FLAGS)[i]!;
    const applies = ({ schedule = '' }: Texts) =>
      Object.hasOwn(SCHEDULES, schedule) && SCHEDULES[schedule]!.options.includes(option);
    if (option === 'decayType') return control(key, label, choice('', DECAY_TYPES, '1-sqrt'), { applies });
    const keys = option === 'milestones' ? 'text' : 'decimal';
    return { key, label, initial: '', kind: 'text', placeholder: flag.default!, keys, applies };
  },
);

/** Whether the loss has label smoothing. */
export function smoothable({ loss = '' }: Texts): boolean {
  const table: Readonly<Record<string, { readonly row: LossFunction['row'] }>> = losses;
  return Object.hasOwn(table, loss) && 'labelSmoothing' in (table[loss]!.row.fields ?? {});
}
const validated = ({ validation = '' }: Texts) => validation.trim() !== '';
const stops = (texts: Texts) => validated(texts) && (texts.patience ?? '').trim() !== '';

/** The controls that are always there, by the part of the form they stand in. */
export const CONTROLS = {
  data: [
    control('data', 'Source', SETTINGS.data),
    control('samples', 'Images', SAMPLES, { applies: ({ data }) => data === 'digits' }),
    control('points', 'Points', POINTS, { applies: drawsToy }),
    control('noise', 'Noise', SETTINGS.noise, {
      keys: 'decimal',
      hint: 'Standard deviation of what is added to each point.',
      applies: drawsToy,
    }),
    control('classes', 'Classes', SETTINGS.classes, { applies: ({ data }) => data === 'files' }),
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
  start: [
    control('init', 'Initial weights', SETTINGS.init),
    control('loss', 'Loss', SETTINGS.loss),
    explained('label-smoothing', 'Label smoothing', SETTINGS['label-smoothing'], {
      applies: smoothable,
    }),
  ],
  schedule: [
    control('schedule', 'Schedule', SCHEDULE_FIELD, { describe: scheduleHelp }),
    ...scheduleControls,
    control('warmup', 'Warm-up', SETTINGS.warmup, { hint: 'Steps in which the rate rises, in front of the schedule.' }),
  ],
  training: [
    control('epochs', 'Epochs', SETTINGS.epochs),
    control('batch', 'Batch size', SETTINGS.batch, { applies: ({ sampling }) => sampling !== 'full' }),
    control('sampling', 'Sampling', SETTINGS.sampling),
    control('seed', 'Seed', SETTINGS.seed),
  ],
  regularisation: [
    explained('penalty-l1', 'L1 penalty', SETTINGS['penalty-l1']),
    explained('penalty-l2', 'L2 penalty', SETTINGS['penalty-l2']),
    explained('clip-norm', 'Clip by norm', SETTINGS['clip-norm']),
    explained('clip-value', 'Clip by value', SETTINGS['clip-value']),
    explained('mixup', 'Mixup', SETTINGS.mixup),
    explained('cutout', 'Cutout', SETTINGS.cutout),
  ],
  validation: [
    {
      key: 'validation',
      label: 'Held out',
      initial: '',
      kind: 'text',
      keys: 'decimal',
      placeholder: 'none',
      hint: 'Share of the training part: what is learnt is judged on it while training goes on, and the best weights are kept.',
    },
    {
      key: 'validate-every',
      label: 'Judged every',
      initial: '',
      kind: 'text',
      placeholder: EVERY,
      hint: 'So many steps (100), epoch, or 2epochs.',
      applies: validated,
    },
    {
      key: 'patience',
      label: 'Patience',
      initial: '',
      kind: 'text',
      keys: 'numeric',
      placeholder: 'never stops',
      hint: 'Ends after so many judgements in a row without a better one, and puts the best weights back.',
      applies: validated,
    },
    control('stop-metric', 'Better by', choice('', ['loss', 'accuracy', 'mse']), { applies: stops }),
  ],
} as const satisfies Record<string, readonly Control[]>;

export const RULE_KEY = 'optimizer';
const table: Readonly<Record<string, (typeof rules)[keyof typeof rules]>> = rules;
/** A rule's row; undefined where there is none of the name. */
export const rowOf = (name: string) => (Object.hasOwn(table, name) ? table[name]!.row : undefined);
export const RULE_CONTROL: Control = {
  ...control(RULE_KEY, 'Rule', SETTINGS.optimizer),
  choices: Object.entries(SETTINGS.optimizer.words),
};

/** The prefix keeps a rule's options apart from the page's own keys. */
export const PREFIX = `${RULE_KEY}.`;
export const describeRule = (name: string) => rowOf(name) ?? rowOf(RULE_CONTROL.initial)!;

/** Whose defaults the rest has: Keras' differ from PyTorch's. */
export const CONVENTION = `${PREFIX}convention`;

/** A control for every field of the chosen rule's row, with the defaults of the chosen convention. */
export function ruleControls({ [RULE_KEY]: name = RULE_CONTROL.initial, [CONVENTION]: convention }: Texts): Control[] {
  const row = describeRule(name);
  const fields: Readonly<Record<string, Field>> = row.fields;
  const { convention: known } = fields;
  const chosen = known?.kind === 'choice' && convention !== undefined && known.choices.includes(convention);
  const hyper = resolveRule(rules, row.name, chosen ? { convention } : {}).hyper as Readonly<Record<string, unknown>>;
  return Object.entries(fields).map(([key, field]) =>
    control(PREFIX + key, capital(field.help), field, {
      ...{ name: key, keys: 'decimal', hint: undefined },
      initial: String(key === 'convention' ? field.default : hyper[key]),
    }),
  );
}

/** All controls with the rule and convention of these texts. */
export const controlsOf = (texts: Texts): Control[] => [
  ...Object.values(CONTROLS).flat(),
  RULE_CONTROL,
  ...ruleControls(texts),
];

/** Fills the gaps of `given` with what stands in the controls at first. */
export const complete = (given: Texts): Texts =>
  Object.fromEntries(controlsOf(given).map(({ key, initial }) => [key, given[key] ?? initial]));

const labels = new Map(
  Object.values(CONTROLS).flatMap((group) => group.map(({ key, label }) => [key, label] as const)),
);

/** The command line's words for the page: `--step-size` is the label of the control of that key. */
export function inWords(text: string): string {
  return text.replace(/--([a-z][a-z-]*[a-z0-9])/g, (flag, key: string) => {
    const label = labels.get(key);
    return label === undefined ? flag.slice(2) : `“${label}”`;
  });
}
