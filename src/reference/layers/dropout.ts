import { hash } from '../hash.js';
import type { ReferenceLayerOf, ReferencePass } from '../layer.js';

/** Keeps these numbers apart from others of the same seed: 'DP'. */
const STREAM = 0x4450_0000;

/** 0, or 1/(1 - p), for each element: that of the kernel, bit for bit. */
function mask({ seed, step, place }: ReferencePass, p: number, length: number): Float64Array {
  const key = hash(seed, STREAM + place, 0);
  const threshold = Math.round(p * 2 ** 32);
  return Float64Array.from({ length }, (_, i) => (hash(key, step, i) >= threshold ? 1 / (1 - p) : 0));
}

/** Inverted dropout in training, nothing in evaluation. */
export const dropout: ReferenceLayerOf = (_input, _output, settings) => {
  const { p } = settings as { p: number };
  return {
    forward(x, _, pass) {
      if (pass.mode === 'evaluate') return x;
      const factors = mask(pass, p, x.length);
      return x.map((value, i) => (factors[i] === 0 ? 0 : value * factors[i]!));
    },
    backward(dy, pass) {
      const factors = mask(pass, p, dy.length);
      return { gradients: [], dx: dy.map((d, i) => (factors[i] === 0 ? 0 : d * factors[i]!)) };
    },
  };
};
