export { type ArraysOptions, arrays } from './arrays.js';
export type { Dataset, Targets } from './dataset.js';
export { type DigitsOptions, digits } from './digits.js';
export { type IdxOptions, type IdxSource, idx, parseIdx } from './idx.js';
export { type Statistics, split, standardize, statistics, unitRange } from './transform.js';
