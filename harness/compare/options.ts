/** The flags of `downhill compare`: what they are called, what they mean, and what they ask for. */
import { checkInteger, DownhillError, suggest } from '../../src/index.js';
import { entry, type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { toNumber } from '../common/settings.js';
import type { TrainConfig } from '../train/config.js';
import { parseTrain, FLAGS as TRAIN, type TrainCommand } from '../train/options.js';
import type { Amounts, Chapter, Experiment } from './chapter.js';
import { CHAPTERS } from './chapters/index.js';

export interface CompareCommand {
  readonly chapter: Chapter;
  readonly experiment: Experiment;
  readonly amounts: Amounts;
  /** As a training would have it: data, scale, and where it runs. */
  readonly config: TrainConfig;
  readonly open: TrainCommand['open'];
  readonly log: boolean | undefined;
  readonly quick: boolean;
  readonly out: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
  /** The chapter's flags as they were given. */
  readonly own: Readonly<Record<string, string>>;
}

const DATA = ['data', 'samples', 'points', 'noise', 'scale'] as const;
/** Flags of a training that mean the same here. */
const SHARED = [...DATA, 'in'] as const;

export const FLAGS: Readonly<Record<string, Flags>> = {
  amount: {
    images: {
      value: 'N',
      help: 'images to train on, the first ones of the training part',
      default: "the chapter's, or all",
    },
    iterations: { value: 'N', help: 'steps of each run', default: "the chapter's" },
    seeds: { value: 'N', help: 'runs that differ in their seed alone: median and band', default: "the chapter's" },
    quick: { help: 'a small version, to see whether it works' },
  },
  data: Object.fromEntries(DATA.map((name) => [name, TRAIN.data![name]!])),
  output: {
    in: TRAIN.training!.in!,
    log: { help: 'losses on a logarithmic axis, or not', default: 'as the chapter does', reversible: true },
    out: { value: 'DIR', help: 'folder of the pictures and the numbers', default: 'runs/<time>-NAME' },
    force: { help: 'overwrite what is in --out' },
    json: { help: 'one JSON object on stdout instead of text' },
    ...HELP,
  },
};

const common: Flags = Object.assign({}, ...Object.values(FLAGS));

export function compareHelp(chapter?: Chapter): string {
  const own = chapter?.flags ? { [`of ${chapter.name}`]: chapter.flags } : {};
  const lines = [
    `npx downhill compare ${chapter?.name ?? 'NAME'} [flags]`,
    '',
    ...wrap(
      'Reproduces a chapter of the lecture: trains side by side, draws the picture, and says which claims hold.',
      2,
    ),
    '',
    ...(chapter
      ? [chapter.title, ...wrap(chapter.claim, 2)]
      : [
          'chapters',
          ...CHAPTERS.flatMap(({ name, title }) => entry(name, title)),
          ...entry(ALL, 'every one in turn, each in a folder of its own'),
        ]),
  ];
  for (const [heading, flags] of Object.entries({ ...own, ...FLAGS })) lines.push('', heading, ...flagHelp(flags));
  return [
    ...lines,
    '',
    'examples',
    ...(chapter
      ? [
          `  npx downhill compare ${chapter.name} --quick`,
          `  npx downhill compare ${chapter.name} --data mnist --seeds 5`,
        ]
      : [
          '  npx downhill compare batching --quick',
          '  npx downhill compare optimizers --data mnist --optimizers sgd,adam,lion --seeds 5',
          '  npx downhill compare all --quick',
          '  npx downhill compare schedules --help',
        ]),
    '',
  ].join('\n');
}

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @throws DownhillError COMMAND-UNKNOWN for a chapter that there is not, OPTION-*
 */
export function parseCompare(args: readonly string[]): CompareCommand | { readonly help: Chapter | undefined } {
  const [name, ...rest] = args;
  if (name === undefined || name.startsWith('-')) {
    if (readFlags('compare', args, common).flags.has('help')) return { help: undefined };
    throw new DownhillError('COMMAND-UNKNOWN', 'compare needs the name of a chapter.', `Write one of ${listed()}.`);
  }
  const chapter = CHAPTERS.find((each) => each.name === name);
  if (!chapter) {
    const near = suggest(
      name,
      CHAPTERS.map((each) => each.name),
    );
    throw new DownhillError(
      'COMMAND-UNKNOWN',
      `There is no chapter '${name}'.`,
      near.startsWith('Did') ? near : `Write one of ${listed()}.`,
    );
  }
  checkOwn(chapter, rest);
  const { flags: given } = readFlags(`compare ${name}`, rest, { ...chapter.flags, ...common });
  if (given.has('help')) return { help: chapter };
  const quick = given.has('quick');
  const usual = quick ? chapter.quick : chapter.usual;
  const amount = (of: keyof Amounts, least: number, most?: number) =>
    given.has(of) ? checkInteger(`--${of}`, toNumber(given.get(of)!), least, most) : usual[of];
  const amounts = { images: amount('images', 2), iterations: amount('iterations', 2), seeds: amount('seeds', 1, 100) };
  const experiment = chapter.plan(given, amounts, quick);
  if (experiment.withoutData) checkWithout(chapter, given);
  const data = SHARED.flatMap((flag) => (given.has(flag) ? [`--${flag}`, given.get(flag)!] : []));
  if (!given.has('scale') && chapter.scale) data.push('--scale', chapter.scale);
  const { config } = parseTrain([...data, '--sampling', 'full', '--steps', '1']) as TrainCommand;
  return {
    // The network is the chapter's: as wide as the data wants it.
    ...{ chapter, experiment, amounts, config, open: { sizes: true, loss: true }, quick },
    log: given.has('log') ? true : given.has('no-log') ? false : undefined,
    out: given.get('out'),
    force: given.has('force'),
    json: given.has('json'),
    own: Object.fromEntries([...given].filter(([flag]) => chapter.flags && flag in chapter.flags)),
  };
}

/** The name that stands for every chapter in turn. */
export const ALL = 'all';

/**
 * The command line of every chapter, of one for all of them: without what says nothing to it, and each in a folder of its own.
 *
 * @throws DownhillError OPTION-*
 */
export function parseAll(args: readonly string[], folder: string): readonly CompareCommand[] | 'help' {
  const { flags: given } = readFlags(`compare ${ALL}`, args, common);
  if (given.has('help')) return 'help';
  const of = (chapter: Chapter) => {
    const { withoutData } = chapter.plan(new Map(), chapter.quick, true);
    const skipped = ['out', ...(withoutData ? WITHOUT : [])];
    const flags = [...given].filter(([name]) => !skipped.includes(name));
    const words = flags.flatMap(([name, value]) => (value === '' ? [`--${name}`] : [`--${name}`, value]));
    return parseCompare([chapter.name, ...words, '--out', `${given.get('out') ?? folder}/${chapter.name}`]);
  };
  return CHAPTERS.map((chapter) => of(chapter) as CompareCommand);
}

const listed = () => [...CHAPTERS.map(({ name }) => name), ALL].join(', ');

/** Flags that say nothing to a chapter without data. */
const WITHOUT = [...DATA, 'images', 'seeds'];

/** An analytic function has no images. @throws DownhillError OPTION-UNKNOWN */
function checkWithout({ name }: Chapter, given: ReadonlyMap<string, string>): void {
  const flag = WITHOUT.find((each) => given.has(each));
  if (flag === undefined) return;
  throw new DownhillError(
    'OPTION-UNKNOWN',
    `--${flag} says nothing to ${name}: it minimizes an analytic function, without images and without chance.`,
    'Leave it out.',
  );
}

/** A flag of another chapter is told as such. @throws DownhillError OPTION-UNKNOWN */
function checkOwn(chapter: Chapter, args: readonly string[]): void {
  const known = { ...chapter.flags, ...common };
  for (const arg of args) {
    const flag = /^--([^=]+)/.exec(arg)?.[1];
    if (flag === undefined || Object.hasOwn(known, flag)) continue;
    const others = CHAPTERS.filter(({ flags }) => flags && Object.hasOwn(flags, flag)).map(({ name }) => name);
    if (others.length === 0) continue;
    throw new DownhillError(
      'OPTION-UNKNOWN',
      `--${flag} is a flag of ${others.join(', ')}, not of ${chapter.name}.`,
      `Leave it out, or see downhill compare ${chapter.name} --help.`,
    );
  }
}
