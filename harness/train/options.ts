/** The flags of `downhill train`: what they are called, what they mean, and how they become a TrainConfig. */
import { checkInteger, DownhillError, type Field, type RuleRow, resolveRule, toys } from '../../src/index.js';
import { flagOf, opposite } from '../common/flag-names.js';
import { type Flag, type Flags, HELP, readFlags } from '../common/flags.js';
import {
  COMMAND_RULES,
  DIGITS,
  explain,
  HIDDEN,
  isToy,
  readGain,
  readSetting,
  readText,
  SETTINGS,
  TOY,
  toNumber,
} from '../common/settings.js';
import { type HyperValue, regularised, type TrainConfig } from './config.js';
import type { Open } from './data.js';
import { readData } from './data-flags.js';
import { NAMED } from './fetch.js';
import { modelOf } from './model.js';
import { makeSchedule } from './schedule.js';
import { readSchedule, SCHEDULE, SCHEDULE_FLAGS } from './schedule-flags.js';
import { EVERY, readValidation } from './validation.js';
import { readWrap, WRAPPERS } from './wrap.js';

export interface TrainCommand {
  readonly config: TrainConfig;
  /** As given; undefined for a new folder under runs/. */
  readonly out: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
  /** A run that diverged is a success, too. */
  readonly allowDivergence: boolean;
  /** What no flag says and the data may decide. */
  readonly open: Open;
  /** There where a run is gone on with: its own configuration holds then, but for `changes`. */
  readonly resume?: { readonly folder: string; readonly changes: Partial<TrainConfig> };
}

/** Steps of a rule that ends by itself, where nobody says how many. */
const MOST_ROUNDS = 200;
/** What may be said anew of a run that is gone on with. */
const RESUMABLE = ['resume', 'epochs', 'steps', 'save-every', 'keep', 'json', 'allow-divergence'];

const TOYS = Object.keys(toys).join(', ');

/** What stands for a field's value in the help. */
export const valueName = (field: Field): string =>
  field.kind === 'tuple'
    ? field.default.map((_, i) => 'XYZ'[i]).join(',')
    : { number: 'X', integer: 'N', flag: '', choice: 'NAME' }[field.kind];

const flagsOf = (...names: (keyof typeof SETTINGS)[]): Flags =>
  Object.fromEntries(
    names.map((name) => {
      const field = SETTINGS[name];
      return [name, { value: valueName(field), help: explain(field), default: String(field.default) }];
    }),
  );

/** Layer widths, where nobody gives them; of files the data has the last word. */
function widthsFor(data: string): string {
  const { features, classes } = isToy(data) ? TOY : DIGITS;
  return [features, ...HIDDEN, classes].join('-');
}

/** The flags by the headings of the help text. */
export const FLAGS: Readonly<Record<string, Flags>> = {
  data: {
    data: {
      value: 'SOURCE',
      help: `digits (${SETTINGS.data.words.digits}), ${TOYS} (points of the plane), ${NAMED.join(' or ')} (downloaded once), idx:DIR (a folder with IDX files, such as MNIST), csv:FILE or npy:FILE (x.npy,y.npy, or an archive of x and y)`,
      default: SETTINGS.data.default,
    },
    target: { value: 'NAME', help: 'of csv: the column to predict; NAME,NAME for several numbers' },
    ignore: { value: 'NAME,NAME', help: 'of csv: columns to leave out' },
    missing: {
      value: 'WAY',
      help:
        'of csv: missing values are refused, or filled with the mean, the median, a category of their own or a number; ' +
        'NAME=WAY for a column, as in median,garden=category',
      default: 'refuse',
    },
    delimiter: { value: 'X', help: 'of csv: what is between fields, or tab', default: 'found out' },
    decimal: { value: 'X', help: "of csv: the decimal sign, '.' or ','", default: '.' },
    ...flagsOf('samples', 'points', 'noise', 'scale'),
  },
  network: {
    model: {
      value: 'WIDTHS',
      help: 'layer widths from input to output',
      default: widthsFor('digits'),
      // Of points, csv and npy the ends are those of the data.
    },
    ...flagsOf('activation', 'norm', 'dropout', 'init'),
    gain: { value: 'X', help: 'factor of the weights: a number, or auto by the activation', default: "the init's own" },
    ...flagsOf('loss', 'label-smoothing'),
  },
  training: {
    optimizer: { value: 'NAME', help: 'one of the update rules below', default: SETTINGS.optimizer.default },
    wrap: {
      value: 'LIST',
      help: `what goes round the rule, in this order, each once: ${WRAPPERS.join(', ')}`,
      default: 'none',
    },
    ...flagsOf('batch', 'epochs'),
    steps: { value: 'N', help: 'steps to do, instead of --epochs' },
    ...flagsOf('sampling'),
    'drop-last': { help: 'leaves out the last batch of an epoch where it is short' },
    ...flagsOf('penalty-l1', 'penalty-l2', 'clip-norm', 'clip-value', 'mixup', 'cutout', 'seed', 'in'),
  },
  validation: {
    validation: {
      value: 'SHARE',
      help: 'of the training part, held out by --seed: what is learnt is judged on it while training goes on',
      default: 'none',
    },
    'validate-every': { value: 'WHEN', help: 'so many steps (100), epoch, or 2epochs', default: EVERY },
    patience: {
      value: 'N',
      help: 'stops after so many validations in a row without a better one, with the best weights',
      default: 'never',
    },
    'stop-metric': { value: 'NAME', help: 'what better means: loss, accuracy or mse', default: 'loss' },
  },
  schedule: { schedule: SCHEDULE, ...flagsOf('warmup'), ...SCHEDULE_FLAGS },
  checkpoints: {
    'save-every': { value: 'N', help: 'saves a checkpoint every N steps; there is one at the end in any case' },
    keep: { value: 'N', help: 'checkpoints that stay; older ones go', default: '3' },
    config: {
      value: 'FILE',
      help:
        'trains what a run.json of the page or the config.json of a run says, bit for bit on the same adapter; other ' +
        'flags stand in place of what it says',
    },
    resume: {
      value: 'DIR',
      help:
        'goes on with the run in DIR from its newest checkpoint, bit for bit as if it had not stopped; with --epochs or ' +
        '--steps to another end (a schedule stays as it was); other flags are its own',
    },
  },
  output: {
    out: {
      value: 'DIR',
      help: 'folder of the run: config.json, metrics.jsonl, loss.svg, model.safetensors',
      default: 'runs/<time>-<optimizer>',
    },
    plan: {
      value: 'WHICH',
      help:
        'which kernel form computes what: pinned (by the adapter, the same everywhere alike), auto (what downhill tune measured ' +
        'here, where it did), measure (now, and kept), or a FILE of downhill tune --out',
      default: 'pinned',
    },
    profile: { help: 'where the time of a step goes: measures the last steps, adds profile.json and trace.json' },
    force: { help: 'overwrite the run that is in --out' },
    'allow-divergence': { help: 'exit with 0 also where the training diverged' },
    json: { help: 'JSON lines on stdout instead of text, one per event and step' },
    ...HELP,
  },
};

