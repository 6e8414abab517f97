import { givenOf } from '../../src/problems/given.js';
import type { ReferenceBent } from '../../src/reference/newton.js';
import { referenceProblems } from '../../src/reference/problems.gen.js';
import type { LbfgsCase } from './lbfgs.js';

/** A problem's value, gradient and products in float64. */
export const objectiveOf = ({ problem }: Pick<LbfgsCase, 'problem'>): ReferenceBent => {
  const reference = referenceProblems[problem.row.name as keyof typeof referenceProblems];
  const given = givenOf(problem);
  return (x) => ({
    value: reference.value(x, given),
    gradient: reference.gradient(x, given),
    product: (v) => reference.product(x, v, given),
  });
};
