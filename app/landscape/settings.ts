import { readSetting, type Setting } from '../../harness/common/settings.js';
import { choice, integer, number } from '../../src/fields.js';
import { DownhillError, show, suggest } from '../../src/index.js';
import type { Problem } from '../../src/trajectory/index.js';
import type { Texts } from '../experiment/settings.js';
import { CONTENDERS, SHOWN } from './contenders.js';
import { FUNCTIONS, type FunctionChoice, OWN, type Place, problemOf, usualStart, valuesOf } from './functions.js';
import type { WaysJob } from './ways.js';

/* What a person chooses of a landscape. The panel and the link hold it as text, under the same keys. */

export const FIELDS = {
  problem: {
    ...choice(
      'function',
      FUNCTIONS.map(([name]) => name),
    ),
    words: Object.fromEntries(FUNCTIONS),
  },
  sigma: number('deviation of the noise', 1, { min: 0, max: 1000 }),
  range: number('half the width of the picture', 3, { above: 0, max: 1e4 }),
  seed: integer('seed of the noise', 0, { min: 0, max: 2 ** 32 - 1 }),
  steps: integer('steps', 500, { min: 1, max: 5000 }),
  tolerance: number('target: f above its lowest value', 1e-3, { above: 0 }),
  rates: {
    ...choice('rates', ['tuned', 'default', 'equal']),
    words: { tuned: 'tuned here', default: 'each rule’s default', equal: 'equal' },
  },
  lr: number('rate of all', 0.1, { above: 0, max: 1e6 }),
} as const satisfies Readonly<Record<string, Setting>>;

/** Everything at first. A start of nothing is the function's own. */
export const DEFAULTS: Texts = {
  ...Object.fromEntries(Object.entries(FIELDS).map(([key, field]) => [key, String(field.default)])),
  formula: 'x^4 - 3x^2 + x + y^2',
  x: '',
  y: '',
  rules: SHOWN.join(','),
  arrows: 'adam',
};

/** A rate that a person typed: `lr.adam`. */
export const RATE = 'lr.';

export interface Settings extends WaysJob {
  /** Contenders that are drawn. */
  readonly shown: ReadonlySet<string>;
  /** The one whose arrows are drawn; '' for none. */
  readonly selected: string;
}

export interface Parsed {
  /** What a picture needs: the function, where it can be read. */
  readonly function?: FunctionChoice;
  readonly start?: Place;
  /** All of it; undefined where something is wrong. */
  readonly settings?: Settings;
  readonly problem?: Problem;
  /** What is wrong with a text, by its key. */
  readonly wrong: ReadonlyMap<string, unknown>;
}

/** Farther off nobody starts. */
const PLACE = number('a place', 0, { min: -1e6, max: 1e6 });

export function parse(texts: Texts): Parsed {
  const wrong = new Map<string, unknown>();
  const one = <T>(key: string, reader: (typed: string) => T): T | undefined => {
    try {
      return reader(texts[key] ?? DEFAULTS[key] ?? '');
    } catch (error) {
      wrong.set(key, error);
      return undefined;
    }
  };
  const setting = <K extends keyof typeof FIELDS>(key: K) =>
    one(key, (typed) => readSetting(FIELDS[key].help, FIELDS[key], typed)) as (typeof FIELDS)[K]['default'] | undefined;
  const chosen = readFunction(setting, one);
  const start = chosen && readStart(chosen, one);
  const problem = chosen && start && one('formula', () => problemOf(chosen, start));
  const own = Object.keys(texts).filter((key) => key.startsWith(RATE) && texts[key]!.trim() !== '');
  const rest = {
    ...{ steps: setting('steps'), seed: setting('seed'), tolerance: setting('tolerance') },
    ...{ mode: setting('rates'), lr: setting('lr') },
    own: Object.fromEntries(
      own.map((key) => [key.slice(RATE.length), one(key, (typed) => readSetting('the rate', FIELDS.lr, typed))]),
    ),
    shown: one('rules', (typed) => new Set(namesOf(typed))),
    selected: one('arrows', (typed) => namesOf(typed)[0] ?? ''),
  };
  const sure = { wrong, ...(chosen && { function: chosen }), ...(start && { start }), ...(problem && { problem }) };
  if (wrong.size > 0) return sure;
  return { ...sure, settings: { function: chosen, start, ...rest } as unknown as Settings };
}

type One = <T>(key: string, reader: (typed: string) => T) => T | undefined;

function readFunction(
  setting: (key: 'problem' | 'sigma' | 'range') => string | number | undefined,
  one: One,
): FunctionChoice | undefined {
  const parts = { name: setting('problem'), sigma: setting('sigma'), range: setting('range') };
  if (Object.values(parts).includes(undefined)) return undefined;
  return one('formula', (formula) => {
    const choice = { ...parts, formula } as FunctionChoice;
    if (choice.name === OWN) valuesOf(choice);
    return choice;
  });
}

function readStart(choice: FunctionChoice, one: One): Place | undefined {
  const usual = usualStart(choice);
  const [x, y] = (['x', 'y'] as const).map((axis, i) =>
    one(axis, (typed) => (typed.trim() === '' ? usual[i] : readSetting(`the start’s ${axis}`, PLACE, typed))),
  );
  return x === undefined || y === undefined ? undefined : [x, y];
}

/** 'sgd,adam' as keys. */
function namesOf(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !CONTENDERS.some(({ key }) => key === name));
  if (unknown === undefined) return names;
  const keys = CONTENDERS.map(({ key }) => key);
  throw new DownhillError('RULE-UNKNOWN', `There is no optimizer ${show(unknown)} here.`, suggest(unknown, keys));
}

/** What differs from how it is at first, for the link. */
export const changed = (texts: Texts): Texts =>
  Object.fromEntries(
    Object.entries(texts).filter(([key, text]) =>
      key.startsWith(RATE) ? text.trim() !== '' : text !== DEFAULTS[key] && Object.hasOwn(DEFAULTS, key),
    ),
  );

/** Whether a key of a link is one of these. */
export const isKey = (key: string): boolean =>
  Object.hasOwn(DEFAULTS, key) ||
  (key.startsWith(RATE) && CONTENDERS.some((each) => RATE + each.key === key && each.rated));
