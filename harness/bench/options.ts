/** The flags of `downhill bench`. */
import { parseArgs } from 'node:util';
import { checkInteger, DownhillError, suggest } from '../../src/index.js';
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

const OPTIONS = {
  in: { type: 'string' },
  peers: { type: 'string' },
  out: { type: 'string' },
  compare: { type: 'string' },
  connect: { type: 'string' },
  seed: { type: 'string' },
  slow: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  page: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export function benchHelp(): string {
  const list = (entries: readonly (readonly [string, string])[]) => {
    const width = Math.max(...entries.map(([name]) => name.length));
    return entries.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`).join('\n');
  };
  return `npx downhill bench [scenario…] [flags]

  Measures downhill's kernels and trainer beside other libraries, in Node or in a headless Chrome.
  Leaves report.json, report.md and charts in a folder of its own. How: docs/benchmarks.md

scenarios (default: all)
${list(Object.entries(SCENARIO_HELP))}

peers (default: all)
${list(Object.values(PEERS).map(({ name, title }) => [name, title] as const))}

flags
${list([
  ['--in PLACE', 'node (default), chrome, or node,chrome for both'],
  ['--peers NAMES', 'all (default), none, or names with commas between'],
  ['--quick', 'fewer sizes and shorter samples, one session: about three minutes instead of an hour and a half'],
  ['--out DIR', 'folder of the report; default: a new one under runs/'],
  ['--compare FILE', 'a report.json of before: says what became slower or faster, and how sure that is'],
  ['--connect URL', 'ws://… of a browser that Playwright serves elsewhere, instead of a Chrome here'],
  ['--page', 'measure nothing, but serve the page that measures in your own browser'],
  ['--json', 'the report on stdout instead of tables'],
  ['--seed N', 'of weights and inputs; default 0'],
  ['--slow PERCENT', 'makes downhill do so much more work: a test of the harness, not of anything else'],
])}
`;
}

/**
 * @returns 'help' where that was asked for
 * @throws DownhillError OPTION-* for flags, scenarios and peers that there are not
 */
export function parseBench(args: readonly string[]): BenchCommand | 'help' {
  const { values, positionals } = readArguments(args);
  if (values.has('help')) return 'help';
  const places = readPlaces(values.get('in'));
  const quick = values.has('quick');
  const connect = readConnect(values.get('connect'), values.has('in') ? places : undefined);
  return {
    config: {
      scenarios: readScenarios(positionals),
      peers: readPeers(values.get('peers') ?? 'all'),
      quick,
      seed: checkInteger('--seed', toNumber(values.get('seed') ?? '0'), 0, 2 ** 31),
      sessions: quick ? 1 : SESSIONS,
      slow: checkInteger('--slow', toNumber(values.get('slow') ?? '0'), 0, 1000),
    },
    places: connect ? ['chrome'] : places,
    out: values.get('out'),
    compare: values.get('compare'),
    connect,
    json: values.has('json'),
    page: values.has('page'),
  };
}

const toNumber = (text: string): number | string =>
  text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);

function readArguments(args: readonly string[]) {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  const values = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const option = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as keyof typeof OPTIONS] : undefined;
    if (!option) {
      const known = Object.keys(OPTIONS).map((each) => `--${each}`);
      throw new DownhillError('OPTION-UNKNOWN', `bench has no flag ${rawName}.`, suggest(rawName, known));
    }
    if (option.type === 'string' && (value === undefined || value === '' || value.startsWith('--'))) {
      throw new DownhillError('OPTION-TYPE', `--${name} needs a value.`, 'See npx downhill bench --help.');
    }
    if (option.type === 'boolean' && value !== undefined) {
      throw new DownhillError('OPTION-TYPE', `--${name} takes no value, got '${value}'.`, `Write --${name}.`);
    }
    values.set(name, value ?? '');
  }
  return { values, positionals };
}

function readScenarios(names: readonly string[]): readonly string[] {
  const known = Object.keys(SCENARIO_HELP);
  for (const name of names) checkName('scenario', name, known);
  // In their own order, each once.
  return names.length === 0 ? known : known.filter((name) => names.includes(name));
}

function readPeers(text: string): readonly string[] {
  const known = Object.keys(PEERS);
  if (text === 'all') return known;
  if (text === 'none') return [];
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) checkName('peer', name, known);
  return known.filter((name) => names.includes(name));
}

function checkName(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  const near = suggest(name, known);
  throw new DownhillError(
    'OPTION-UNKNOWN',
    `There is no ${what} '${name}'. There are: ${known.join(', ')}.`,
    near.startsWith('Did') ? near : `Choose among these ${what}s.`,
  );
}

function readPlaces(text = 'node'): readonly Place[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) checkName('place', name, PLACES);
  return PLACES.filter((place) => names.includes(place));
}

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