const general: Flags = Object.assign({}, ...Object.values(FLAGS));

/** The flags of hyper-parameters: each with the rules that have it. */
export function hyperFlags() {
  const flags = new Map<string, { key: string; uses: { row: RuleRow; field: Field }[] }>();
  for (const { row } of Object.values(COMMAND_RULES)) {
    for (const [key, field] of Object.entries(row.fields)) {
      const name = flagOf(key, field);
      const flag = flags.get(name) ?? { key, uses: [] };
      flag.uses.push({ row, field });
      flags.set(name, flag);
    }
  }
  return flags;
}

/** Every flag by name. */
export function knownFlags(): Flags {
  const known: Record<string, Flag> = { ...general };
  for (const [name, { uses }] of hyperFlags()) {
    const { kind, help } = uses[0]!.field;
    known[name] = kind === 'flag' ? { help, reversible: true } : { help, value: valueName(uses[0]!.field) };
  }
  return known;
}

const wrong = (what: string, fix: string) => new DownhillError('OPTION-RANGE', what, fix);

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @returns 'help' when that is what is asked for.
 * @throws DownhillError OPTION-*, HYPER-*, RULE-UNKNOWN, SHAPE-INVALID.
 */
export function parseTrain(args: readonly string[]): TrainCommand | 'help' {
  const { flags: given } = readFlags('train', args, knownFlags());
  if (given.has('help')) return 'help';
  const text = (name: string) => given.get(name) ?? general[name]?.default ?? '';
  const setting = <K extends keyof typeof SETTINGS>(name: K): (typeof SETTINGS)[K]['default'] =>
    readSetting(`--${name}`, SETTINGS[name], text(name));
  const { row, hyper } = resolveRule(COMMAND_RULES, text('optimizer'), readHyper(given, text('optimizer')));
  const [norm, dropout] = [setting('norm'), setting('dropout')];
  const model = {
    sizes: (given.get('model') ?? widthsFor(text('data'))).split(/(?<=\d)-/).map(toNumber) as number[],
    activation: setting('activation'),
    ...(norm !== 'none' && { norm }),
    ...(dropout > 0 && { dropout }),
    init: setting('init'),
    ...(given.has('gain') && { gain: readGain(text('gain')) }),
    loss: setting('loss'),
  };
  const labelSmoothing = setting('label-smoothing');
  const lossOptions = labelSmoothing > 0 ? { labelSmoothing } : undefined;
  modelOf({ model, ...(lossOptions && { lossOptions }) });
  // What compares losses goes through all data in every step, until it ends by itself.
  const whole = row.minimizer !== undefined && (hyper as { readonly stochastic?: unknown }).stochastic !== true;
  const sampling = whole && !given.has('sampling') ? 'full' : setting('sampling');
  if (sampling === 'full' && given.has('batch')) {
    const [why, stochastic] = given.has('sampling')
      ? ['With --sampling full', '']
      : [`With --optimizer ${text('optimizer')}`, 'stochastic' in row.fields ? ', or add --stochastic' : ''];
    throw wrong(`${why} every batch is the whole training part.`, `Leave out --batch${stochastic}.`);
  }
  if (given.has('steps') && given.has('epochs')) {
    throw wrong('--steps and --epochs both say how long to train.', 'Give one of them.');
  }
  const length = given.has('steps')
    ? { steps: checkInteger('--steps', toNumber(text('steps')), 1) }
    : whole && !given.has('epochs')
      ? { steps: MOST_ROUNDS }
      : { epochs: setting('epochs') };
  const saves = {
    ...(given.has('save-every') && { saveEvery: checkInteger('--save-every', toNumber(text('save-every')), 1) }),
    ...(given.has('keep') && { keep: checkInteger('--keep', toNumber(text('keep')), 1) }),
  };
  const resume = readResume(given, { ...(given.has('steps') || given.has('epochs') ? length : {}), ...saves });
  if (given.has('config') && !resume)
    throw wrong('--config is of downhill train alone.', 'Leave it out, and give the flags of the run.');
  const schedule = readSchedule(given, setting('warmup'));
  if (schedule && (row.fields.lr as { readonly fixed?: boolean } | undefined)?.fixed !== undefined) {
    throw wrong(
      `--schedule and --warmup change lr from step to step, but ${row.name} finds the length of each step itself.`,
      'Leave them out.',
    );
  }
  const validation = readValidation(given);
  const config: TrainConfig = {
    data: readData(text('data'), given, setting),
    scale: setting('scale'),
    model,
    ...(lossOptions && { lossOptions }),
    ...regularisation(setting),
    ...(given.has('wrap') && { wrappers: readWrap(text('wrap')) }),
    optimizer: { name: row.name, hyper: hyper as Record<string, HyperValue> },
    ...(schedule && { schedule }),
    ...(validation && { validation }),
    ...(sampling === 'full' ? {} : { batchSize: setting('batch') }),
    sampling,
    ...(given.has('drop-last') && { dropLast: true }),
    ...length,
    ...saves,
    seed: setting('seed'),
    in: setting('in'),
    ...(given.has('plan') && text('plan') !== 'pinned' && { plan: readPlanFlag(text('plan')) }),
    ...(given.has('profile') && { profile: true }),
  };
  const plain = config.data.kind === 'csv' || config.data.kind === 'npy';
  // As far as it can be checked now: how many steps epochs are, the data says.
  if (schedule) makeSchedule(schedule, hyper.lr as number, config.steps ?? Number.MAX_SAFE_INTEGER);
  return {
    config,
    out: given.get('out'),
    force: given.has('force'),
    json: given.has('json'),
    allowDivergence: given.has('allow-divergence'),
    open: { sizes: plain && !given.has('model'), loss: plain && !given.has('loss') },
    ...(resume && { resume }),
  };
}

