import type { Dataset } from '../../../src/index.js';

/* What instruments ask of data sets and of outputs. */

/** How many outputs a network for this data has. */
export const outputsOf = ({ targets }: Dataset): number =>
  targets.kind === 'values' ? targets.width : targets.classes;

/** The class of each sample; undefined where targets are no classes. One-hot rows, which losses of values take, are. */
export function labelsOf({ targets, samples }: Dataset): ArrayLike<number> | undefined {
  if (targets.kind === 'classes') return targets.labels;
  const width = targets.kind === 'values' ? targets.width : targets.classes;
  const { values } = targets;
  if (width < 2 || values.some((value) => value !== 0 && value !== 1)) return undefined;
  const labels = largest(values, width);
  return values.reduce((sum, value) => sum + value, 0) === samples ? labels : undefined;
}

/** Which output of each row is the largest; the first of equals. */
export function largest(rows: Float32Array, width: number): Uint32Array {
  const found = new Uint32Array(rows.length / width);
  for (let row = 0; row < found.length; row++) {
    let best = row * width;
    for (let i = best + 1; i < (row + 1) * width; i++) if (rows[i]! > rows[best]!) best = i;
    found[row] = best - row * width;
  }
  return found;
}

export const classNames = (data: Dataset): readonly string[] =>
  data.labels ?? Array.from({ length: outputsOf(data) }, (_, i) => String(i));

/** Whether outputs are the probabilities of classes. */
export const givesProbabilities = ({ targets }: Dataset): boolean => targets.kind !== 'values';

/** Images of bytes, such as can be drawn. */
export const isImages = (data: Dataset): data is Dataset & { readonly image: readonly [number, number] } =>
  data.image !== undefined && data.x instanceof Uint8Array;

/** Points of the plane in classes. */
export const isPlane = (data: Dataset): boolean => data.features === 2 && labelsOf(data) !== undefined;
