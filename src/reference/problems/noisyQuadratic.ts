import { hash } from '../hash.js';
import type { NoiseAt, ReferenceProblem } from '../problem.js';
import { quadratic } from './quadratic.js';

/** Of an element: the centred sum of twelve 16-bit uniforms. */
function noise({ seed, step }: NoiseAt, i: number): number {
  let sum = -393210;
  for (let pair = 0; pair < 6; pair++) {
    const bits = hash(seed, step, 6 * i + pair);
    sum += Math.floor(bits / 65536) + (bits % 65536);
  }
  return sum / 65536;
}

/** ½ Σ h x², with gradient h·x + sigma·ξ. */
export const noisyQuadratic: ReferenceProblem = {
  ...quadratic,
  gradient(x, given, at) {
    const exact = quadratic.gradient(x, given);
    return at ? exact.map((value, i) => value + (given.sigma as number) * noise(at, i)) : exact;
  },
};
