/** Values of chapters' flags. */
import { checkInteger, DownhillError } from '../../src/index.js';
import { toNumber } from '../common/settings.js';

/** @throws DownhillError OPTION-RANGE */
export function readRate(flag: string, text: string): number {
  const value = toNumber(text);
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new DownhillError('OPTION-RANGE', `${flag} must be a number above 0, got '${text}'.`, `Write ${flag} 0.01.`);
}

/** @throws DownhillError OPTION-* */
export const readCount = (flag: string, text: string, least = 1, most?: number): number =>
  checkInteger(flag, toNumber(text), least, most);
