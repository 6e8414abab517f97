import { type Family, traitsOf } from '../../gpu/traits.js';

/*
 * Which kernel a GPU takes for a product, by what is published of its family (../shared/research/performance-anchors.md,
 * sections 0.2, 1.4 and 1.5): no GPU has been measured by us. Never by the number of replicas, of which bits must not depend.
 */

/** Workgroups of 256 threads that occupy a large card of the family: WebGPU does not tell how many cores there are. */
const FILL: Readonly<Partial<Record<Family, number>>> = { nvidia: 128, amd: 96, apple: 32, intel: 32, adreno: 16 };
const USUAL_FILL = 32;

/**
 * A thread with 8 × 4 or 8 × 8 sums reads less of the tile for each: NVIDIA's cards have 128 multiply-adds for 32 words of it a
 * clock. Elsewhere what is published ships 4 × 4.
 */
const LARGE: ReadonlySet<Family> = new Set(['nvidia']);

/** Splitting a sum costs a second pass: a gain at 80 cores and more, a loss of a tenth at 20 (meganeura). */
const SPLITTING: ReadonlySet<Family> = new Set(['nvidia', 'amd']);
const LONG = 512;

/**
 * @returns the kernel's name; undefined for the kernels that run everywhere: on CPU adapters, and where a result has less than
 * a tile or too few of them
 */
export function choose(
  { m, n, k }: { readonly m: number; readonly n: number; readonly k: number },
  device: GPUDevice,
): string | undefined {
  const { cpu, family } = traitsOf(device);
  if (cpu) return undefined;
  const fill = FILL[family] ?? USUAL_FILL;
  const tiles = (height: number, width: number) => Math.ceil(m / height) * Math.ceil(n / width);
  // The largest tile that still occupies the card.
  if (LARGE.has(family) && tiles(128, 128) >= fill) return 'tile-128x128';
  if (LARGE.has(family) && tiles(64, 128) >= fill) return 'tile-64x128';
  const small = tiles(64, 64);
  if (small < fill / 2 && k >= LONG && SPLITTING.has(family)) return 'tile-64x64-split';
  return Math.min(m, n) >= 64 && small >= fill / 8 ? 'tile-64x64' : undefined;
}
