/** The flags of `downhill inspect`: what they are called, what they mean, and what they ask for. */
import {
  ACTIVATIONS,
  type Activation,
  checkChoice,
  checkInteger,
  type Gain,
  INITS,
  type Init,
  mlp,
} from '../../src/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { readGain, toNumber } from '../common/settings.js';
import type { TrainConfig } from '../train/config.js';
import { parseTrain, FLAGS as TRAIN, type TrainCommand } from '../train/options.js';

/** One network to look at. */
export interface Start {
  readonly activation: Activation;
  readonly init: Init;
  /** Absent for the initialisation's own. */
  readonly gain?: Gain;
}

export interface InspectCommand {
  /** As a training of the first of them would have it: data, scale, model, seed. */
  readonly config: TrainConfig;
  readonly open: TrainCommand['open'];
  readonly starts: readonly Start[];
  /** Samples shown; undefined for the library's default. */
  readonly batchSize: number | undefined;
  readonly curvature: boolean;
  /** As given; undefined for a new folder under runs/. */
  readonly out: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

/** More than so many do not fit a picture. */
const MOST = 12;
const DEFAULT_INITS = 'he-normal,xavier-normal,pytorch';

export const FLAGS: Readonly<Record<string, Flags>> = {
  network: {
    model: TRAIN.network!.model!,
    init: { value: 'NAMES', help: `of the weights, one or several: ${INITS.join(', ')}`, default: DEFAULT_INITS },
    activation: {
      value: 'NAMES',
      help: `of the hidden layers, one or several: ${ACTIVATIONS.join(', ')}`,
      default: TRAIN.network!.activation!.default!,
    },
    gain: {
      value: 'X',
      help: 'factor of the weights, one or several: a number, or auto by the activation',
      default: "the init's own",
    },
    norm: TRAIN.network!.norm!,
    dropout: TRAIN.network!.dropout!,
    loss: TRAIN.network!.loss!,
  },
  data: {
    ...TRAIN.data!,
    batch: { value: 'N', help: 'samples shown, in one batch', default: '512, or all' },
    seed: { value: 'N', help: 'seed of the weights and of the samples shown', default: '0' },
  },
  output: {
    curvature: { help: "also the outermost eigenvalues of the loss's Hessian, by 30 products with it (1000 samples)" },
    out: { value: 'DIR', help: 'folder of activations.svg and activations.json', default: 'runs/<time>-inspect' },
    force: { help: 'overwrite what is in --out' },
    json: { help: 'one JSON object on stdout instead of text' },
    ...HELP,
  },
};

const all: Flags = Object.assign({}, ...Object.values(FLAGS));

/** Flags that a training takes the same way. */
const SHARED = [...Object.keys(TRAIN.data!), 'model', 'norm', 'dropout', 'loss', 'seed', 'batch'];

export function inspectHelp(): string {
  const lines = [
    'npx downhill inspect [flags]',
    '',
    ...wrap(
      'Shows a network its first batch before any training, and tells what each layer makes of it: whether the signal ' +
        'vanishes, stays healthy or explodes, and how many units are dead. Each initialisation is a row of the picture.',
      2,
    ),
  ];
  for (const [heading, flags] of Object.entries(FLAGS)) lines.push('', heading, ...flagHelp(flags));
  return [
    ...lines,
    '',
    'examples',
    '  npx downhill inspect --init he-normal,xavier-normal,pytorch',
    '  npx downhill inspect --init he-normal --gain 0.5,1.41,3',
    '  npx downhill inspect --activation relu,tanh,sigmoid --init xavier-normal',
    '  npx downhill inspect --data mnist --batch 1000 --out runs/inits',
    '',
  ].join('\n');
}

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @throws DownhillError OPTION-*, SHAPE-INVALID
 */
export function parseInspect(args: readonly string[]): InspectCommand | 'help' {
  const { flags: given } = readFlags('inspect', args, all);
  if (given.has('help')) return 'help';
  const list = <T extends string>(name: string, choices: readonly T[]) =>
    (given.get(name) ?? all[name]!.default!).split(',').map((each) => checkChoice(`--${name}`, each.trim(), choices));
  const [inits, activations] = [list('init', INITS), list('activation', ACTIVATIONS)];
  const gains = readGains(given.get('gain'));
  const starts = activations.flatMap((activation) =>
    inits.flatMap((init) => gains.map((gain): Start => ({ activation, init, ...(gain !== undefined && { gain }) }))),
  );
  checkInteger('--init times --activation times --gain', starts.length, 1, MOST);
  const shared = SHARED.flatMap((name) => (given.has(name) ? [`--${name}`, given.get(name)!] : []));
  const whole = given.has('batch') ? [] : ['--sampling', 'full'];
  const { config, open } = parseTrain([
    ...shared,
    ...whole,
    '--init',
    inits[0]!,
    '--activation',
    activations[0]!,
  ]) as TrainCommand;
  for (const start of starts) modelOf(config, start);
  return {
    config,
    open,
    starts,
    batchSize: given.has('batch') ? checkInteger('--batch', toNumber(given.get('batch')!), 1) : undefined,
    curvature: given.has('curvature'),
    out: given.get('out'),
    force: given.has('force'),
    json: given.has('json'),
  };
}

/** The network of a start. */
export const modelOf = ({ model }: TrainConfig, start: Start) => mlp({ ...model, ...start });

/** 'he-normal', with its gain where one was given. */
export const startName = ({ init, gain }: Start): string => (gain === undefined ? init : `${init}, gain ${gain}`);

const readGains = (text: string | undefined): (Gain | undefined)[] =>
  text === undefined ? [undefined] : text.split(',').map(readGain);
