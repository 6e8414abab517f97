/** What a search of the command line is: plain JSON, kept in its folder, and what a trial of it trains. */
import { DownhillError, rules, suggest } from '../../src/index.js';
import type { MethodName, Params, Space, TrainingMetric, TrainingObjective, Value } from '../../src/search/index.js';
import { flagOf } from '../common/flag-names.js';
import { kebab } from '../common/settings.js';
import type { TrainConfig } from '../train/config.js';
import { fitted, type JobData, type Open } from '../train/data.js';
import { hyperFlags, parseTrain, FLAGS as TRAIN, type TrainCommand } from '../train/options.js';
import { checkSearchable, objectiveFrom } from './objective.js';

export { ruleOf } from './objective.js';

/** Flags of a training, by name: '' is a switch that is on. */
export type TrainFlags = Readonly<Record<string, string>>;

/** A search, as `search.json` has it. */
export interface SearchSpec {
  readonly format: 'downhill-search/1';
  /** What every trial has. */
  readonly train: TrainFlags;
  /** What it has of its own. */
  readonly space: Space;
  readonly method: { readonly name: MethodName; readonly options: Readonly<Record<string, number | boolean>> };
  readonly trials: number;
  readonly seeds: readonly number[];
  /** Of the draws. */
  readonly seed: number;
  readonly metric: TrainingMetric;
}

export const SPEC_FORMAT = 'downhill-search/1';

/** Share of the training part that trials are judged by. */
export const HELD_OUT = '0.2';

/** Widths of the network, by what is searched of them. */
const SHAPES: Readonly<Record<string, string>> = {
  width: 'units of every hidden layer',
  depth: 'hidden layers',
};

/** Flags that a trial takes from its parameters. */
const SEARCHED = (): string[] => {
  const fixed = ['steps', 'epochs', 'seed', 'in', 'sampling'];
  const groups = { ...TRAIN.network, ...TRAIN.training, ...TRAIN.schedule };
  return [...Object.keys(groups).filter((name) => !fixed.includes(name)), ...hyperFlags().keys()];
};

/** What parameters may be called: the flag, and what else its option is called. */
export function parameterFlag(name: string): string {
  const known = SEARCHED();
  const flag = known.includes(name) ? name : kebab(name);
  if (known.includes(flag) || Object.hasOwn(SHAPES, name)) return Object.hasOwn(SHAPES, name) ? name : flag;
  // An option whose flag is called otherwise: 'betas' of 'betas', 'lrScale' of 'lr-scale'.
  for (const [each, { key, uses }] of hyperFlags()) if (key === name) return flagOf(key, uses[0]!.field) && each;
  throw new DownhillError(
    'OPTION-RANGE',
    `The space has ${JSON.stringify(name)}, which is no flag of a training, nor width or depth.`,
    suggest(name, [...known, ...Object.keys(SHAPES)]),
  );
}

/** @throws DownhillError OPTION-RANGE for a parameter that no training has, or that is also a flag */
export function checkParameters(space: Space, train: TrainFlags): void {
  const flags = Object.keys(space).map(parameterFlag);
  for (const [i, flag] of flags.entries()) {
    const name = Object.keys(space)[i]!;
    if (flags.indexOf(flag) < i)
      throw wrong(`The space has --${flag} twice, the second time as ${name}.`, 'Leave one out.');
    if (Object.hasOwn(train, flag)) throw wrong(`--${flag} is in the space, too.`, `Leave out --${flag}.`);
  }
}

const wrong = (what: string, fix: string) => new DownhillError('OPTION-RANGE', what, fix);

/** Flags as `parseTrain` reads them. */
export const argsOf = (train: TrainFlags): string[] =>
  Object.entries(train).flatMap(([name, value]) => [`--${name}`, ...(value === '' ? [] : [value])]);

/** The configuration of a training, with what the data decides; trials of it are `configOf`. */
export function baseOf(train: TrainFlags): TrainCommand {
  const command = parseTrain(argsOf(withValidation(train))) as TrainCommand;
  checkSearchable(command.config);
  return command;
}

const withValidation = (train: TrainFlags): TrainFlags =>
  'validation' in train ? train : { ...train, validation: HELD_OUT };

/** A parameter as a flag: a switch is on or off. */
function flagArgs(flag: string, value: Value): string[] {
  if (typeof value === 'boolean') return [value ? `--${flag}` : `--no-${flag}`];
  return [`--${flag}`, String(value)];
}

/**
 * The flags of a trial. A hyper-parameter that its rule lacks is left out where the rule is searched, too: momentum of sgd beside Adam.
 */
export function trialArgs(train: TrainFlags, params: Params): string[] {
  const optimizer = params.optimizer ?? train.optimizer;
  const row = Object.values(rules).find(({ row: { name } }) => name === optimizer)?.row;
  const owned = new Set(row && Object.entries(row.fields).map(([key, field]) => flagOf(key, field)));
  const hyper = hyperFlags();
  const args = Object.entries(params).flatMap(([name, value]) => {
    const flag = parameterFlag(name);
    if (Object.hasOwn(SHAPES, flag)) return [];
    if ('optimizer' in params && hyper.has(flag) && !owned.has(flag)) return [];
    return flagArgs(flag, value);
  });
  return [...argsOf(withValidation(train)), ...args];
}

/** The configuration of one trial. @throws DownhillError where its parameters make none */
export function configOf(
  train: TrainFlags,
  params: Params,
  base: { readonly open: Open; readonly data: JobData },
): TrainConfig {
  const { config } = parseTrain(trialArgs(train, params)) as TrainCommand;
  const whole = fitted(config, base.open, base.data);
  const { sizes } = whole.model;
  const hidden = sizes.slice(1, -1);
  const { width, depth = hidden.length } = params as { readonly width?: number; readonly depth?: number };
  if (!('width' in params || 'depth' in params)) return whole;
  const widths = Array.from({ length: depth }, (_, i) => width ?? hidden[Math.min(i, hidden.length - 1)] ?? 100);
  return { ...whole, model: { ...whole.model, sizes: [sizes[0]!, ...widths, sizes.at(-1)!] } };
}

/** The training that a search is for. */
export function objectiveOf(
  spec: Pick<SearchSpec, 'train' | 'metric'>,
  base: { readonly open: Open; readonly data: JobData; readonly config: TrainConfig },
  steps: number,
): TrainingObjective {
  const of = (params: Params) => configOf(spec.train, params, base);
  return objectiveFrom({ config: base.config, data: base.data, metric: spec.metric, steps, of });
}
