/** Numbers for inputs: the same in every place for the same seed, so that contenders and runs compute the same thing. */

/** Uniform in [0, 1), 32 bits of a PCG. */
export function generator(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) + 0x6d2b79f5) >>> 0;
  return () => {
    state = (Math.imul(state, 747796405) + 2891336453) >>> 0;
    const word = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0;
    return (((word >>> 22) ^ word) >>> 0) / 2 ** 32;
  };
}

/** Uniform in [-scale, scale). */
export function uniform(length: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  const next = generator(seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (2 * next() - 1) * scale;
  return values;
}

/** Normal with this standard deviation (Box-Muller). */
export function normal(length: number, seed: number, deviation: number): Float32Array<ArrayBuffer> {
  const next = generator(seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** `count` different places in [0, length), to look at where all would be too many. */
export function places(length: number, count: number, seed: number): number[] {
  if (count >= length) return Array.from({ length }, (_, i) => i);
  const next = generator(seed);
  const chosen = new Set([0, length - 1]); // the ends are where kernels go wrong
  while (chosen.size < count) chosen.add(Math.floor(next() * length));
  return [...chosen];
}
