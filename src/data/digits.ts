import { checkInteger, checkOptions } from '../gpu/fields.js';
import { atOnce, inTurns } from '../gpu/turns.js';
import { pcgHash, Random } from '../kernels/random.js';
import type { Dataset } from './dataset.js';

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const CLASSES = 10;
/** Streams of `pcgHash` per sample: what shapes it, the noise of its pixels, the labels of the block it begins. */
const STREAMS = 3;
/** 2 GiB of pixels: what `maxBytes` of `idx` defaults to as well. */
const MOST_SAMPLES = Math.floor(2 ** 31 / PIXELS);

// ---------------------------------------------------------------------------------------------------------- strokes

/**
 * How people write each digit: digit -> ways to write it -> strokes of the pen, `kind x,y x,y ...; kind x,y ...`.
 * The box of a digit is 100 wide and 100 high, x to the right, y down.
 *
 *     line   straight from point to point
 *     curve  a smooth curve through the points
 *     ring   an ellipse: its centre, then its half axes
 *
 * No single template per class fits two ways at once, which is part of what keeps a linear classifier from solving
 * the set.
 */
const WAYS: readonly (readonly string[])[] = [
  // 0: wide, narrow, slashed
  ['ring 50,50 42,50', 'ring 50,50 27,50', 'ring 50,50 40,50; line 70,22 30,78'],
  // 1: bare stem, with a flag, with a flag and a foot
  ['line 50,0 50,100', 'line 22,28 56,0 56,100', 'line 25,24 52,0 52,100; line 20,100 84,100'],
  // 2: straight foot, looped foot
  [
    'curve 10,27 26,5 56,0 84,22 70,52 10,100; line 10,100 92,100',
    'curve 12,20 45,0 80,20 68,58 30,95 12,88 28,78 60,95 95,90',
  ],
  // 3: two bows, flat top
  [
    'curve 12,14 48,0 80,20 68,42 38,47; curve 38,47 76,55 88,76 58,100 8,88',
    'line 14,2 84,2 44,40; curve 44,40 80,48 88,74 58,100 8,90',
  ],
  // 4: open, closed, with a long stem beside the hook
  [
    'line 20,0 12,56 90,56; line 68,18 66,100',
    'line 66,100 66,0 6,68 94,68',
    'curve 18,2 14,36 38,52 80,46; line 82,0 78,100',
  ],
  // 5: cornered, in one sweep
  [
    'line 84,2 26,2 20,44; curve 20,44 52,36 86,58 78,88 46,100 10,90',
    'curve 90,4 50,4 26,22 40,42 74,58 74,86 42,100 10,92',
  ],
  // 6: round back, straight back
  ['curve 74,2 36,22 14,64 32,96 66,98 86,76 66,54 34,56 16,74', 'curve 58,0 30,36 20,76; ring 50,76 32,24'],
  // 7: plain, crossed, with a serif and a bent stem
  ['line 10,2 90,2 40,100', 'line 10,2 88,2 42,100; line 32,50 86,50', 'line 12,20 12,4 86,4; curve 86,4 58,42 50,100'],
  // 8: two rings, one crossing sweep
  ['ring 50,25 29,25; ring 50,74 38,26', 'curve 80,16 50,0 22,20 50,46 82,76 50,100 18,78 50,48 82,20'],
  // 9: straight stem, hooked tail
  ['ring 46,28 34,28; line 80,24 74,100', 'ring 48,27 32,27; curve 80,26 84,62 62,96 20,94'],
];

type Point = readonly [x: number, y: number];

/** One movement of the pen through `points`, in boxes; a closed one is a curve that returns to its first point. */
interface Stroke {
  readonly kind: 'line' | 'curve' | 'closed';
  readonly points: readonly Point[];
}

/** Reads one way to write a digit. A ring becomes the closed curve through eight points of the ellipse. */
function parseWay(way: string): Stroke[] {
  return way.split('; ').map((text) => {
    const [kind, ...pairs] = text.split(' ');
    const points = pairs.map((pair) => pair.split(',').map((value) => Number(value) / 100) as unknown as Point);
    if (kind !== 'ring') return { kind: kind as 'line' | 'curve', points };
    const [cx, cy] = points[0]!;
    const [rx, ry] = points[1]!;
    const a = rx * Math.SQRT1_2;
    const b = ry * Math.SQRT1_2;
    const offsets = [0, -ry, a, -b, rx, 0, a, b, 0, ry, -a, b, -rx, 0, -a, -b];
    const ring = Array.from({ length: 8 }, (_, i): Point => [cx + offsets[2 * i]!, cy + offsets[2 * i + 1]!]);
    return { kind: 'closed', points: ring };
  });
}

// ------------------------------------------------------------------------------------------------------- distortion

/**
 * How far samples stray from the table. Tuned together, so that a linear classifier fails where a small network does
 * not; `digits` says how far. Rotation and translation do most of that, stroke jitter and noise hurt both alike.
 */
