/** `downhill train --config FILE`: a run again, by the configuration that it left; the page's run.json, or a run folder's config.json. */
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { DownhillError, type MeasuredPlan, show } from '../../src/index.js';
import { readPlainText } from '../../src/node/index.js';
import { opposite } from '../common/flag-names.js';
import { readFlags } from '../common/flags.js';
import type { TrainConfig } from './config.js';
import { hyperFlags, knownFlags, parseTrain } from './options.js';
import { flagsOf } from './spell.js';

/** A run.json has some hundred kilobytes. */
const MOST_BYTES = 64 * 2 ** 20;

const text = v.string('a text');
const number = v.number('a number');
const object = <E extends v.ObjectEntries>(entries: E) =>
  v.strictObject(entries, (issue) => (issue.kind === 'schema' && issue.expected === 'never' ? 'nothing' : 'an object'));
const list = <S extends v.GenericSchema>(item: S) => v.array(item, 'a list');
const texts = list(text);
const ways = v.union([number, text], 'a number or a text');

/** Where what is in it is of the right kind, the flags' own checks look at the values. */
const Config = object({
  data: v.variant(
    'kind',
    [
      object({ kind: v.literal('digits'), samples: number }),
      object({ kind: v.picklist(['spirals', 'circles', 'xor', 'moons']), samples: number, noise: number }),
      object({ kind: v.literal('named'), name: text }),
      object({ kind: v.literal('idx'), folder: text }),
      object({
        kind: v.literal('csv'),
        file: text,
        target: texts,
        ignore: texts,
        missing: ways,
        missingIn: v.optional(v.record(text, ways, 'an object')),
        delimiter: v.optional(text),
        decimal: v.optional(text),
      }),
      object({ kind: v.literal('npy'), files: texts }),
    ],
    'data with a known kind',
  ),
  scale: text,
  model: object({
    sizes: list(number),
    activation: text,
    norm: v.optional(text),
    dropout: v.optional(number),
    init: text,
    gain: v.optional(ways),
    loss: text,
  }),
  lossOptions: v.optional(object({ labelSmoothing: number })),
  penalty: v.optional(object({ l1: number, l2: number })),
  clip: v.optional(object({ globalNorm: v.optional(number), value: v.optional(number) })),
  augment: v.optional(
    object({ mixup: v.optional(object({ alpha: number })), cutout: v.optional(object({ size: number })) }),
  ),
  wrappers: v.optional(list(object({ name: text, options: v.record(text, ways, 'an object') }))),
  optimizer: object({
    name: text,
    hyper: v.record(
      text,
      v.union([number, text, v.boolean(), list(number)], 'a number, a text, true, false or a list of numbers'),
      'an object',
    ),
  }),
  schedule: v.optional(
    object({
      name: text,
      warmup: number,
      runSteps: v.optional(number),
      stepSize: v.optional(number),
      milestones: v.optional(list(number)),
      gamma: v.optional(number),
      power: v.optional(number),
      minLr: v.optional(number),
      decaySteps: v.optional(number),
      decayType: v.optional(text),
      dModel: v.optional(number),
    }),
  ),
  validation: v.optional(
    object({
      share: number,
      every: v.union([object({ epochs: number }), object({ batches: number })], 'epochs or batches'),
      stopping: v.optional(object({ patience: number, metric: text })),
    }),
  ),
  batchSize: v.optional(number),
  sampling: text,
  dropLast: v.optional(v.literal(true)),
  steps: v.optional(number),
  epochs: v.optional(number),
  seed: number,
  in: text,
  saveEvery: v.optional(number),
  keep: v.optional(number),
  plan: v.optional(v.union([text, v.looseObject({})], 'a word or a plan')),
  planBudgetMs: v.optional(number),
  profile: v.optional(v.literal(true)),
});

/** What the file adds to the flags. */
export interface FromFile {
  /** All flags: those of the file, but for what was given beside it. */
  readonly args: readonly string[];
  /** What no flag says. */
  readonly plan?: MeasuredPlan;
  /** What the run had that its configuration does not have; absent where that is nothing. */
  readonly note?: string;
}

