/** The flags of `downhill search`: those of a training, which every trial has, and its own. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { integer } from '../../src/fields.js';
import { checkChoice, checkInteger, DownhillError, type Field, MAX_SEED } from '../../src/index.js';
import { readPlainText } from '../../src/node/index.js';
import { gridOf, type MethodName, methods, parseSpace, type Space, TRAINING_METRICS } from '../../src/search/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { explain, kebab, readSetting, toNumber } from '../common/settings.js';
import { knownFlags, FLAGS as TRAIN, valueName } from '../train/options.js';
import { baseOf, checkParameters, type SearchSpec, SPEC_FORMAT, type TrainFlags } from './spec.js';

export interface SearchCommand {
  readonly spec: SearchSpec;
  /** As given; undefined for a new folder under runs/. */
  readonly out: string | undefined;
  /** Goes on with the search in this folder. */
  readonly resume: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

const METHODS = Object.keys(methods) as MethodName[];
const TRIALS = integer('sets of parameters to try', 32, { min: 1, max: 100_000 });
const SEEDS = integer('seeds that each is trained with; its value is their mean', 1, { min: 1, max: 100 });

/** Options of the methods, by flag. */
function methodFlags() {
  const flags = new Map<
    string,
    { readonly key: string; readonly uses: { readonly method: MethodName; readonly field: Field }[] }
  >();
  for (const name of METHODS) {
    for (const [key, field] of Object.entries(methods[name].row.fields)) {
      const flag = kebab(key);
      const known = flags.get(flag) ?? { key, uses: [] };
      known.uses.push({ method: name, field });
      flags.set(flag, known);
    }
  }
  return flags;
}

/** Several methods have an option in one way, with defaults of their own. */
function methodHelp(): Flags {
  return Object.fromEntries(
    [...methodFlags()].map(([flag, { uses }]) => {
      const { field } = uses[0]!;
      const defaults = uses.map(({ method, field }) => `${method} ${field.default}`).join(', ');
      return [flag, { value: valueName(field), help: explain(field), default: defaults }];
    }),
  );
}

export const FLAGS: Readonly<Record<string, Flags>> = {
  search: {
    space: {
      value: 'SPACE',
      help:
        'what is searched: a file of JSON, or lr=log:1e-5..1,momentum=0..0.99 (A..B evenly; log:, int:, intlog: before it; /S for steps; A|B|C ' +
        'for a choice). Names are flags of a training, or width and depth of the hidden layers',
    },
    method: {
      value: 'NAME',
      help: METHODS.map((name) => `${name} (${methods[name].row.title})`).join(', '),
      default: 'halving',
    },
    trials: { value: 'N', help: explain(TRIALS), default: String(TRIALS.default) },
    seeds: { value: 'N', help: explain(SEEDS), default: String(SEEDS.default) },
    seed: { value: 'N', help: 'seed of the draws', default: '0' },
    metric: {
      value: 'NAME',
      help: `of the validation part, to compare by: ${TRAINING_METRICS.join(', ')}`,
      default: 'loss',
    },
  },
  methods: methodHelp(),
  output: {
    out: { value: 'DIR', help: 'folder of the search', default: 'runs/<time>-search' },
    resume: {
      value: 'DIR',
      help: 'goes on with the search in DIR, wherever it ended, to the result it would have had',
    },
    force: { help: 'overwrite the search that is in --out' },
    json: { help: 'JSON lines on stdout instead of text, one per event' },
    ...HELP,
  },
};
const OWN: Flags = Object.assign({}, ...Object.values(FLAGS));

/** Flags of a training that trials do not take. */
const LEFT_OUT = [
  ...Object.keys(TRAIN.checkpoints!),
  ...Object.keys(TRAIN.output!),
  ...['seed', 'in', 'validate-every', 'patience', 'stop-metric'],
];

/** Flags of a training that every trial has. */
export const trainFlags = (): Flags =>
  Object.fromEntries(Object.entries(knownFlags()).filter(([name]) => !LEFT_OUT.includes(name)));

export function searchHelp(): string {
  const what =
    'Trains many networks with other hyper-parameters each, and tells which are best. All flags of train that say what is trained ' +
    'hold for every trial; 20 % of the training part are held out to judge them, unless --validation says otherwise. Ctrl+C keeps ' +
    'everything; --resume goes on.';
  const shared = { network: TRAIN.network!, data: TRAIN.data! };
  const lines = ['npx downhill search --space SPACE [flags]', '', ...wrap(what, 2)];
  for (const [heading, flags] of Object.entries({ ...FLAGS, ...shared })) lines.push('', heading, ...flagHelp(flags));
  return [
    ...lines,
    '',
    ...wrap(
      'And --optimizer, --batch, --steps, --epochs, --schedule and so on, with all hyper-parameters: see downhill train --help.',
      2,
    ),
    '',
    'examples',
    "  npx downhill search --space 'lr=log:1e-4..1,momentum=0..0.99' --optimizer sgd --trials 64 --steps 512",
    "  npx downhill search --space 'lr=log:1e-4..1,batch=16|64|256' --method grid --points 5",
    '  npx downhill search --space space.json --method coarse-to-fine --seeds 3 --out runs/lr',
    '  npx downhill search --resume runs/lr',
    '',
  ].join('\n');
}

