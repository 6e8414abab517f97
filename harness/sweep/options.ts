/** The flags of `downhill sweep`, read and checked before anything runs. */
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { checkChoice, checkInteger, DownhillError, suggest } from '../../src/index.js';
import { entry, type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { defaultFolder } from '../common/output.js';
import { toNumber } from '../common/settings.js';
import { parseSearch } from '../search/options.js';
import type { SearchSpec } from '../search/spec.js';
import { PASSWORD, type RedisPlace } from './redis/connect.js';
import { checkName } from './spec.js';

export const ACTIONS = ['add', 'work', 'status', 'cancel', 'results', 'child'] as const;
export type Action = (typeof ACTIONS)[number];

/** Where a sweep is: in a folder of this machine, or in Redis by its name. */
export type Place = { readonly folder: string } | { readonly redis: RedisPlace; readonly name: string | undefined };

/** Where a worker's child trains. */
export interface WhereTo {
  readonly place: 'node' | 'chrome';
  /** Address of a browser elsewhere. */
  readonly connect: string | undefined;
}

export type SweepCommand =
  | {
      readonly action: 'add';
      readonly search: SearchSpec;
      readonly name: string;
      readonly place: Place;
      readonly pack: number;
      readonly parallel: number;
      /** Undefined for a tenth of the steps. */
      readonly every: number | undefined;
      readonly json: boolean;
    }
  | {
      readonly action: 'work';
      readonly place: Place;
      readonly workers: number;
      readonly checkpoints: string | undefined;
      /** Milliseconds. */
      readonly lock: number | undefined;
      readonly where: WhereTo;
      readonly json: boolean;
    }
  | { readonly action: 'status'; readonly place: Place; readonly json: boolean }
  | { readonly action: 'cancel'; readonly place: Place; readonly trials: readonly number[]; readonly json: boolean }
  | { readonly action: 'results'; readonly place: Place; readonly out: string | undefined; readonly json: boolean }
  | { readonly action: 'child'; readonly where: WhereTo };

const REDIS: Flags = {
  redis: {
    value: 'URL',
    help: `the queue: redis://HOST:PORT, or rediss:// for TLS; its password may be in ${PASSWORD}`,
    default: 'a folder, no queue',
  },
  ca: { value: 'FILE', help: 'certificate of the authority that signed the one of Redis' },
  name: { value: 'NAME', help: 'of the sweep in Redis', default: 'the only one there' },
};
const WHERE: Flags = {
  in: { value: 'PLACE', help: 'node, or chrome: in a headless browser', default: 'node' },
  connect: { value: 'URL', help: 'ws://… of a browser that Playwright serves elsewhere, instead of a Chrome here' },
};
const JSON_LINES: Flags = { json: { help: 'JSON lines on stdout instead of text' } };

const SHARED: Flags = { ...REDIS, ...JSON_LINES };

export const FLAGS: Readonly<Record<Exclude<Action, 'child'>, Flags>> = {
  add: {
    ...REDIS,
    out: { value: 'DIR', help: 'folder of the sweep, without --redis', default: 'runs/<time>-sweep' },
    pack: { value: 'N', help: 'trials of one network shape that are one job, and train together', default: '8' },
    parallel: { value: 'N', help: 'tasks at once that asha decides by, however many workers there are', default: '8' },
    every: {
      value: 'N',
      help: 'steps between two checkpoints of a trial, which are a second apart at least',
      default: 'a tenth of its steps',
    },
    ...JSON_LINES,
  },
  work: {
    ...REDIS,
    workers: {
      value: 'N',
      help: 'children on this machine, without --redis',
      default: 'half of the cores, one at least',
    },
    checkpoints: {
      value: 'DIR',
      help: 'folder of the checkpoints, with --redis; one that the machines share lets a trial go on elsewhere',
      default: 'runs/checkpoints',
    },
    lock: {
      value: 'S',
      help: 'with --redis: a job is for another worker when this one was not heard of for so many seconds',
      default: '30',
    },
    ...WHERE,
    ...JSON_LINES,
  },
  status: { ...REDIS, ...JSON_LINES },
  cancel: { ...REDIS, trial: { value: 'N,N', help: 'only these trials', default: 'the whole sweep' }, ...JSON_LINES },
  results: {
    ...REDIS,
    out: { value: 'DIR', help: 'folder of the results', default: 'results in the folder of the sweep; runs/NAME' },
    ...JSON_LINES,
  },
};

const WHAT: Readonly<Record<Exclude<Action, 'child'>, string>> = {
  add: 'puts a search in place for workers: SPACE.json and all flags of downhill search',
  work: 'runs its trials; Ctrl+C keeps checkpoints, and the next worker goes on',
  status: 'how far it is',
  cancel: 'ends it, or some of its trials',
  results: 'writes what a search writes: trials.jsonl, best.json, an Optuna journal, pictures',
};

export function sweepHelp(): string {
  const what =
    'A search whose trials are run by workers: on this machine with a folder and nothing else, or on many with Redis 6.2 or later ' +
    '(npm install bullmq@6.7.0 ioredis@6.0.0). What it comes to does not depend on how many workers there are, how fast they ' +
    'are, or how often they die.';
  const lines = ['npx downhill sweep ACTION [flags]', '', ...wrap(what, 2)];
  for (const [action, flags] of Object.entries(FLAGS)) {
    const words = action === 'add' ? 'SPACE.json' : '[DIR]';
    const own = Object.entries(flags).filter(([name]) => !Object.hasOwn(SHARED, name));
    lines.push('', ...entry(`${action} ${words}`, WHAT[action as 'add']), ...flagHelp(Object.fromEntries(own)));
  }
  return [
    ...lines,
    '',
    'with each of them',
    ...flagHelp({ ...SHARED, ...HELP }),
    '',
    'examples',
    '  npx downhill sweep add space.json --optimizer sgd --method asha --trials 64 --steps 512 --out runs/lr',
    '  npx downhill sweep work runs/lr --workers 2',
    '  npx downhill sweep add space.json --redis rediss://sweep@queue.example:6379 --name lr --trials 1000 --steps 512',
    '  npx downhill sweep work --redis rediss://sweep@queue.example:6379 --name lr',
    '',
  ].join('\n');
}

const wrong = (what: string, fix: string, code: 'OPTION-RANGE' | 'OPTION-UNKNOWN' = 'OPTION-RANGE') =>
  new DownhillError(code, what, fix);

/** @throws DownhillError OPTION-*, and as `parseSearch` */
export function parseSweep(args: readonly string[]): SweepCommand | 'help' {
  const [action, ...rest] = args;
  if (args.some((each) => each === '--help' || each === '-h') || action === 'help') return 'help';
  if (action === undefined || !ACTIONS.includes(action as Action)) {
    const fix = action === undefined ? 'See downhill sweep --help.' : suggest(action, ACTIONS.slice(0, -1));
    throw wrong(
      action === undefined ? 'sweep needs to know what to do.' : `sweep cannot do '${action}'.`,
      fix,
      'OPTION-UNKNOWN',
    );
  }
  if (action === 'child') return { action, where: whereTo(readFlags('sweep child', rest, WHERE).flags) };
  return action === 'add' ? parseAdd(rest) : parseOther(action as 'work', rest);
}

/** The flags of a sweep go to it, all others to the search. */
function parseAdd(args: readonly string[]): SweepCommand {
  const own: string[] = [];
  const others: string[] = [];
  let space: string | undefined;
  const valued = (name: string) => FLAGS.add[name]?.value !== undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const name = /^--([\w-]+)/.exec(arg)?.[1];
    const mine = name !== undefined && Object.hasOwn(FLAGS.add, name);
    const words = mine && valued(name) && !arg.includes('=') ? [arg, args[++i] ?? ''] : [arg];
    if (space === undefined && !arg.startsWith('-') && !args[i - 1]?.startsWith('--')) space = arg;
    else (mine ? own : others).push(...words);
  }
  const { flags } = readFlags('sweep add', own, FLAGS.add);
  if (space === undefined)
    throw wrong('sweep add needs the space that is searched.', 'Write downhill sweep add space.json --trials 64.');
  const search = parseSearch(['--space', space, ...others]);
  if (search === 'help') throw wrong('sweep add needs a space.', 'See downhill sweep --help.');
  const place = placeOf(flags, flags.has('redis') ? [] : [flags.get('out') ?? defaultFolder('sweep')], 'add');
  const number = (name: string, usual: number) =>
    checkInteger(`--${name}`, toNumber(flags.get(name) ?? String(usual)), 1);
  return {
    action: 'add',
    search: search.spec,
    name: checkName(flags.get('name') ?? basename('folder' in place ? place.folder : defaultFolder('sweep'))),
    place,
    pack: number('pack', 8),
    parallel: number('parallel', 8),
    every: flags.has('every') ? number('every', 1) : undefined,
    json: flags.has('json'),
  };
}

