/** Numbers of a report as people read them: three digits that mean something, units in words. */
import type { Estimate } from '../statistics.js';

/** 0.0123, 1.20, 12.3, 123, 1,230: what a benchmark can tell. */
export function three(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-4 || size >= 1e9) return value.toExponential(2);
  const text = value.toPrecision(3);
  return Number(text) >= 1000 ? Number(text).toLocaleString('en-US') : text;
}

/** Both bounds with as many decimals as three digits of the lower one have: '9.98–10.02' rather than '9.98–10.0'. */
export function bounds({ low, high }: Estimate): string {
  if (low === undefined || high === undefined) return '';
  const decimals = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(low) || 1))));
  const text = (value: number) =>
    value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return low < 1e-4 ? `${three(low)}–${three(high)}` : `${text(low)}–${text(high)}`;
}

/** 0.843 as '84 %'. */
export const percent = (share: number): string => `${shortShare(100 * share)} %`;
const shortShare = (value: number) => (Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0));

/** 1.2 as '+20 %', 0.953 as '-4.7 %'. */
export function signed(change: number): string {
  const share = percent(change - 1);
  return change >= 1 ? `+${share}` : share;
}

/** 14,300 as '14.3 kB'; sizes of files and bundles. */
function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(3, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)));
  return `${power === 0 ? bytes : three(bytes / 1000 ** power)} ${units[power]}`;
}

/** A fact by the end of its name: 'compileMs' is 'compile 12.3 ms', 'gzipBytes' is 'gzip 14.3 kB', else plain. */
export function factText([name, value]: readonly [string, number]): string {
  const [, stem, unit] = /^(.*?)(Ms|ms|Bytes|bytes)?$/.exec(name)!;
  const words = (stem || name).replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  if (unit?.toLowerCase() === 'ms') return `${words} ${three(value)} ms`;
  return unit ? `${words} ${bytesText(value)}` : `${words} ${Number.isInteger(value) ? plain(value) : three(value)}`;
}

/** A count, in full. */
export const plain = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 2 });