const SPREAD = {
  /** Size of the unit box in pixels (width, height), and its relative standard deviation. */
  width: 13,
  height: 18.5,
  scale: 0.06,
  /** Tangent of half the rotation, and the shear, standard deviations. */
  rotation: 0.145,
  shear: 0.08,
  /** Pixels, standard deviation, each axis. */
  translation: 1.2,
  /** Elastic bend of the whole box and independent jitter of each control point, in boxes. */
  bend: 0.02,
  jitter: 0.01,
  /** Half the width of the pen, pixels, smallest and largest. */
  pen: [0.9, 1.7],
  /** Brightness of the ink, 0..1. */
  ink: [0.7, 1],
  /** Standard deviation of the noise of a pixel, in 1/255. */
  noise: 8,
} as const;

type Warp = (x: number, y: number) => [number, number];

/** Where this sample puts the points of the unit box, in pixels. */
function warpOf(random: Random): Warp {
  const { width, height, scale, rotation, shear, translation, bend, jitter } = SPREAD;
  // Rotation from t = tan(angle / 2): rational, so exact in every engine, where Math.cos and Math.sin are not.
  const t = random.normal(0, rotation);
  const cos = (1 - t * t) / (1 + t * t);
  const sin = (2 * t) / (1 + t * t);
  const size = 1 + random.normal(0, scale);
  const sx = width * size * (1 + random.normal(0, scale));
  const sy = height * size;
  const slant = random.normal(0, shear);
  const cx = SIDE / 2 + random.normal(0, translation);
  const cy = SIDE / 2 + random.normal(0, translation);
  // Bend: random shifts on a 3 x 3 lattice, interpolated between. Strokes that touch move together and still touch.
  const lattice = Array.from({ length: 18 }, () => random.normal(0, bend));
  return (x, y) => {
    const i = x < 0.5 ? 0 : 1;
    const j = y < 0.5 ? 0 : 1;
    const u = 2 * x - i;
    const v = 2 * y - j;
    const at = (k: number) => {
      const corner = 2 * (3 * j + i) + k;
      const top = lattice[corner]! * (1 - u) + lattice[corner + 2]! * u;
      const bottom = lattice[corner + 6]! * (1 - u) + lattice[corner + 8]! * u;
      return top * (1 - v) + bottom * v;
    };
    const px = (x - 0.5 + at(0) + random.normal(0, jitter)) * sx;
    const py = (y - 0.5 + at(1) + random.normal(0, jitter)) * sy;
    const qx = px - slant * py;
    return [cx + cos * qx - sin * py, cy + sin * qx + cos * py];
  };
}

// ---------------------------------------------------------------------------------------------------------- drawing

/** Straight pieces per span of a curve: at 6 no piece of a digit is longer than about 1.5 pixels. */
const PIECES = 6;

/** The stroke as a polyline in pixels, x and y in turn. Curves are Catmull-Rom splines through the warped points. */
function polyline(stroke: Stroke, warp: Warp): number[] {
  const points = stroke.points.map(([x, y]) => warp(x, y));
  if (stroke.kind === 'line') return points.flat();
  const count = points.length;
  const closed = stroke.kind === 'closed';
  const at = (i: number) => points[closed ? (i + count) % count : Math.min(Math.max(i, 0), count - 1)]!;
  const path: number[] = [...points[0]!];
  for (let i = 0; i < (closed ? count : count - 1); i++) {
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let piece = 1; piece <= PIECES; piece++) {
      const t = piece / PIECES;
      for (const k of [0, 1] as const) {
        const cubic = -a[k] + 3 * (b[k] - c[k]) + d[k];
        const square = 2 * a[k] - 5 * b[k] + 4 * c[k] - d[k];
        path.push(b[k] + 0.5 * t * (c[k] - a[k] + t * (square + t * cubic)));
      }
    }
  }
  return path;
}

/** Lowers `nearest` (squared distance of each pixel's centre to the ink) near the piece from (ax, ay) to (bx, by). */
function drawPiece(nearest: Float64Array, reach: number, ax: number, ay: number, bx: number, by: number): void {
  const dx = bx - ax;
  const dy = by - ay;
  const inverse = 1 / Math.max(dx * dx + dy * dy, 1e-12);
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
  const right = Math.min(SIDE - 1, Math.floor(Math.max(ax, bx) + reach));
  const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
  const bottom = Math.min(SIDE - 1, Math.floor(Math.max(ay, by) + reach));
  for (let row = top; row <= bottom; row++) {
    const y = row + 0.5 - ay;
    for (let column = left; column <= right; column++) {
      const x = column + 0.5 - ax;
      const along = Math.min(1, Math.max(0, (x * dx + y * dy) * inverse));
      const ox = x - along * dx;
      const oy = y - along * dy;
      const squared = ox * ox + oy * oy;
      if (squared < nearest[row * SIDE + column]!) nearest[row * SIDE + column] = squared;
    }
  }
}