/**
 * Puts what --config names into the flags.
 *
 * @throws DownhillError DATA-NOT-FOUND, DATA-FORMAT where the file is not a run's; OPTION-* as the flags' own
 */
export function withConfigFile(args: readonly string[]): FromFile {
  const { flags: given } = readFlags('train', args, knownFlags());
  const file = given.get('config');
  // A run that is gone on with has its own; parseTrain refuses both.
  if (file === undefined || given.has('resume') || given.has('help')) return { args };
  const { config, changes } = readConfigFile(file);
  const own = flagsOf(config);
  checkSaid(file, config, own);
  for (const name of [...own.keys()]) if (isReplaced(name, given, config)) own.delete(name);
  const { plan } = config;
  return {
    args: [...own, ...given]
      .filter(([name]) => name !== 'config')
      .map(([name, value]) => (value === '' ? `--${name}` : `--${name}=${value}`)),
    ...(typeof plan === 'object' && !('file' in plan) && !given.has('plan') && { plan }),
    ...(changes > 0 && {
      note: `The run in ${file} was changed ${changes} times while it went on; this repeats it without that.`,
    }),
  };
}

/** Whether a flag of the file goes because of one that was given. */
function isReplaced(name: string, given: ReadonlyMap<string, string>, { data }: TrainConfig): boolean {
  if (given.has(name) || given.has(opposite(name))) return true;
  if (name === 'epochs') return given.has('steps');
  if (name === 'steps') return given.has('epochs');
  if (name === 'batch') return given.get('sampling') === 'full';
  if (['samples', 'points', 'noise'].includes(name)) return given.has('data');
  // Another place of the same table is read alike.
  const table = ['target', 'ignore', 'missing', 'delimiter', 'decimal'].includes(name);
  if (table && data.kind === 'csv') return given.has('data') && !given.get('data')!.startsWith('csv:');
  return given.has('optimizer') && hyperFlags().has(name);
}

const noRun = (file: string, why: string, cause?: unknown) =>
  new DownhillError(
    'DATA-FORMAT',
    `${file} is not the configuration of a run: ${why}.`,
    'Name a run.json that the page exported, or the config.json of a run’s folder.',
    cause,
  );

function readConfigFile(file: string): { readonly config: TrainConfig; readonly changes: number } {
  let whole: { readonly config?: unknown; readonly changes?: unknown } | null;
  try {
    whole = JSON.parse(readPlainText(file, MOST_BYTES));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw noRun(file, message, error);
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${file} cannot be read: ${message}.`,
      'Name a file that is there and may be read.',
      error,
    );
  }
  if (typeof whole !== 'object' || whole?.config === undefined)
    throw noRun(file, 'it has no “config”; a run of own images has none, as the command line cannot read them');
  const read = v.safeParse(Config, whole.config);
  if (read.success)
    return { config: read.output as TrainConfig, changes: Array.isArray(whole.changes) ? whole.changes.length : 0 };
  const [issue] = read.issues;
  const path = v.getDotPath(issue);
  throw noRun(
    file,
    `config${path === null ? '' : `.${path}`} must be ${issue.message}, got ${show(issue.input).slice(0, 80)}`,
  );
}

/** The flags of a configuration must give it: what they do not say would be lost without a word. */
function checkSaid(file: string, config: TrainConfig, flags: ReadonlyMap<string, string>): void {
  const args = [...flags].map(([name, value]) => (value === '' ? `--${name}` : `--${name}=${value}`));
  const command = parseTrain(args);
  if (command === 'help') return;
  const whole = comparable(config);
  const said = comparable(command.config);
  const lost = [...new Set([...Object.keys(whole), ...Object.keys(said)])].find(
    (key) => !isDeepStrictEqual(whole[key], said[key]),
  );
  if (lost !== undefined)
    throw noRun(file, `config.${lost} says ${show(whole[lost]).slice(0, 80)}, which no flag of this version gives`);
}

/** Without what is a matter of this machine, and of what no flag says. */
function comparable({ data, plan: _, planBudgetMs: __, ...rest }: TrainConfig): Record<string, unknown> {
  return JSON.parse(JSON.stringify({ ...rest, data: data.kind }));
}
