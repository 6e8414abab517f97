export { type ArraysOptions, arrays } from './arrays.js';
export type { ColumnEncoding, Dataset, Scaling, TableEncoding, Targets } from './dataset.js';
export { type DigitsOptions, digits, drawDigits } from './digits.js';
export { type IdxOptions, type IdxSource, idx, parseIdx } from './idx.js';
export { type Decode, type ImageFile, type ImageOptions, images } from './images.js';
export { type NpyOptions, npy } from './npy.js';
export { encodeNpy, type Npy, type NpyValues, parseNpy } from './npy-format.js';
export type { Pixels } from './resize.js';
export { type DataSource, type Rows, type SourceOptions, source } from './source.js';
export { type FoldOptions, kFold, type SplitOptions, split, subset } from './split.js';
export { circles, moons, spirals, type Toy, type ToyOptions, toys, xor } from './toys.js';
export {
  type ByOptions,
  type Statistics,
  standardize,
  standardizeTargets,
  statistics,
  targetStatistics,
  unitRange,
} from './transform.js';
