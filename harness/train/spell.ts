/**
 * A run's configuration as the flags of `downhill train` that give it, where they are not its defaults. No Node here: the page
 * imports this.
 */
import type { Field, RuleRow } from '../../src/index.js';
import { flagOf, opposite, quoted } from '../common/flag-names.js';
import { COMMAND_RULES, DIGITS, HIDDEN, kebab, SETTINGS } from '../common/settings.js';
import { type DataConfig, type HyperValue, showHyper, type TrainConfig } from './config.js';
import { EVERY } from './validation.js';

/** Flags by name, as typed; '' is a switch's. What no flag says is not among them: a measured plan, the end of an earlier run. */
export function flagsOf(config: TrainConfig): Map<string, string> {
  const flags = new Map<string, string>();
  const put = (name: string, value: unknown, usual?: unknown) => {
    if (value !== undefined && value !== usual) flags.set(name, String(value));
  };
  putData(config.data, put);
  put('scale', config.scale, SETTINGS.scale.default);
  putModel(config, put);
  putOptimizer(config, put);
  putLength(config, put);
  put('drop-last', config.dropLast && '');
  put('penalty-l1', config.penalty?.l1, 0);
  put('penalty-l2', config.penalty?.l2, 0);
  put('clip-norm', config.clip?.globalNorm, 0);
  put('clip-value', config.clip?.value, 0);
  put('mixup', config.augment?.mixup?.alpha, 0);
  put('cutout', config.augment?.cutout?.size, 0);
  put('seed', config.seed, SETTINGS.seed.default);
  put('in', config.in, SETTINGS.in.default);
  putValidation(config, put);
  putSchedule(config, put);
  put('save-every', config.saveEvery);
  put('keep', config.keep);
  if (typeof config.plan === 'string') put('plan', config.plan);
  else if (config.plan && 'file' in config.plan) put('plan', config.plan.file);
  put('profile', config.profile && '');
  return flags;
}

/** The whole command, for a shell. */
export function commandOf(config: TrainConfig): string {
  const words = [...flagsOf(config)].flatMap(([name, value]) => [
    `--${name}`,
    ...(value === '' ? [] : [quoted(value)]),
  ]);
  return ['npx downhill train', ...words].join(' ');
}

type Put = (name: string, value: unknown, usual?: unknown) => void;

function putData(data: DataConfig, put: Put): void {
  if (data.kind === 'digits') put('samples', data.samples, SETTINGS.samples.default);
  else if (data.kind === 'named') put('data', data.name);
  else if (data.kind === 'idx') put('data', `idx:${data.folder}`);
  else if (data.kind === 'npy') put('data', `npy:${data.files.join(',')}`);
  else if (data.kind === 'csv') putTable(data, put);
  else {
    put('data', data.kind);
    put('points', data.samples, SETTINGS.points.default);
    put('noise', data.noise, SETTINGS.noise.default);
  }
}

function putTable(data: DataConfig & { kind: 'csv' }, put: Put): void {
  put('data', `csv:${data.file}`);
  put('target', data.target.join());
  if (data.ignore.length > 0) put('ignore', data.ignore.join());
  const each = Object.entries(data.missingIn ?? {}).map(([name, way]) => `${name}=${way}`);
  const missing = [...(data.missing === 'refuse' ? [] : [data.missing]), ...each];
  if (missing.length > 0) put('missing', missing.join());
  put('delimiter', data.delimiter === '\t' ? 'tab' : data.delimiter);
  put('decimal', data.decimal);
}

function putModel({ data, model, lossOptions }: TrainConfig, put: Put): void {
  // Of a table the loss is that of the data where no flag says it.
  const open = data.kind === 'csv' || data.kind === 'npy';
  const usual = [DIGITS.features, ...HIDDEN, DIGITS.classes].join('-');
  put('model', model.sizes.join('-'), data.kind === 'digits' ? usual : undefined);
  put('activation', model.activation, SETTINGS.activation.default);
  put('norm', model.norm, 'none');
  put('dropout', model.dropout, 0);
  put('init', model.init, SETTINGS.init.default);
  put('gain', model.gain);
  put('loss', model.loss, open ? undefined : SETTINGS.loss.default);
  put('label-smoothing', lossOptions?.labelSmoothing, 0);
}

function putOptimizer({ optimizer, wrappers }: TrainConfig, put: Put): void {
  put('optimizer', optimizer.name, SETTINGS.optimizer.default);
  for (const [key, value] of Object.entries(unusual(optimizer))) {
    const field = fieldsOf(optimizer.name)[key]!;
    const name = flagOf(key, field);
    if (field.kind === 'flag') put(value ? name : opposite(name), '');
    else put(name, showHyper(value));
  }
  if (wrappers && wrappers.length > 0)
    put('wrap', wrappers.map(({ name, options }) => [kebab(name), ...Object.values(options)].join('=')).join());
}

const rowOf = (name: string): RuleRow | undefined =>
  Object.hasOwn(COMMAND_RULES, name) ? COMMAND_RULES[name]!.row : undefined;
const fieldsOf = (name: string): Readonly<Record<string, Field>> => rowOf(name)?.fields ?? {};

/** The hyper-parameters that are not the rule's defaults. */
export function unusual({ name, hyper }: TrainConfig['optimizer']): Record<string, HyperValue> {
  const fields = fieldsOf(name);
  return Object.fromEntries(
    Object.entries(hyper).filter(
      ([key, value]) => fields[key] && JSON.stringify(value) !== JSON.stringify(fields[key].default),
    ),
  );
}

/** How a rule goes through the data where nobody says it: what compares losses takes all of it. */
export function wholeBatches({ name, hyper }: TrainConfig['optimizer']): boolean {
  return rowOf(name)?.minimizer !== undefined && hyper.stochastic !== true;
}

function putLength({ optimizer, sampling, batchSize, steps, epochs }: TrainConfig, put: Put): void {
  const whole = wholeBatches(optimizer);
  put('sampling', sampling, whole ? 'full' : SETTINGS.sampling.default);
  put('batch', batchSize, SETTINGS.batch.default);
  put('steps', steps);
  put('epochs', epochs, whole ? undefined : SETTINGS.epochs.default);
}

function putValidation({ validation }: TrainConfig, put: Put): void {
  if (!validation) return;
  const { share, every, stopping } = validation;
  put('validation', share);
  put(
    'validate-every',
    'batches' in every ? every.batches : every.epochs === 1 ? EVERY : `${every.epochs}epochs`,
    EVERY,
  );
  put('patience', stopping?.patience);
  put('stop-metric', stopping?.metric, 'loss');
}

function putSchedule({ schedule }: TrainConfig, put: Put): void {
  if (!schedule) return;
  const { name, warmup, runSteps: _, ...options } = schedule;
  put('schedule', name, 'constant');
  put('warmup', warmup, 0);
  for (const [key, value] of Object.entries(options)) put(kebab(key), value);
}
