import { generator } from '../common/random.js';

/** The draws of a case: far from those of its neighbours, and of the same case for another seed. */
export const caseRandom = (seed: number, index: number): (() => number) =>
  generator((Math.imul(seed + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0);
