/** The flags of `downhill loss-plane`. */
import { integer, number } from '../../src/fields.js';
import { checkChoice, DownhillError } from '../../src/index.js';
import type { PlaneKind } from '../../src/landscape/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { explain, readSetting } from '../common/settings.js';
import { configOf } from '../train/checkpoints.js';
import type { TrainConfig } from '../train/config.js';
import { knownFlags, parseTrain, FLAGS as TRAIN, type TrainCommand } from '../train/options.js';

export interface PlaneCommand extends Pick<TrainCommand, 'open' | 'json' | 'force' | 'out'> {
  /** What is trained, or was. */
  readonly config: TrainConfig;
  /** The folder of a run whose weights are taken; undefined to train now. */
  readonly run: string | undefined;
  readonly planes: readonly PlaneKind[];
  /** Points along each axis; undefined for the library's default, as are the next three. */
  readonly grid: number | undefined;
  readonly range: number | undefined;
  readonly samples: number | undefined;
  readonly every: number | undefined;
  /** Seed of the random directions. */
  readonly directions: number;
}

const PLANES: readonly PlaneKind[] = ['random', 'pca', 'line'];

const FIELDS = {
  grid: integer('points along each axis', 25, { min: 2, max: 512 }),
  range: number('what the random plane covers: from -X to X', 1, { above: 0 }),
  evaluate: integer('samples of the training part evaluated at every point', 1000, { min: 1 }),
  every: integer('steps from one snapshot of the path to the next', 10, { min: 1 }),
  directions: integer('seed of the random directions', 0, { min: 0 }),
};

const ownFlag = (name: keyof typeof FIELDS, value: string) => ({
  [name]: { value, help: explain(FIELDS[name]), default: String(FIELDS[name].default) },
});

const OWN: Flags = {
  run: {
    value: 'DIR',
    help: 'a run of train: its weights, and its checkpoints as the path; without it, one is trained now',
  },
  planes: {
    value: 'NAMES',
    help:
      'random (filter-normalised directions), pca (principal components of the path of the training), line (from where it ' +
      'started to where it ended)',
    default: PLANES.join(','),
  },
  ...ownFlag('grid', 'N'),
  ...ownFlag('range', 'X'),
  ...ownFlag('evaluate', 'N'),
  ...ownFlag('every', 'N'),
  ...ownFlag('directions', 'N'),
};

const OUTPUT: Flags = {
  out: { value: 'DIR', help: 'folder of a picture and the numbers of each plane', default: 'runs/<time>-loss-plane' },
  force: { help: 'overwrite what is in --out' },
  json: { help: 'one JSON object on stdout instead of text' },
  ...HELP,
};

const SHARED = { network: TRAIN.network!, data: TRAIN.data!, training: TRAIN.training! };

export function planeHelp(): string {
  const what =
    'Trains a network, or takes one that train left, and draws the loss round its weights: on planes through them, with the way ' +
    'that the training took, and along the line from its start. Flags of train say what is trained.';
  const lines = ['npx downhill loss-plane [flags]', '', ...wrap(what, 2)];
  for (const [heading, flags] of Object.entries({ planes: OWN, output: OUTPUT, ...SHARED }))
    lines.push('', heading, ...flagHelp(flags));
  const examples = [
    'npx downhill loss-plane --epochs 2',
    'npx downhill loss-plane --optimizer sgd --lr 0.1 --planes pca --grid 51',
    'npx downhill train --save-every 50 --keep 100 --out runs/mine',
    'npx downhill loss-plane --run runs/mine',
  ];
  return [...lines, '', 'examples', ...examples.map((line) => `  ${line}`), ''].join('\n');
}

/**
 * Reads and checks the flags; touches no GPU, and files only of `--run`.
 *
 * @throws DownhillError OPTION-*, HYPER-*, RULE-UNKNOWN, SHAPE-INVALID; DATA-* where there is no run
 */
export function parsePlane(args: readonly string[]): PlaneCommand | 'help' {
  const rest = Object.keys({ ...TRAIN.checkpoints, ...TRAIN.output, ...TRAIN.validation, in: 0, profile: 0 });
  const known = Object.fromEntries(Object.entries(knownFlags()).filter(([name]) => !rest.includes(name)));
  const own = { ...OWN, ...OUTPUT };
  const { flags: given } = readFlags('loss-plane', args, { ...known, ...own });
  if (given.has('help')) return 'help';
  const trained = [...given].filter(([name]) => !Object.hasOwn(own, name));
  const run = given.get('run');
  const setting = <K extends keyof typeof FIELDS>(name: K) =>
    given.has(name) ? readSetting(`--${name}`, FIELDS[name], given.get(name)!) : undefined;
  const planes = (given.get('planes') ?? OWN.planes!.default!)
    .split(',')
    .map((each) => checkChoice('--planes', each.trim(), PLANES));
  const stray = trained[0]?.[0] ?? (given.has('every') ? 'every' : undefined);
  if (run !== undefined && stray !== undefined) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The run in ${run} is trained already; --${stray} is for one that is trained now.`,
      `Leave out --${stray}, or --run.`,
    );
  }
  const command = parseTrain(
    run === undefined
      ? trained.flatMap(([name, value]) => [`--${name}`, ...(value === '' ? [] : [value])])
      : ['--resume', run],
  ) as TrainCommand;
  return {
    config: configOf(command),
    open: command.open,
    run,
    planes: [...new Set(planes)],
    grid: setting('grid'),
    range: setting('range'),
    samples: setting('evaluate'),
    every: setting('every'),
    directions: setting('directions') ?? FIELDS.directions.default,
    out: given.get('out'),
    force: given.has('force'),
    json: given.has('json'),
  };
}
