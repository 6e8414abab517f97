/** Optimizers by the names people have for them: every rule, and what the lecture calls momentum and Nesterov. No Node here. */
import { checkChoice, type Rule, type RuleRow, rules } from '../../src/index.js';

interface Optimizer {
  readonly title: string;
  /** With the rate given, else its own default. */
  make(lr?: number | ((count: number) => number)): Rule;
}

type Make = ((options: object) => Rule) & { readonly row: RuleRow };

const plain = Object.fromEntries(
  Object.entries(rules as unknown as Readonly<Record<string, Make>>).map(([name, rule]) => [
    name,
    { title: rule.row.title, make: (lr) => rule(lr === undefined ? {} : { lr }) } satisfies Optimizer,
  ]),
);

const momentum = (title: string, options: object): Optimizer => ({
  title,
  make: (lr) => rules.sgd({ ...options, ...(lr !== undefined && { lr }) }) as Rule,
});

export const OPTIMIZERS: Readonly<Record<string, Optimizer>> = {
  ...plain,
  momentum: momentum('SGD with momentum 0.9', { momentum: 0.9 }),
  nesterov: momentum('SGD with Nesterov momentum 0.9', { momentum: 0.9, nesterov: true }),
};

/** The six of the lecture. */
export const LECTURE_OPTIMIZERS: readonly string[] = ['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam'];

/** 'sgd,adam' as names. @throws DownhillError OPTION-* with a suggestion */
export const readOptimizers = (flag: string, text: string): string[] =>
  text.split(',').map((each) => checkChoice(flag, each.trim(), Object.keys(OPTIMIZERS)));