/**
 * Reads and checks the flags, and the file of the space; touches no GPU.
 *
 * @throws DownhillError OPTION-*, HYPER-*, RULE-UNKNOWN, SHAPE-INVALID, DATA-*
 */
export function parseSearch(args: readonly string[]): SearchCommand | 'help' {
  const { flags: given } = readFlags('search', args, { ...trainFlags(), ...OWN });
  if (given.has('help')) return 'help';
  const output = { out: given.get('out'), force: given.has('force'), json: given.has('json') };
  const resume = given.get('resume');
  if (resume !== undefined) {
    const other = [...given.keys()].find((name) => !['resume', 'json'].includes(name));
    if (other === undefined) return { spec: readSpec(resume), ...output, resume };
    throw wrong(
      `--resume goes on with the search as it was begun; --${other} is for a new one.`,
      `Leave out --${other}.`,
    );
  }
  const train: TrainFlags = Object.fromEntries(
    [...given]
      .filter(([name]) => !Object.hasOwn(OWN, name))
      .map(([name, value]) => [name, name === 'data' ? absolute(value) : value]),
  );
  const space = readSpace(given.get('space'));
  checkParameters(space, train);
  const name = checkChoice('--method', given.get('method') ?? 'halving', METHODS);
  const options = readMethod(given, name);
  methods[name](options);
  const setting = (flag: string, field: typeof TRIALS) =>
    readSetting(`--${flag}`, field, given.get(flag) ?? String(field.default));
  const seeds = setting('seeds', SEEDS);
  const spec: SearchSpec = {
    ...{ format: SPEC_FORMAT, train, space, method: { name, options } },
    trials:
      given.has('trials') || options.points === undefined
        ? setting('trials', TRIALS)
        : gridSize(space, options.points as number),
    seeds: Array.from({ length: seeds }, (_, i) => i),
    seed: checkInteger('--seed', toNumber(given.get('seed') ?? '0'), 0, MAX_SEED),
    metric: checkChoice('--metric', given.get('metric') ?? 'loss', TRAINING_METRICS),
  };
  checkTraining(spec);
  return { spec, ...output, resume: undefined };
}

/** As many trials as --points says, where --trials does not. */
const gridSize = (space: Space, points: number): number =>
  Object.values(space).reduce((product, each) => product * gridOf(each, points).length, 1);

function checkTraining({ train, method }: SearchSpec): void {
  const { config } = baseOf(train);
  if (methods[method.name].row.copies && config.schedule)
    throw wrong(
      `${method.name} makes a schedule of its own, but there is --schedule.`,
      'Leave out --schedule, or use halving.',
    );
}

const wrong = (what: string, fix: string) => new DownhillError('OPTION-RANGE', what, fix);

/** Data of files by absolute path: a search may be gone on with from another folder. */
function absolute(data: string): string {
  const [, kind, places] = /^(idx|csv|npy):(.+)$/.exec(data) ?? [];
  if (!kind) return data;
  return `${kind}:${kind === 'npy' ? places!.split(',').map((each) => resolve(each)) : resolve(places!)}`;
}

/** @throws DownhillError */
function readSpace(text: string | undefined): Space {
  if (text === undefined) throw wrong('search needs to know what to search.', "Add --space 'lr=log:1e-5..1'.");
  if (text.includes('=') && !existsSync(text)) return parseSpace(text);
  if (text.trim().startsWith('{')) return parseSpace(text);
  try {
    return parseSpace(readPlainText(text));
  } catch (cause) {
    if (cause instanceof DownhillError) throw cause;
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The file of the space, '${text}', cannot be read: ${(cause as Error).message}.`,
      "Name a file of JSON, or write --space 'lr=log:1e-5..1'.",
      cause,
    );
  }
}

function readMethod(given: ReadonlyMap<string, string>, method: MethodName): Record<string, number | boolean> {
  const options: Record<string, number | boolean> = {};
  for (const [flag, { key, uses }] of methodFlags()) {
    const value = given.get(flag);
    if (value === undefined) continue;
    const use = uses.find((each) => each.method === method);
    if (!use) {
      const owners = uses.map((each) => each.method);
      throw wrong(
        `--${flag} is for ${owners.join(', ')}, not for ${method}.`,
        `Leave out --${flag}, or use --method ${owners[0]}.`,
      );
    }
    options[key] = use.field.kind === 'flag' ? true : (readSetting(`--${flag}`, use.field, value) as number);
  }
  return options;
}

export const SPEC_FILE = 'search.json';

/** What a folder has of the search in it. @throws DownhillError */
export function readSpec(folder: string): SearchSpec {
  const file = join(folder, SPEC_FILE);
  let text: string;
  try {
    text = readPlainText(file);
  } catch (cause) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `There is no search in ${folder}: ${SPEC_FILE} cannot be read.`,
      'Name the folder that a search was begun in.',
      cause,
    );
  }
  try {
    const spec = JSON.parse(text) as SearchSpec;
    if (spec?.format === SPEC_FORMAT) return spec;
  } catch {}
  throw new DownhillError('CHECKPOINT-CORRUPT', `${file} is not what a search has written.`, 'Begin the search anew.');
}
