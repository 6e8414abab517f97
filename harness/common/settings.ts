/**
 * What a person chooses of a run, in one table: the page makes its controls of it, the command line its flags. What the
 * library has choices, a default or a range of comes from there. No Node here: the page imports this file.
 */
import { checkField, choice, describeField, type Field, integer, number } from '../../src/fields.js';
import {
  ACTIVATIONS,
  DownhillError,
  type Gain,
  INITS,
  LOSSES,
  type Loss,
  type LossFunction,
  losses,
  MAX_SEED,
  minimizers,
  mlp,
  type Norm,
  type RuleRow,
  rules,
  SAMPLINGS,
  type Sampling,
  type Toy,
  TRAINER_DEFAULTS,
  toys,
} from '../../src/index.js';

/** A field; of a choice, what its values mean, by value. */
export type Setting<F extends Field = Field> = F & { readonly words?: Readonly<Record<string, string>> };

const explained = <const C extends string>(help: string, words: Readonly<Record<C, string>>) => ({
  ...choice(help, Object.keys(words) as C[]),
  words,
});
/** Made without options, a model has the defaults. */
const { activation, init, loss } = mlp({ sizes: [1, 1] });
/** Rules that a trainer takes. */
export const TRAINED_RULES = Object.entries<{ readonly row: RuleRow }>(rules).map(
  ([name, { row }]) => [name, row] as const,
);
/** Rules that `downhill train` takes: also those that look at their loss at several points for a step. */
export const COMMAND_RULES: Readonly<Record<string, { readonly row: RuleRow }>> = { ...rules, ...minimizers } as never;

const titles = Object.fromEntries(TRAINED_RULES.map(([name, { title }]) => [name, title]));
const norms: Record<Norm, string> = {
  batch: 'over the batch, column by column',
  layer: 'over the features, row by row',
};
/** Data of classes is given to losses of values so. */
const ofValues = Object.fromEntries(
  (Object.entries(losses) as [string, Pick<LossFunction, 'row'>][])
    .filter(([, { row }]) => row.targets === 'values')
    .map(([name]) => [name, 'against one-hot classes']),
);
const samplings: Record<Sampling, string> = {
  shuffle: 'each sample once per epoch',
  sequential: 'the same in the data’s own order',
  replacement: 'independent draws',
  full: 'all samples in every step',
};

/** Share to train on, where the data brings no test part of its own. */
export const TRAIN_SHARE = 0.8;
export const DIGITS = { features: 28 * 28, classes: 10 } as const;
export const TOY = { features: 2, classes: 2 } as const;
export const isToy = (data: string): data is Toy => Object.hasOwn(toys, data);
/** Widths of the hidden layers. */
export const HIDDEN: readonly number[] = [100, 100, 100, 100];

export const SETTINGS = {
  data: explained('source', {
    digits: 'drawn on the spot',
    spirals: 'points of two spirals',
    circles: 'points of a ring within a ring',
    xor: 'points of four squares',
    moons: 'points of two half circles',
    painted: 'points that you paint',
    files: 'a table (CSV), a folder of images, or IDX files such as MNIST',
  }),
  samples: integer(`digits to draw (the first ${100 * TRAIN_SHARE} % train, the rest tests)`, 10_000, {
    min: 2,
    max: 1_000_000,
  }),
  points: integer('points of spirals, circles, xor or moons to draw, split alike', 1000, { min: 2, max: 1_000_000 }),
  noise: number('standard deviation of what is added to those points', 0.05, { min: 0 }),
  classes: integer('labels run from 0 to one less', DIGITS.classes, { min: 2, max: 256 }),
  scale: explained('scaling of the inputs', { standard: 'mean 0, variance 1', unit: '0 to 1' }),
  activation: choice('of the hidden layers', ACTIVATIONS, activation),
  norm: explained('normalisation of the hidden layers', { none: '', ...norms }),
  dropout: number('share of every hidden layer’s outputs that a training step drops', 0, { min: 0, below: 1 }),
  init: choice('of the weights', INITS, init),
  loss: { ...choice('of the outputs', LOSSES, loss.row.name as Loss), words: ofValues },
  'label-smoothing': number('share of the target that all classes get alike, with softmax-cross-entropy', 0, {
    min: 0,
    max: 1,
  }),
  'penalty-l1': number('L1 penalty of the weights in the loss', 0, { min: 0 }),
  'penalty-l2': number('L2 penalty of the weights in the loss', 0, { min: 0 }),
  mixup: number('mixes the samples of a batch: alpha of the Beta distribution of their shares; 0 is off', 0, {
    min: 0,
  }),
  cutout: integer('cuts a square of so many pixels out of every image; 0 is off', 0, { min: 0 }),
  'clip-norm': number('scales all gradients together down to this 2-norm; 0 is off', 0, { min: 0 }),
  'clip-value': number('cuts every element of the gradients to this size; 0 is off', 0, { min: 0 }),
  optimizer: { ...choice('update rule', Object.keys(titles), 'adam'), words: titles },
  batch: integer('samples per step', TRAINER_DEFAULTS.batchSize, { min: 1 }),
  epochs: integer('passes over the training part', 10, { min: 1 }),
  sampling: { ...choice('of the batches', SAMPLINGS, TRAINER_DEFAULTS.sampling), words: samplings },
  seed: integer('seed of the initial weights and the batches', TRAINER_DEFAULTS.seed, { min: 0, max: MAX_SEED }),
  in: explained('where to run', { node: 'on Dawn', chrome: 'the same in a headless browser' }),
  warmup: integer('steps in which the rate rises to --lr, in front of the schedule', 0, { min: 0 }),
} as const satisfies Readonly<Record<string, Setting>>;

export type Scale = (typeof SETTINGS.scale)['default'];
export type Place = (typeof SETTINGS.in)['default'];

/** What a setting means, with its choices or its range. */
export function explain(field: Setting): string {
  if (field.kind === 'flag') return field.help;
  const { words = {} } = field;
  const said = (each: string) => (words[each] ? `${each} (${words[each]})` : each);
  return field.kind === 'choice'
    ? `${field.help}: ${field.choices.map(said).join(', ')}`
    : `${field.help}, ${describeField(field)}`;
}

/** 'weightDecay' as a flag: 'weight-decay'. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A number where the text is one; else the text, so that the library's check can say what it got. */
export function toNumber(text: string): number | string {
  const value = Number(text);
  const isNumber = text.trim() !== '' && (!Number.isNaN(value) || text === 'NaN');
  return isNumber ? value : text;
}

/** --gain. @throws DownhillError OPTION-RANGE */
export function readGain(text: string): Gain {
  const gain = toNumber(text.trim());
  if (gain === 'auto' || typeof gain === 'number') return gain;
  throw new DownhillError('OPTION-RANGE', `--gain must be a number or auto, got '${text}'.`, 'Write --gain 1.41.');
}

/** What was typed, as the library takes it, which checks it. */
export function readText({ kind }: Field, text: string): unknown {
  if (kind === 'tuple') return text.split(',').map(toNumber);
  return kind === 'choice' ? text : kind === 'flag' && /^(true|false)$/.test(text) ? text === 'true' : toNumber(text);
}

/** @throws DownhillError OPTION-*. */
export const readSetting = <F extends Field>(where: string, field: F, text: string) =>
  checkField(where, field, readText(field, text), 'OPTION') as F['default'];
