import { SETTINGS } from '../../harness/common/settings.js';
import type { Field } from '../../src/index.js';
import {
  choice,
  int,
  logUniform,
  type Parameter,
  type Params,
  parameterText,
  parseSpace,
  type Space,
  uniform,
} from '../../src/search/index.js';
import { complete, describeRule, RULE_KEY, type Texts } from '../experiment/settings.js';

/* What can be searched: settings of the experiment by the names of the command line, each with a range to begin with. */

/** One that can be searched. */
export interface Searchable {
  readonly name: string;
  readonly label: string;
  readonly first: Parameter;
  readonly whole: boolean;
}

const log2 = (low: number, high: number) => int(low, high, { log: true });
const choicesOf = (field: Field) => choice(field.kind === 'choice' ? field.choices : []);

/** Of every experiment, whatever its rule. */
const SHARED: readonly Searchable[] = [
  { name: 'batch', label: 'Batch size', first: choice([16, 32, 64, 128]), whole: true },
  { name: 'width', label: 'Width of hidden layers', first: log2(8, 128), whole: true },
  { name: 'depth', label: 'Hidden layers', first: int(1, 3), whole: true },
  { name: 'activation', label: 'Activation', first: choicesOf(SETTINGS.activation), whole: false },
  { name: 'init', label: 'Initial weights', first: choicesOf(SETTINGS.init), whole: false },
  { name: 'dropout', label: 'Dropout', first: uniform(0, 0.5), whole: false },
  { name: 'label-smoothing', label: 'Label smoothing', first: uniform(0, 0.2), whole: false },
  { name: 'penalty-l2', label: 'L2 penalty', first: logUniform(1e-6, 1e-2), whole: false },
];

/** What can be searched with the rule of these settings: its numbers first. */
export function searchables(texts: Texts): Searchable[] {
  const usual = complete(texts);
  const row = describeRule(usual[RULE_KEY] ?? '');
  const own = Object.entries(row.fields as Readonly<Record<string, Field>>).flatMap(([name, field]): Searchable[] => {
    if (field.kind !== 'number' && field.kind !== 'integer') return [];
    const first = rangeOf(name, field, Number(usual[`${RULE_KEY}.${name}`]));
    return [
      { name, label: name === 'lr' ? 'Rate (lr)' : `${name}: ${field.help}`, first, whole: field.kind === 'integer' },
    ];
  });
  return [...own, ...SHARED];
}

/** Known by what it is for; else round its default. */
function rangeOf(name: string, field: Extract<Field, { kind: 'number' | 'integer' }>, usual: number): Parameter {
  if (name === 'lr') return logUniform(tidy(usual / 100), tidy(usual * 30));
  if (/momentum|nesterov|beta|alpha|rho|dampening/i.test(name)) return uniform(0, 0.99);
  if (/decay/i.test(name)) return logUniform(1e-6, 0.1);
  if (field.kind === 'integer') return int(Math.max(1, field.min ?? 1), Math.max(10, 2 * usual));
  if (usual > 0) return logUniform(tidy(usual / 10), tidy(Math.min(usual * 10, field.max ?? Number.POSITIVE_INFINITY)));
  return uniform(field.min ?? 0, field.max ?? 1);
}

const tidy = (value: number): number => Number(value.toPrecision(2));

/** Rate by batch: where the two belong together, one sees it at once. */
export const firstSpace = (texts: Texts): Space =>
  Object.fromEntries(
    searchables(texts)
      .filter(({ name }) => ['lr', 'batch'].includes(name))
      .map(({ name, first }) => [name, first]),
  );

/** As links and the command line have it: 'lr=log:0.0001..0.1,batch=16|32'. */
export const spaceText = (space: Space): string =>
  Object.entries(space)
    .map(([name, parameter]) => `${name}=${parameterText(parameter)}`)
    .join(',');

/** The same, read. @throws DownhillError */
export const readSpace = (text: string): Space => parseSpace(text);

/** Scales of a range, as the editor offers them. */
export const SCALES = { log: 'log', linear: 'linear', values: 'values' } as const;
export type Scale = keyof typeof SCALES;

export function scaleOf(parameter: Parameter): Scale {
  if (parameter.kind === 'choice') return 'values';
  return parameter.kind === 'log-uniform' || (parameter.kind === 'int' && parameter.log) ? 'log' : 'linear';
}

/** A parameter of what stands in the boxes. @throws DownhillError OPTION-* */
export function makeParameter(whole: boolean, scale: Scale, boxes: readonly string[]): Parameter {
  if (scale === 'values') {
    const values = boxes[0]!.split(/[\s,|]+/).filter(Boolean);
    return choice(values.map((text) => (Number.isNaN(Number(text)) ? text : Number(text))));
  }
  const [low, high] = boxes.map((text) => (text.trim() === '' ? Number.NaN : Number(text))) as [number, number];
  if (whole) return int(low, high, scale === 'log' ? { log: true } : {});
  return scale === 'log' ? logUniform(low, high) : uniform(low, high);
}

/** The texts of the boxes that make it. */
export const boxesOf = (parameter: Parameter): readonly string[] =>
  parameter.kind === 'choice' ? [parameter.values.join(', ')] : [String(parameter.low), String(parameter.high)];

/** The experiment of one trial: what is trained, and what opens in Train. */
export function trialTexts(experiment: Texts, params: Params): Texts {
  const texts: Record<string, string> = { ...experiment };
  const fields = describeRule(experiment[RULE_KEY] ?? '').fields;
  for (const [name, value] of Object.entries(params)) {
    if (name in fields) texts[`${RULE_KEY}.${name}`] = String(value);
    else if (name !== 'width' && name !== 'depth') texts[name] = String(value);
  }
  if ('width' in params || 'depth' in params) {
    const hidden = (experiment.hidden ?? '').split(/[\s,;–-]+/).filter(Boolean);
    const { width, depth = Math.max(hidden.length, 1) } = params as {
      readonly width?: number;
      readonly depth?: number;
    };
    const widths = Array.from({ length: depth }, (_, i) => width ?? hidden[Math.min(i, hidden.length - 1)] ?? 100);
    texts.hidden = widths.join(', ');
  }
  return texts;
}
