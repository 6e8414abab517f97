/** Files as a bad disk, a broken program or somebody who means harm would make them of good ones. */

export type Random = () => number;

/** Uniform in [0, n). */
export const below = (random: Random, n: number): number => Math.floor(random() * n);
export const pick = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)]!;

/** Where lengths and counts go wrong: around signs, ends of types, and numbers that a product of leaves every type. */
const NUMBERS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];

/** @param others files of the same kind, to take pieces of */
export function mutateBytes(random: Random, file: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = file.slice();
  for (let n = 1 + below(random, 4); n > 0; n--) bytes = once(random, bytes, pick(random, others));
  return bytes;
}

function once(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  // Headers are what is worth most: half of all changes are in the first 64 bytes.
  const at = below(random, random() < 0.5 ? Math.min(bytes.length, 64) : bytes.length);
  const to = Math.min(bytes.length, at + 1 + below(random, 16));
  const piece = other.subarray(below(random, other.length)).subarray(0, 1 + below(random, 64));
  switch (below(random, 9)) {
    case 0: // a bit
      if (at < bytes.length) bytes[at]! ^= 1 << below(random, 8);
      return bytes;
    case 1: // bytes
      for (let i = at; i < to; i++) bytes[i] = below(random, 256);
      return bytes;
    case 2: // a number of 1, 2, 4 or 8 bytes
      return number(random, bytes, at);
    case 3: // cut off
      return bytes.slice(0, below(random, bytes.length + 1));
    case 4: // goes on
      return concat(bytes, piece);
    case 5: // a piece is gone
      return concat(bytes.subarray(0, at), bytes.subarray(to));
    case 6: // a piece is there twice
      return concat(bytes.subarray(0, to), bytes.subarray(at));
    case 7: // a piece of another file comes between
      return concat(concat(bytes.subarray(0, at), piece), bytes.subarray(at));
    default: // or in place of what was there
      bytes.set(piece.subarray(0, bytes.length - at), at);
      return bytes;
  }
}

function number(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const size = pick(random, [1, 2, 4, 8]);
  if (at + size > bytes.length) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [value, little] = [pick(random, NUMBERS), random() < 0.5];
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, little);
  else if (size === 4) view.setUint32(at, value, little);
  else view.setBigUint64(at, pick(random, [BigInt(value), 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]), little);
  return bytes;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

const DEEP = '['.repeat(100_000) + ']'.repeat(100_000);
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e308, 2 ** 53, -(2 ** 31), 4_294_967_296, 1e-320],
  ...[
    '',
    'x',
    '0',
    '-1',
    'NaN',
    '__proto__',
    'constructor',
    '*',
    '.*',
    '(',
    '--json',
    '\u0000',
    '\ud800',
    '<b>',
    '../..',
  ],
  ...['a'.repeat(5000), [], {}, [[]], [null], { length: 1e9 }, { toString: null }, [1, 2, 3], ['a', 'a']],
];

/** JSON with other values, other keys, or nested without end; now and then not even JSON. */
export function mutateJson(random: Random, text: string): string {
  if (random() < 0.2) return decode(mutateBytes(random, encode(text), [encode(text)]));
  const root = { '': JSON.parse(text) as unknown };
  for (let n = 1 + below(random, 3); n > 0; n--) change(random, root);
  const changed = JSON.stringify(root['']) ?? '';
  if (random() >= 0.02) return changed;
  const places = [...changed.matchAll(/null|-?\d+/g)];
  const place = places[below(random, places.length)];
  return place ? changed.slice(0, place.index) + DEEP + changed.slice(place.index + place[0].length) : changed;
}

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Goes down to some value, and changes it, takes it away, or puts it elsewhere. */
function change(random: Random, root: object): void {
  let [place, key] = [root as Record<string, unknown>, ''];
  for (;;) {
    const next = place[key];
    const keys = typeof next === 'object' && next !== null ? Object.keys(next) : [];
    if (keys.length === 0 || random() < 0.1) break;
    [place, key] = [next as Record<string, unknown>, pick(random, keys)];
  }
  const value = place[key];
  const kind = below(random, 6);
  if (kind === 0 && place !== root) delete place[key];
  else if (kind === 1 && typeof value === 'number') place[key] = value * pick(random, [-1, 2, 0.5, 1e6, 1 + 2 ** -20]);
  else if (kind === 2 && Array.isArray(value)) value.push(...value, pick(random, VALUES));
  else if (kind === 3)
    Object.defineProperty(place, pick(random, ['__proto__', 'x', '', 'toString', 'steps']), own(value));
  else place[key] = structuredClone(pick(random, VALUES));
}

const own = (value: unknown) => ({ value, enumerable: true, configurable: true, writable: true });