/** @param changes of the run's configuration */
function readResume(given: ReadonlyMap<string, string>, changes: Partial<TrainConfig>): TrainCommand['resume'] {
  const folder = given.get('resume');
  if (folder === undefined) return undefined;
  const other = [...given.keys()].find((name) => !RESUMABLE.includes(name));
  if (other === undefined) return { folder, changes };
  throw wrong(
    `--resume goes on with the run as it was begun; --${other} is for a new one.`,
    `Leave out --${other}, or train anew without --resume.`,
  );
}

/** What is added to the loss, and done to the batches and the gradients; nothing where all is off. */
function regularisation(setting: <K extends keyof typeof SETTINGS>(name: K) => (typeof SETTINGS)[K]['default']) {
  return regularised({
    penalty: { l1: setting('penalty-l1'), l2: setting('penalty-l2') },
    clip: { norm: setting('clip-norm'), value: setting('clip-value') },
    mixup: setting('mixup'),
    cutout: setting('cutout'),
  });
}

/** One of the words, or a file: which of them exist, the command finds out. */
const readPlanFlag = (text: string): NonNullable<TrainConfig['plan']> =>
  text === 'auto' || text === 'measure' ? text : { file: text };

/** The hyper-parameters given, as the rule's options. */
function readHyper(given: ReadonlyMap<string, string>, optimizer: string): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, { key, uses }] of hyperFlags()) {
    for (const typed of [name, opposite(name)]) {
      const value = given.get(typed);
      if (value === undefined || !(typed === name || uses[0]!.field.kind === 'flag')) continue;
      const use = uses.find(({ row }) => row.name === optimizer);
      if (!use && Object.hasOwn(COMMAND_RULES, optimizer)) {
        const owners = uses.map(({ row }) => row.name);
        throw new DownhillError(
          'HYPER-UNKNOWN',
          `${optimizer} has no --${name}; ${owners.join(', ')} ${owners.length === 1 ? 'has' : 'have'} it.`,
          `Leave out --${typed}, or use --optimizer ${owners[0]}.`,
        );
      }
      if (use) options[key] = use.field.kind === 'flag' ? typed === name : readText(use.field, value);
    }
  }
  return options;
}
