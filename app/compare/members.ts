import { OPTIMIZERS } from '../../harness/common/optimizers.js';
import type { Rule } from '../../src/index.js';
import { complete, RULE_KEY, type Texts } from '../experiment/settings.js';

/* Who is compared: rules by the names of the command line, each with the rate that the person gave it, or none. */

/** As many as there are looks of lines. */
export const MOST_MEMBERS = 8;

/** Whose rates are compared. */
export const RATES = {
  default: "each rule's default",
  equal: 'one rate for all',
  tuned: 'each tuned by a short search',
} as const;
export type Rates = keyof typeof RATES;

export interface Choice {
  readonly name: string;
  /** Typed beside it: stands whatever the others have. */
  readonly lr?: number;
}

export const FIRST: readonly Choice[] = ['sgd', 'momentum', 'rmsprop', 'adam'].map((name) => ({ name }));

/** Rules that train beside others: the rest averages its weights itself, or looks at drawn labels. */
export const CHOICES: readonly (readonly [name: string, title: string])[] = Object.entries(OPTIMIZERS)
  .filter(([, { make }]) => !make().row.evaluation && !make().row.curvature)
  .map(([name, { title }]) => [name, title]);
const NAMES = new Set(CHOICES.map(([name]) => name));

export const titleOf = (name: string): string => OPTIMIZERS[name]!.title;

/** The rate that a rule has by itself; undefined where it has none. */
export function defaultRate(name: string): number | undefined {
  const { lr } = OPTIMIZERS[name]!.make().hyper as { readonly lr?: unknown };
  return typeof lr === 'number' ? lr : undefined;
}

/** A rule with a rate; without one, or where it knows none, as it is by default. */
export const ruleOf = (name: string, lr: number | undefined): Rule =>
  OPTIMIZERS[name]!.make(defaultRate(name) === undefined ? undefined : lr);

/** The rate in a text; undefined where there is none. */
export function readRate(text: string): number | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

/** 'sgd,momentum:0.1', as it stands in a link. */
export const choicesText = (choices: readonly Choice[]): string =>
  choices.map(({ name, lr }) => (lr === undefined ? name : `${name}:${lr}`)).join(',');

/** Undefined where the text is no such list. */
export function readChoices(text: string): Choice[] | undefined {
  const choices = text.split(',').map((part): Choice | undefined => {
    const [name = '', typed] = part.split(':');
    if (!NAMES.has(name)) return undefined;
    if (typed === undefined) return { name };
    const lr = readRate(typed);
    return lr === undefined ? undefined : { name, lr };
  });
  const good = choices.length <= MOST_MEMBERS && choices.every((choice) => choice !== undefined);
  return good ? (choices as Choice[]) : undefined;
}

/** The experiment of one member alone: what opens in Train. */
export function textsOf(experiment: Texts, { row, hyper }: Rule): Texts {
  const shared = Object.entries(experiment).filter(([key]) => !key.startsWith(`${RULE_KEY}.`));
  const options = Object.entries(hyper as Readonly<Record<string, unknown>>)
    .filter(([key]) => key in row.fields)
    .map(([key, value]) => [`${RULE_KEY}.${key}`, String(value)]);
  return complete({ ...Object.fromEntries(shared), [RULE_KEY]: row.name, ...Object.fromEntries(options) });
}
