import { checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { Random } from '../kernels/random.js';
import { arrays } from './arrays.js';
import type { Dataset } from './dataset.js';

/*
 * Points of the plane in two classes, as textbooks draw them: small enough to see what a network makes of them. Point i depends
 * on (seed, i) only, and its class is i mod 2, so that every beginning of a set is balanced.
 */

/** Options of `spirals`, `circles`, `xor` and `moons`. */
export interface ToyOptions {
  /** How many points, default 1,000. */
  samples?: number;
  /** Standard deviation of what is added to each coordinate, default 0.05; 0 leaves the points on their curves. */
  noise?: number;
  /** Integer from 0 to 2^32 - 1, default 0. */
  seed?: number;
}

const CLASSES = 2;
/** 2 GiB of coordinates, as of `digits`. */
const MOST_SAMPLES = 2 ** 28;

/** Where a point of class 0 or 1 lies before noise. */
type Place = (label: number, random: Random) => readonly [number, number];

function draw(name: string, options: ToyOptions, place: Place): Dataset {
  checkOptions(name, options, ['samples', 'noise', 'seed']);
  const samples = checkInteger(`${name}.samples`, options.samples ?? 1000, 2, MOST_SAMPLES);
  const noise = checkNumber(`${name}.noise`, options.noise ?? 0.05, { min: 0 });
  const seed = checkInteger(`${name}.seed`, options.seed ?? 0, 0, 2 ** 32 - 1);
  const x = new Float32Array(2 * samples);
  const y = new Uint8Array(samples);
  for (let i = 0; i < samples; i++) {
    const random = new Random(seed, i);
    y[i] = i % CLASSES;
    const [a, b] = place(y[i]!, random);
    x[2 * i] = a + random.normal(0, noise);
    x[2 * i + 1] = b + random.normal(0, noise);
  }
  return arrays({ x, y, classes: CLASSES, features: 2, featureNames: ['x', 'y'] });
}

/** Turns of each arm of `spirals`. */
const TURNS = 1.75;

/**
 * Two spirals, one inside the other: what no line separates, and what a network of one narrow layer finds hard.
 *
 *     r = √u,  a = 3.5π r + π class,  (x, y) = (r sin a, r cos a) + noise,   u uniform in [0, 1)
 *
 * @returns `samples` points of two features, `x` and `y`, in two classes in turn; scale 1, shift 0.
 * @throws DownhillError OPTION-UNKNOWN, OPTION-TYPE or OPTION-RANGE for options other than those of `ToyOptions`.
 * @example
 * const [train, test] = split(spirals({ samples: 1000, noise: 0.02 }), 800);
 */
export function spirals(options: ToyOptions = {}): Dataset {
  return draw('spirals', options, (label, random) => {
    const r = Math.sqrt(random.uniform());
    const a = Math.PI * (2 * TURNS * r + label);
    return [r * Math.sin(a), r * Math.cos(a)];
  });
}

/**
 * A ring and a disc's rim inside it: radius 1 for class 0, 1/2 for class 1.
 *
 *     (x, y) = r (cos a, sin a) + noise,   a uniform in [0, 2π)
 *
 * @returns, @throws as of `spirals`.
 */
export function circles(options: ToyOptions = {}): Dataset {
  return draw('circles', options, (label, random) => {
    const a = 2 * Math.PI * random.uniform();
    const r = label === 0 ? 1 : 0.5;
    return [r * Math.cos(a), r * Math.sin(a)];
  });
}

/** Half the width of the empty cross between the squares of `xor`. */
const GAP = 0.1;

/**
 * Four squares, of which the opposite ones are of one class: class 1 where the signs of x and y differ.
 *
 *     |x|, |y| uniform in [0.1, 1), the sign of x by a coin, that of y by the class; + noise
 *
 * @returns, @throws as of `spirals`.
 */
export function xor(options: ToyOptions = {}): Dataset {
  return draw('xor', options, (label, random) => {
    const sign = random.integer(2) === 0 ? 1 : -1;
    const x = sign * random.uniform(GAP, 1);
    return [x, (label === 0 ? sign : -sign) * random.uniform(GAP, 1)];
  });
}

/**
 * Two half circles that reach into each other.
 *
 *     class 0: (cos a, sin a),  class 1: (1 - cos a, 1/2 - sin a);  + noise,   a uniform in [0, π)
 *
 * @returns, @throws as of `spirals`.
 */
export function moons(options: ToyOptions = {}): Dataset {
  return draw('moons', options, (label, random) => {
    const a = Math.PI * random.uniform();
    return label === 0 ? [Math.cos(a), Math.sin(a)] : [1 - Math.cos(a), 0.5 - Math.sin(a)];
  });
}

/** The sets of points by name. */
export const toys = { spirals, circles, xor, moons } as const;
export type Toy = keyof typeof toys;
