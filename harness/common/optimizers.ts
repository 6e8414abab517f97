/** Optimizers by the names people have for them: every rule, and what the lecture calls momentum and Nesterov. No Node here. */
import { DownhillError, minimizers, type Rule, type RuleRow, rules, show, suggest } from '../../src/index.js';

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

/** With those that look at their objective at several points for a step, and find its length themselves: they take no mini-batches. */
export const MINIMIZERS: Readonly<Record<string, Optimizer>> = Object.fromEntries(
  Object.entries(minimizers as unknown as Readonly<Record<string, Make>>).map(([name, rule]) => [
    name,
    { title: rule.row.title, make: () => rule({}) } satisfies Optimizer,
  ]),
);

/** The six of the lecture. */
export const LECTURE_OPTIMIZERS: readonly string[] = ['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam'];

/** 'sgd,adam' as names. @throws DownhillError RULE-UNKNOWN with a suggestion */
export const readOptimizers = (flag: string, text: string, known = OPTIMIZERS): string[] =>
  text.split(',').map((each) => {
    const name = each.trim();
    if (Object.hasOwn(known, name)) return name;
    throw new DownhillError(
      'RULE-UNKNOWN',
      `${flag}: there is no optimizer ${show(name)}.`,
      suggest(name, Object.keys(known)),
    );
  });
