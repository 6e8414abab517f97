/** The flags of `downhill bench`. */
import { checkInteger, DownhillError, suggest } from '../../src/index.js';
import { entry, type Flags, flagHelp, HELP, readFlags } from '../common/flags.js';
import { toNumber } from '../common/settings.js';
import { BYTES_HELP } from './bytes.js';
import type { BenchConfig, Place } from './contract.js';
import { PEERS } from './peers.js';
import { SCENARIOS } from './scenarios/index.js';
import { STARTUP_HELP } from './startup.js';

export interface BenchCommand {
  readonly config: BenchConfig;
  readonly places: readonly Place[];
  /** As given; undefined for a new folder under runs/. */
  readonly out: string | undefined;
  readonly compare: string | undefined;
  readonly connect: string | undefined;
  readonly json: boolean;
  /** Serve the page for a person's own browser, and measure nothing. */
  readonly page: boolean;
}

/** Every scenario and its line of help, in the order they run. */
export const SCENARIO_HELP: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.values(SCENARIOS).map(({ name, help }) => [name, help])),
  startup: STARTUP_HELP,
  bytes: BYTES_HELP,
};

/** Of a full run: enough that the median is no single session's. */
const SESSIONS = 3;

const PLACES: readonly Place[] = ['node', 'chrome'];

const FLAGS: Flags = {
  in: { value: 'PLACE', help: 'node, chrome, or node,chrome for both', default: 'node' },
  peers: { value: 'NAMES', help: 'all, none, or names with commas between', default: 'all' },
  quick: {
    help: 'fewer sizes and shorter samples, one session: about four minutes instead of an hour and a half',
  },
  out: { value: 'DIR', help: 'folder of the report', default: 'a new one under runs/' },
  compare: { value: 'FILE', help: 'a report.json of before: says what became slower or faster, and how sure that is' },
  connect: { value: 'URL', help: 'ws://… of a browser that Playwright serves elsewhere, instead of a Chrome here' },
  page: { help: 'measure nothing, but serve the page that measures in your own browser' },
  json: { help: 'the report on stdout instead of tables' },
  seed: { value: 'N', help: 'of weights and inputs', default: '0' },
  slow: {
    value: 'PERCENT',
    help: 'makes downhill do so much more work: a test of the harness, not of anything else',
    default: '0',
  },
  ...HELP,
};

export function benchHelp(): string {
  return [
    'npx downhill bench [scenario…] [case…] [flags]',
    '',
    "  Measures downhill's kernels and trainer beside other libraries, in Node or in a headless Chrome.",
    '  Leaves report.json, report.md and charts in a folder of its own. How: docs/benchmarks.md',
    '',
    'scenarios [all]',
    ...Object.entries(SCENARIO_HELP).flatMap(([name, help]) => entry(name, help)),
    '',
    '  A single case is named as in the tables: step/wide-1024-sgd, update/adam-4e6, gemm/square-1024-forward.',
    '',
    'peers [all]',
    ...Object.values(PEERS).flatMap(({ name, title }) => entry(name, title)),
    '',
    'flags',
    ...flagHelp(FLAGS),
    '',
  ].join('\n');
}

/**
 * @returns 'help' where that was asked for
 * @throws DownhillError OPTION-* for flags, scenarios and peers that there are not
 */
export function parseBench(args: readonly string[]): BenchCommand | 'help' {
  const { flags, words } = readFlags('bench', args, FLAGS, true);
  if (flags.has('help')) return 'help';
  const text = (name: string) => flags.get(name) ?? FLAGS[name]!.default!;
  const integer = (name: string, max: number) => checkInteger(`--${name}`, toNumber(text(name)), 0, max);
  const [scenarios, peers] = [Object.keys(SCENARIO_HELP), Object.keys(PEERS)];
  const places = pick('place', listOf(text('in')), PLACES);
  const quick = flags.has('quick');
  const cases = words.filter((word) => word.includes('/'));
  const named = words.filter((word) => !word.includes('/')).concat(cases.map((id) => id.split('/')[0]!));
  const connect = readConnect(flags.get('connect'), flags.has('in') ? places : undefined);
  return {
    config: {
      scenarios: words.length === 0 ? scenarios : pick('scenario', named, scenarios),
      ...(cases.length > 0 && { cases: pickCases(cases) }),
      peers: { all: peers, none: [] }[text('peers')] ?? pick('peer', listOf(text('peers')), peers),
      quick,
      seed: integer('seed', 2 ** 31),
      sessions: quick ? 1 : SESSIONS,
      slow: integer('slow', 1000),
    },
    places: connect ? ['chrome'] : places,
    out: flags.get('out'),
    compare: flags.get('compare'),
    connect,
    json: flags.has('json'),
    page: flags.has('page'),
  };
}

/** Of every case of a full run; `startup` and `bytes` have none to choose from. */
function pickCases(ids: readonly string[]): readonly string[] {
  const known = Object.values(SCENARIOS).flatMap(({ cases }) => cases({ quick: false }).map(({ id }) => id));
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown === undefined) return known.filter((id) => ids.includes(id));
  const alike = known.filter((id) => id.startsWith(`${unknown.split('/')[0]}/`));
  throw new DownhillError(
    'OPTION-UNKNOWN',
    `There is no case '${unknown}'.`,
    suggest(unknown, alike.length > 0 ? alike : known),
  );
}

/** The chosen of `known`, in their own order, each once. */
function pick<T extends string>(what: string, names: readonly string[], known: readonly T[]): readonly T[] {
  const unknown = names.find((name) => !known.some((each) => each === name));
  if (unknown === undefined) return known.filter((name) => names.includes(name));
  const near = suggest(unknown, known);
  throw new DownhillError(
    'OPTION-UNKNOWN',
    `There is no ${what} '${unknown}'. There are: ${known.join(', ')}.`,
    near.startsWith('Did') ? near : `Choose among these ${what}s.`,
  );
}

const listOf = (text: string): string[] => text.split(',').map((name) => name.trim());

function readConnect(address: string | undefined, places: readonly Place[] | undefined): string | undefined {
  if (address === undefined) return undefined;
  if (!/^wss?:\/\/[^/]/.test(address)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `--connect must be the ws:// address of a browser, got '${address}'.`,
      'Write --connect ws://host:port/path, as `npx playwright-core launch-server` prints it.',
    );
  }
  if (places?.includes('node')) {
    throw new DownhillError('OPTION-RANGE', '--connect is for --in chrome.', 'Leave out --in, or the one of the two.');
  }
  return address;
}
