/** Numbers as people read them. */

/** 1,250. */
export const count = (n: number): string => n.toLocaleString('en-US');

/** '1 step', '1,250 steps', '17 dispatches'. */
export const plural = (n: number, noun: string, many = `${noun}s`): string => `${count(n)} ${n === 1 ? noun : many}`;

const UNITS = ['B', 'kB', 'MB', 'GB'];

/** '812 B', '28.9 kB', '11.6 MB'; in the unit given, where one is. */
export function bytesText(bytes: number, unit?: string): string {
  const found = unit ? UNITS.indexOf(unit) : bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3);
  const power = Math.min(Math.max(found, 0), UNITS.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}

/** A loss in about six characters: four decimals where they say something. */
export function lossText(loss: number): string {
  if (!Number.isFinite(loss)) return String(loss);
  const size = Math.abs(loss);
  return size === 0 || (size >= 0.001 && size < 10_000) ? loss.toFixed(4) : loss.toExponential(2);
}

/** A learning rate in seven characters: 9.87e-4. */
export const lrText = (lr: number): string => lr.toExponential(2);

/** 0.9731 as '97.31 %'. */
export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** '0.8 s', '42 s', '3 min 05 s', '2 h 10 min'. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${count(Math.floor(minutes / 60))} h ${two(minutes % 60)} min`;
}

/** '310 steps/s', '0.42 steps/s'. */
export function rateText(stepsPerSecond: number): string {
  const digits = stepsPerSecond >= 10 ? 0 : stepsPerSecond >= 1 ? 1 : 2;
  const value = stepsPerSecond.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${value} steps/s`;
}
