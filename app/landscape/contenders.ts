import { LECTURE_OPTIMIZERS, MINIMIZERS, OPTIMIZERS } from '../../harness/common/optimizers.js';
import type { Rule } from '../../src/index.js';

/** One of those that go down a landscape. */
export interface Contender {
  /** As links have it. */
  readonly key: string;
  readonly title: string;
  /** Whether it goes at a rate that is chosen: not those that find the lengths of their steps themselves. */
  readonly rated: boolean;
  /** With the rate given, else its own default; undefined for gradient descent with a line search, which is no rule. */
  readonly rule?: (lr?: number) => Rule;
}

/** The tensor that a landscape is. */
const POINT = [{ name: 'x', shape: [2] }];

/** Whether a rule goes on two numbers whose gradient is all that is known: not those of matrices, or of labels. */
function fits({ row }: Rule): boolean {
  if (row.curvature) return false;
  try {
    row.checkTensors?.('landscape', POINT);
    return true;
  } catch {
    return false;
  }
}

const contender = (key: string, { title, make }: (typeof OPTIMIZERS)[string], rated: boolean): Contender => ({
  ...{ key, title: TITLES[key] ?? title, rated },
  rule: make,
});

/** Short enough for a table. */
const TITLES: Readonly<Record<string, string>> = { momentum: 'Momentum 0.9', nesterov: 'Nesterov 0.9' };

const ruled = Object.entries(OPTIMIZERS)
  .filter(([, { make }]) => fits(make()))
  .map(([key, optimizer]) => contender(key, optimizer, true));

/** Those of the lecture first, the others by their names; last those that look at several points for a step. */
export const CONTENDERS: readonly Contender[] = [
  ...LECTURE_OPTIMIZERS.flatMap((name) => ruled.filter(({ key }) => key === name)),
  ...ruled
    .filter(({ key }) => !LECTURE_OPTIMIZERS.includes(key))
    .sort((a, b) => a.title.localeCompare(b.title, 'en', { sensitivity: 'base' })),
  { key: 'descent', title: 'Descent, line search', rated: false },
  ...['newtonCg', 'lbfgs'].map((key) => contender(key, MINIMIZERS[key]!, false)),
];

/** Drawn at first: the lecture's, and what needs no rate. */
export const SHOWN: readonly string[] = [...LECTURE_OPTIMIZERS, 'descent', 'newtonCg', 'lbfgs'];

export const contenderOf = (key: string): Contender | undefined => CONTENDERS.find((each) => each.key === key);
