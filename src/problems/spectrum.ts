import { DownhillError } from '../gpu/errors.js';
import { type ListField, list } from '../gpu/fields.js';

/** Longest spectrum. */
const MOST = 2 ** 20;

/** The eigenvalues of a quadratic; by default the ravine's. */
export const spectrum: ListField = { ...list('eigenvalues of the Hessian'), default: [1 / 32, 2] };

/** @throws DownhillError OPTION-RANGE */
export function checkSpectrum({ spectrum: values }: { readonly spectrum: readonly number[] }): void {
  if (values.length > 0 && values.length <= MOST) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `spectrum has ${values.length} eigenvalues.`,
    `Pass from 1 to ${MOST} numbers, one for each dimension.`,
  );
}
