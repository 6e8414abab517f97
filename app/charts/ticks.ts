/*
 * Places and texts on an axis. uPlot labels nothing beyond 17 digits, and losses go from 1e-38 to 1e38: a chart plots values
 * in a unit of its own, and its axis says what they are.
 */

/** How values of an axis are plotted. */
export interface Measure {
  /** Null where there is no place for the value: 0 on a logarithmic axis, and what is not finite. */
  plot(value: number | null | undefined): number | null;
  value(plotted: number): number;
}

/** Plots multiples of a power of ten near the largest value. */
export function linearMeasure(largest: number): Measure {
  const power = Number.isFinite(largest) && largest > 0 ? Math.floor(Math.log10(largest)) : 0;
  // 1e-320 has no reciprocal: divide and multiply in two halves.
  const [a, b] = [10 ** Math.trunc(power / 2), 10 ** (power - Math.trunc(power / 2))];
  return {
    plot: (value) => (value !== null && value !== undefined && Number.isFinite(value) ? value / a / b : null),
    value: (plotted) => plotted * a * b,
  };
}

export const LOG_MEASURE: Measure = {
  plot: (value) =>
    value !== null && value !== undefined && value > 0 && Number.isFinite(value) ? Math.log10(value) : null,
  value: (plotted) => 10 ** plotted,
};

const STEPS = [1, 2, 2.5, 5, 10] as const;

/** A round number not below `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * STEPS.find((factor) => factor * power >= step * (1 - 1e-9))!;
}

/** At most `most` + 1 round numbers from `min` to `max`. */
export function linearTicks(min: number, max: number, most: number): number[] {
  if (!(max > min)) return [min];
  const step = roundStep((max - min) / Math.max(1, most));
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step);
}

/** Of a logarithmic axis from 10^min to 10^max: whole powers of ten, 1-2-5 between few of them; as exponents. */
export function logTicks(min: number, max: number, most: number): number[] {
  const [first, last] = [Math.ceil(min - 1e-9), Math.floor(max + 1e-9)];
  const decades = last - first;
  if (decades >= 2) {
    const stride = Math.ceil(decades / Math.max(1, most));
    const start = Math.ceil(first / stride) * stride;
    return Array.from({ length: Math.floor((last - start) / stride) + 1 }, (_, i) => start + i * stride);
  }
  const between = [1, 2, 5].map(Math.log10);
  const fine = Array.from({ length: decades + 3 }, (_, i) => between.map((part) => first - 1 + i + part)).flat();
  const seen = fine.filter((at) => at >= min - 1e-9 && at <= max + 1e-9);
  if (seen.length >= 2) return seen;
  return linearTicks(10 ** min, 10 ** max, most)
    .filter((value) => value > 0)
    .map(Math.log10);
}

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** The texts of an axis' values: as many digits as tell them apart, powers of ten where zeros would fill the line. */
export function tickTexts(values: readonly number[]): string[] {
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  const [largest, smallest] = [Math.max(...sizes, 0), Math.min(...sizes)];
  // On a logarithmic axis each value stands for itself; on a linear one all are written alike.
  const sizeOf = (value: number) => (largest > 1e4 * smallest ? Math.abs(value) : largest);
  return values.map((value) => {
    if (value === 0) return '0';
    if (sizeOf(value) >= 1e6 || sizeOf(value) < 1e-3)
      return shortest((digits) => value.toExponential(digits), value, closest(values, value));
    const text = shortest((digits) => value.toFixed(digits), value, closest(values, value));
    return Math.abs(value) >= 1e4 && Number.isInteger(Number(text)) ? grouped.format(value) : text;
  });
}

/** The distance to the nearest other value. */
function closest(values: readonly number[], value: number): number {
  const distances = values.map((other) => Math.abs(other - value)).filter((distance) => distance > 0);
  return distances.length > 0 ? Math.min(...distances) : Math.abs(value);
}

/** With the fewest digits that are right to a hundredth of `distance`. */
function shortest(write: (digits: number) => string, value: number, distance: number): string {
  for (let digits = 0; digits < 15; digits++)
    if (Math.abs(Number(write(digits)) - value) <= distance / 100) return write(digits).replace('e+', 'e');
  return String(value);
}
