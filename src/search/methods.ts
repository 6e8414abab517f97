import { DownhillError, show, suggest } from '../gpu/errors.js';
import { type Method, type MethodRow, resolveMethod } from './method.js';
import { asha } from './methods/asha.js';
import { coarseToFine } from './methods/coarse-to-fine.js';
import { grid } from './methods/grid.js';
import { halving } from './methods/halving.js';
import { hyperband } from './methods/hyperband.js';
import { pbt } from './methods/pbt.js';
import { random } from './methods/random.js';

/** Every method, by name. */
export const methods = {
  grid,
  random,
  'coarse-to-fine': coarseToFine,
  halving,
  asha,
  hyperband,
  pbt,
} as const satisfies Readonly<Record<string, (options?: never) => Method>>;

export type MethodName = keyof typeof methods;

/**
 * A method as it comes in from outside: by its name, or as its function made it.
 *
 * @throws DownhillError OPTION-RANGE for a name that there is not, OPTION-*
 */
export function checkMethod(method: unknown, options: object = {}): Method {
  if (typeof method === 'string') {
    if (Object.hasOwn(methods, method)) return resolveMethod(methods[method as MethodName].row, options);
    throw new DownhillError(
      'OPTION-RANGE',
      `There is no method ${show(method)}.`,
      suggest(method, Object.keys(methods)),
    );
  }
  const { row, options: given } = Object(method) as Partial<Method>;
  if (typeof (row as MethodRow<never> | undefined)?.next === 'function' && typeof given === 'object')
    return resolveMethod(row!, given);
  throw new DownhillError('OPTION-TYPE', `method must be a name or a method, got ${show(method)}.`, "Pass 'halving'.");
}