/** Draws sample `index` into `image`, in one of the `ways`; `nearest` is room to work in. */
function drawSample(image: Uint8Array, ways: Stroke[][], seed: number, index: number, nearest: Float64Array): void {
  const random = new Random(seed, index * STREAMS);
  const way = ways[random.integer(ways.length)]!;
  const warp = warpOf(random);
  const pen = random.uniform(...SPREAD.pen);
  const ink = random.uniform(...SPREAD.ink) * 255;
  nearest.fill(Infinity);
  for (const stroke of way) {
    const path = polyline(stroke, warp);
    for (let i = 0; i + 3 < path.length; i += 2) {
      drawPiece(nearest, pen + 0.5, path[i]!, path[i + 1]!, path[i + 2]!, path[i + 3]!);
    }
  }
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    // Anti-aliasing: coverage falls from 1 to 0 over the pixel that the edge of the pen crosses.
    const coverage = Math.min(1, Math.max(0, pen + 0.5 - Math.sqrt(nearest[pixel]!)));
    // The four bytes of one hash add up to a nearly normal number: mean 510, standard deviation 147.8.
    const bits = pcgHash(seed, index * STREAMS + 1, pixel);
    const noise = ((bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24) - 510) / 147.8;
    image[pixel] = Math.min(255, Math.max(0, Math.round(ink * coverage + SPREAD.noise * noise)));
  }
}

/** The ten digits in an order of their own for each block of ten samples, so every prefix is balanced to within one. */
function labelsOf(samples: number, seed: number): Uint8Array {
  const labels = new Uint8Array(samples);
  for (let start = 0; start < samples; start += CLASSES) {
    const random = new Random(seed, start * STREAMS + 2);
    const order = Array.from({ length: CLASSES }, (_, digit) => digit);
    for (let i = CLASSES - 1; i > 0; i--) {
      const j = random.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    labels.set(order.slice(0, samples - start), start);
  }
  return labels;
}

/** Options of `digits`. */
export interface DigitsOptions {
  /** How many images, default 10,000. */
  samples?: number;
  /** Integer from 0 to 2^32 - 1, default 0. Another seed draws other images of the same kind. */
  seed?: number;
}

/**
 * Draws handwritten-looking digits: grey images of 28 x 28 bytes, ten classes, white ink on black, in the layout of
 * MNIST. For trying things out without a download; it needs no file and no network.
 *
 * Sample i depends on (seed, i) only, so `digits({ samples: 100 })` is the beginning of `digits({ samples: 1000 })`,
 * and the bytes are the same in every JavaScript engine. Every ten samples from a multiple of ten on hold each digit
 * once. Split train from test with `split`, not with a second seed: both work, the first says what it does.
 *
 * How hard it is, with 8,000 samples to train on and 2,000 to test on, seeds 0 to 2, Adam, batches of 64: multinomial
 * logistic regression reaches at most 90.9 % (the best epoch of 100, over three learning rates); a
 * 784-100-100-100-100-10 ReLU network has 98.2 to 98.9 % after 10 epochs at 1e-3 (six initialisations each). 10,000
 * images take about 0.35 s.
 *
 * @returns A data set of classes, scaled to [0, 1] (scale 1/255, shift 0), with `image: [28, 28]`.
 * @throws DownhillError OPTION-UNKNOWN, OPTION-TYPE or OPTION-RANGE for options other than the above; at most
 *   2,739,137 samples (2 GiB).
 * @example
 * const [train, test] = split(digits({ samples: 10_000, seed: 1 }), 8_000);
 */
export const digits = (options: DigitsOptions = {}): Dataset => atOnce(drawn('digits', options));

/**
 * The same as {@link digits}, in pieces of some milliseconds: meanwhile a page stays responsive, and a program hears of
 * signals. 60,000 images take about 2 s.
 *
 * @returns What `digits` returns, byte for byte.
 * @throws DownhillError as `digits`, by rejecting.
 * @example
 * const data = await drawDigits({ samples: 60_000 });
 */
export const drawDigits = (options: DigitsOptions = {}): Promise<Dataset> => inTurns(drawn('drawDigits', options));

function* drawn(where: string, options: DigitsOptions): Generator<void, Dataset, void> {
  checkOptions(where, options, ['samples', 'seed']);
  const samples = checkInteger(`${where}.samples`, options.samples ?? 10_000, 1, MOST_SAMPLES);
  const seed = checkInteger(`${where}.seed`, options.seed ?? 0, 0, 2 ** 32 - 1);
  const ways = WAYS.map((texts) => texts.map(parseWay));
  const labels = labelsOf(samples, seed);
  const x = new Uint8Array(samples * PIXELS);
  const nearest = new Float64Array(PIXELS);
  for (let index = 0; index < samples; index++) {
    drawSample(x.subarray(index * PIXELS, (index + 1) * PIXELS), ways[labels[index]!]!, seed, index, nearest);
    yield;
  }
  return Object.freeze({
    samples,
    features: PIXELS,
    x,
    scale: 1 / 255,
    shift: 0,
    targets: Object.freeze({ kind: 'classes' as const, classes: CLASSES, labels }),
    image: Object.freeze([SIDE, SIDE] as const),
  });
}
