import { DownhillError, show } from '../gpu/errors.js';
import type { Scaling, Targets } from './dataset.js';

/** Of feature `i`. */
export const at = (scaling: Scaling, i: number): number => (typeof scaling === 'number' ? scaling : scaling[i]!);

/** Whether a kernel can have it as an f32: as a number that is finite, and not one of those that may be flushed to 0. */
const isSingle = (value: Scaling): value is number =>
  typeof value === 'number' &&
  Number.isFinite(Math.fround(value)) &&
  (value === 0 || Math.abs(Math.fround(value)) >= 2 ** -126);

/**
 * Whether samples are scaled on the host, when they are uploaded: one feature after another, or all by a number that is no f32, as
 * denormal samples brought to a variance of 1 have.
 */
export const isScaledOnHost = ({ scale, shift }: { readonly scale: Scaling; readonly shift: Scaling }): boolean =>
  !isSingle(scale) || !isSingle(shift);

/** A scaling made of each feature's; frozen, and plain JSON. */
export const scalingOf = (length: number, of: (i: number) => number): readonly number[] =>
  Object.freeze(Array.from({ length }, (_, i) => of(i)));

/** Whether it is finite, of the right length where it is one per feature, and `good`. */
export function isScaling(value: unknown, width: number, good: (value: number) => boolean = () => true) {
  const fits = (each: unknown) => typeof each === 'number' && Number.isFinite(each) && good(each);
  if (Array.isArray(value) || value instanceof Float64Array)
    return value.length === width && Array.from(value).every(fits); // `every` of the list itself leaves out its holes
  return fits(value);
}

/** A scaling in a message. */
export const showScaling = (value: unknown): string =>
  value instanceof Float64Array
    ? `${show([...value.subarray(0, 8)])} (${value.length})`
    : Array.isArray(value)
      ? `${show(value)} (${value.length})`
      : show(value);

/** `values * scale + shift`, computed in float64: rows of `width`, written to rows of `stride`. */
export function scaleRows(
  values: Uint8Array | Float32Array,
  width: number,
  { scale, shift }: { readonly scale: Scaling; readonly shift: Scaling },
  into: Float32Array,
  stride = width,
): void {
  const [scales, shifts] = [scale, shift].map((each) => Float64Array.from({ length: width }, (_, i) => at(each, i)));
  for (let from = 0, to = 0; from < values.length; from += width, to += stride)
    for (let i = 0; i < width; i++) into[to + i] = values[from + i]! * scales![i]! + shifts![i]!;
}

interface Scaled {
  readonly samples?: number;
  readonly features: number;
  readonly scale: Scaling;
  readonly shift: Scaling;
}

/** @throws DownhillError DATA-MISMATCH where scale or shift is no finite number, nor one of each feature */
export function checkScaling({ features, scale, shift }: Scaled): void {
  if (isScaling(scale, features) && isScaling(shift, features)) return;
  throw new DownhillError(
    'DATA-MISMATCH',
    `Samples of ${features} features need a finite scale and shift, or one of each feature; they have ${showScaling(scale)}, ${showScaling(shift)}.`,
    'Make the data with arrays(), idx() or digits(), and scale it with standardize() or unitRange().',
  );
}

interface ScaledSamples extends Scaled {
  readonly x: Uint8Array | Float32Array;
}

interface ScaledTargets {
  readonly width: number;
  readonly scale?: Scaling;
  readonly shift?: Scaling;
}

/**
 * Outputs in the units of the targets: (y - shift) / scale, in place.
 *
 * @param outputs rows of `targets.width`, as a network gives them that was trained on `raw * scale + shift`
 */
export function unscaleOutputs(outputs: Float32Array, { width, scale = 1, shift = 0 }: ScaledTargets): Float32Array {
  if (scale === 1 && shift === 0) return outputs;
  for (let i = 0; i < outputs.length; i++) outputs[i] = (outputs[i]! - at(shift, i % width)) / at(scale, i % width);
  return outputs;
}

/** @throws DownhillError DATA-MISMATCH where they are no finite numbers, or a scale of 0 leaves nothing to predict */
export function checkTargetScaling({ width, scale = 1, shift = 0 }: ScaledTargets): void {
  if (isScaling(scale, width, (value) => value !== 0) && isScaling(shift, width)) return;
  throw new DownhillError(
    'DATA-MISMATCH',
    `Targets of ${width} outputs need a finite scale other than 0 and a finite shift, or one of each output; they have ${showScaling(scale)}, ${showScaling(shift)}.`,
    'Scale them with standardizeTargets().',
  );
}

/**
 * Samples of one kind of values mean the same only where they are scaled alike: raw ones beside standardized ones would be
 * evaluated without a word. Bytes beside floats may be the same numbers, written otherwise.
 *
 * @throws DownhillError DATA-MISMATCH
 */
export function checkSameScaling(trained: ScaledSamples, other: ScaledSamples): void {
  if (trained.x instanceof Uint8Array !== other.x instanceof Uint8Array) return;
  for (const what of ['scale', 'shift'] as const) {
    const feature = Array.from({ length: trained.features }, (_, i) => i).find(
      (i) => at(trained[what], i) !== at(other[what], i),
    );
    if (feature === undefined) continue;
    throw new DownhillError(
      'DATA-MISMATCH',
      `The samples have ${what} ${at(other[what], feature)} in feature ${feature}, those trained on ${at(trained[what], feature)}.`,
      'Give both the same scaling: standardize(test, statistics(train)), or neither.',
    );
  }
}

/**
 * A network knows one scaling of its targets: a loss in other units would be a number without meaning.
 *
 * @throws DownhillError DATA-MISMATCH
 */
export function checkSameTargets(trained: Targets, other: Targets): void {
  if (trained.kind !== 'values' || other.kind !== 'values') return;
  for (const [what, fallback] of [
    ['scale', 1],
    ['shift', 0],
  ] as const) {
    // biome-ignore format: two pairs
    const [a, b] = [trained[what] ?? fallback, other[what] ?? fallback];
    for (let i = 0; i < trained.width; i++) {
      if (at(a, i) === at(b, i)) continue;
      throw new DownhillError(
        'DATA-MISMATCH',
        `The targets have ${what} ${at(b, i)} in output ${i}, those trained on ${at(a, i)}.`,
        'Give both the same scaling: standardizeTargets(test, targetStatistics(train)).',
      );
    }
  }
}
