import { integer, number } from '../../gpu/fields.js';
import { defineMinimizer } from './row.js';

/**
 * Newton's method with directions by conjugate gradients within a trust region (Steihaug), all of it on the GPU. For full batches.
 *
 *   z ≈ argmin g·z + z·Hz/2 over |z| ≤ radius;  x += z where the loss falls by 1e-4 of what that foretells
 *
 * Products with the Hessian H are exact, by the R-operator. Conjugate gradients end where the residual is below min(1/2, √|g|) of |g|,
 * after `products` of them, or at the edge of the region: there lead directions in which the loss bends down, so that saddles are left.
 * The radius is quartered where the loss falls by less than a quarter of what was foretold, and doubled where it falls by more
 * than three quarters of that at the edge.
 *
 * A step of the trainer is one product, and one gradient where it is made: a direction of k products takes k steps, whose loss stays;
 * the step behind its last one tries it, and begins the next. A point that is refused is reported as `skipped`. No step waits for
 * the host. It ends by itself, and `trainer.stopped` says why: 'gradient', max |g| ≤ `toleranceGrad`; 'flat', float32 no longer tells
 * a gain, twice in a row; 'linesearch', 20 points in a row were refused; 'nonfinite', the first loss or gradient is not finite.
 *
 * State: 7 values per parameter. Refused: mini-batches, which change the loss under it; batch norm, layer norm and dropout, which have no
 * products.
 *
 * @example newtonCg({ products: 50 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Steihaug 1983, The conjugate gradient method and trust regions in large scale optimization, https://doi.org/10.1137/0720042.
 */
export const newtonCg = defineMinimizer({
  name: 'newtonCg',
  title: 'Newton-CG',
  formula: ['z ≈ argmin g·z + z·Hz/2 over |z| ≤ radius', 'x += z where the loss falls as foretold'],
  paper: 'https://doi.org/10.1137/0720042',
  use: 'Full batches and badly conditioned problems of smooth networks: few steps, and saddles are left behind.',
  fields: {
    products: integer('most products with the Hessian for one step', 20, { min: 1, max: 1000 }),
    radius: number('first radius of the trust region', 1, { above: 0, fixed: true }),
    toleranceGrad: number('largest |g| of an element at which it ends', 1e-5, { min: 0, fixed: true }),
  },
  minimizer: () => import('./newton-steps.js').then(({ hessian }) => hessian),
});
