/** Numbers as the page writes them. */

const grouped = new Intl.NumberFormat('en');

export const count = (value: number): string => grouped.format(value);

/** Four significant digits, and powers of ten only where zeros would fill the line. */
export function loss(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 4);
}

export const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${(share * 100).toFixed(2)} %`;

/** A learning rate or another number that may span many powers of ten. */
export const rate = (value: number | undefined): string =>
  value === undefined
    ? '–'
    : value !== 0 && Math.abs(value) < 1e-4
      ? value.toExponential(2)
      : String(+value.toPrecision(4));

export const perSecond = (value: number | undefined): string =>
  value === undefined ? '–' : value >= 100 ? count(Math.round(value)) : value.toFixed(1);

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let scaled = value;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit]}`;
}