function parseOther(action: Exclude<Action, 'add' | 'child'>, args: readonly string[]): SweepCommand {
  const { flags, words } = readFlags(`sweep ${action}`, args, FLAGS[action], true);
  const place = placeOf(flags, words, action);
  const json = flags.has('json');
  if (action === 'status') return { action, place, json };
  if (action === 'results') return { action, place, out: flags.get('out'), json };
  if (action === 'cancel') {
    const trials = flags.get('trial')?.split(',') ?? [];
    return { action, place, json, trials: trials.map((each) => checkInteger('--trial', toNumber(each.trim()), 0)) };
  }
  if ('redis' in place && flags.has('workers'))
    throw wrong(
      'With --redis a worker is one process for each device.',
      'Leave out --workers, and start more of them.',
    );
  const queueOnly = ['checkpoints', 'lock'].find((name) => flags.has(name));
  if (!('redis' in place) && queueOnly)
    throw wrong(`--${queueOnly} is for --redis: a sweep in a folder has all of it there.`, `Leave out --${queueOnly}.`);
  const usual = Math.max(1, Math.floor(availableParallelism() / 2));
  const workers = checkInteger('--workers', toNumber(flags.get('workers') ?? String(usual)), 1, 64);
  const seconds = flags.get('lock');
  const lock = seconds === undefined ? undefined : 1000 * checkInteger('--lock', toNumber(seconds), 1, 3600);
  return { action, place, workers, checkpoints: flags.get('checkpoints'), lock, where: whereTo(flags), json };
}

