import type { Dataset, TableEncoding } from '../data/dataset.js';
import { DownhillError, show } from '../gpu/errors.js';
import type { Json } from '../space/stateful.js';

/** One number for all, or one for each. */
export type SavedScale = number | readonly number[];

/** What a model must know of its data to be used on other data: how raw values become inputs, and outputs raw values. */
export interface SavedData {
  readonly features: number;
  /** The network sees raw · scale + shift. */
  readonly scaling: { readonly scale: SavedScale; readonly shift: SavedScale };
  /** What it predicts. With a scale it was trained on raw · scale + shift. */
  readonly targets:
    | { readonly kind: 'classes' | 'probabilities'; readonly width: number }
    | { readonly kind: 'values'; readonly width: number; readonly scale?: SavedScale; readonly shift?: SavedScale };
  /** Names of the classes. */
  readonly labels?: readonly string[];
  readonly featureNames?: readonly string[];
  readonly targetNames?: readonly string[];
  /** Shape of a sample that is an image: [height, width]. */
  readonly image?: readonly number[];
  /** How rows of a table became samples: `csv` and `csvSamples` read other files of it the same way. */
  readonly encoding?: TableEncoding;
}

type Extras = Pick<SavedData, 'labels' | 'featureNames' | 'targetNames' | 'image'>;

const plain = (scale: number | ArrayLike<number>): SavedScale =>
  typeof scale === 'number' ? scale : Array.from(scale);

/** What a file keeps of a data set. */
export function describeData(data: Dataset): SavedData {
  const { features, scale, shift, targets } = data;
  const { labels, featureNames, targetNames, image } = data as Extras;
  const own = targets as { readonly scale?: SavedScale; readonly shift?: SavedScale };
  return {
    features,
    scaling: { scale: plain(scale), shift: plain(shift) },
    targets: {
      kind: targets.kind,
      width: targets.kind === 'values' ? targets.width : targets.classes,
      ...(own.scale !== undefined && { scale: plain(own.scale) }),
      ...(own.shift !== undefined && { shift: plain(own.shift) }),
    },
    ...(labels && { labels: [...labels] }),
    ...(featureNames && { featureNames: [...featureNames] }),
    ...(targetNames && { targetNames: [...targetNames] }),
    ...(image && { image: [...image] }),
    ...(data.encoding && { encoding: data.encoding }),
  };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isScale = (value: unknown, width: number) =>
  typeof value === 'number' ? Number.isFinite(value) : isNumbers(value) && value.length === width;
const isNumbers = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(Number.isFinite);
const isNames = (value: unknown) =>
  value === undefined || (Array.isArray(value) && value.every((name) => typeof name === 'string'));
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;

/** What a file says of its data. @throws DownhillError CHECKPOINT-CORRUPT */
export function readData(json: Json): SavedData {
  const data: Readonly<Record<string, unknown>> = isObject(json) ? json : {};
  const { features, scaling, targets, labels, featureNames, targetNames, image, encoding } = data;
  const whole = isCount(features) && isObject(scaling) && isObject(targets) && isCount(targets.width);
  const scaled = (of: Readonly<Record<string, unknown>>, width: unknown, absent: boolean) =>
    [of.scale, of.shift].every((each) => (absent && each === undefined) || isScale(each, width as number));
  const good =
    whole &&
    ['classes', 'probabilities', 'values'].includes(targets.kind as string) &&
    scaled(scaling, features, false) &&
    scaled(targets, targets.width, true) &&
    [labels, featureNames, targetNames].every(isNames) &&
    (image === undefined || isNumbers(image)) &&
    (encoding === undefined || isObject(encoding)); // `csv` looks at it closely
  if (good) return json as unknown as SavedData;
  throw new DownhillError(
    'CHECKPOINT-CORRUPT',
    `The file's description of its data is none: ${show(JSON.stringify(json))}.`,
    'Use a file that downhill wrote.',
  );
}
