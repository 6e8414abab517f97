import { integer, number } from '../../gpu/fields.js';
import { defineMinimizer } from './row.js';

/**
 * The Gauss-Newton method with directions by conjugate gradients within a trust region, which is Levenberg's and Marquardt's damping
 * with a radius in place of λ. For full batches of small networks; all of it on the GPU.
 *
 *   z ≈ argmin g·z + z·Gz/2 over |z| ≤ radius, G = Jᵀ·L''·J;  x += z where the loss falls by 1e-4 of what that foretells
 *
 * G is the Hessian without the network's own curvature: it is never negative, a product costs two thirds of the Hessian's, and near a small
 * loss it is as good. Nothing is ever formed, so no condition number is squared, and λ needs no floor. Everything else, the steps of the
 * trainer too, is as in `newtonCg`.
 *
 * State: 7 values per parameter. Refused: mini-batches; batch norm, layer norm and dropout, which have no products. With `l1` G is 0, and
 * it is steepest descent.
 *
 * @example gaussNewton({ products: 50 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Moré 1978, The Levenberg-Marquardt algorithm: implementation and theory, https://doi.org/10.1007/BFb0067700.
 */
export const gaussNewton = defineMinimizer({
  name: 'gaussNewton',
  title: 'Gauss-Newton (Levenberg-Marquardt)',
  formula: ["z ≈ argmin g·z + z·Gz/2 over |z| ≤ radius, G = Jᵀ·L''·J", 'x += z where the loss falls as foretold'],
  paper: 'https://doi.org/10.1007/BFb0067700',
  use: 'Least squares: full batches of small networks with a squared or Huber loss.',
  fields: {
    products: integer('most products with the Gauss-Newton matrix for one step', 20, { min: 1, max: 1000 }),
    radius: number('first radius of the trust region', 1, { above: 0, fixed: true }),
    toleranceGrad: number('largest |g| of an element at which it ends', 1e-5, { min: 0, fixed: true }),
  },
  minimizer: () => import('./newton-steps.js').then((module) => module.gaussNewton),
});