function whereTo(flags: ReadonlyMap<string, string>): WhereTo {
  const connect = flags.get('connect');
  const place = checkChoice('--in', flags.get('in') ?? (connect === undefined ? 'node' : 'chrome'), ['node', 'chrome']);
  if (connect !== undefined && place === 'node')
    throw wrong('--connect is for --in chrome.', 'Leave out --in, or the one of the two.');
  if (connect !== undefined && !/^wss?:\/\/[^/]/.test(connect))
    throw wrong(
      '--connect must be the ws:// address of a browser.',
      'Write --connect ws://host:port/path, as `npx playwright-core launch-server` prints it.',
    );
  return { place, connect };
}

function placeOf(flags: ReadonlyMap<string, string>, words: readonly string[], action: Action): Place {
  const url = flags.get('redis');
  const ca = flags.get('ca');
  if (url !== undefined) {
    if (words.length > 0) throw wrong('A sweep is in a folder or in Redis, not in both.', 'Leave out one of them.');
    const name = flags.get('name');
    return {
      redis: { url, ...(ca !== undefined && { ca }) },
      name: name === undefined ? undefined : checkName(name),
    };
  }
  if (ca !== undefined) throw wrong('--ca is for --redis.', 'Leave it out.');
  if (action !== 'add' && flags.has('name')) throw wrong('--name is for --redis.', 'Name the folder of the sweep.');
  const [folder] = words;
  if (folder === undefined || words.length > 1)
    throw wrong(
      `sweep ${action} takes one folder, got ${words.length}.`,
      'Name the folder that sweep add made, or a queue with --redis.',
    );
  return { folder };
}
