import { DownhillError } from '../gpu/errors.js';
import type { Piece } from '../kernels/dense.js';
import { matrixBytes } from '../kernels/matrix.js';
import type { Op } from '../kernels/op.js';
import type { LayerCurvature, LayerProduct } from './layer.js';
import type { LossProduct } from './loss.js';
import type { Model } from './model.js';
import type { BoundNetwork } from './network.js';

/*
 * The Hessian of a network's loss times a vector, without the Hessian: Pearlmutter's R-operator. R M is the derivative of a
 * matrix M of the batch when the parameters move along the vector v = (V_l, v_l); it obeys the rules of a derivative, so that
 * forward and backward pass have counterparts of twice their products:
 *
 *   R z = R a·W + a·V + v,   R a' = f'(z) ⊙ R z,   R D = L''·R z at the outputs,
 *   R D below = (R D·Wᵀ + D·Vᵀ) ⊙ f' + (D·Wᵀ) ⊙ f'' ⊙ R z,   Hv = (R aᵀ·D + aᵀ·R D, Σ R D)
 *
 * Pearlmutter 1994, Fast exact multiplication by the Hessian, https://doi.org/10.1162/neco.1994.6.1.147; without the terms
 * that have D it is the Gauss-Newton matrix, Schraudolph 2002, https://doi.org/10.1162/08997660260028683.
 */

/** What makes products of a model; loaded, so that trainers do not carry it. */
export interface ProductKernels {
  readonly layers: readonly LayerCurvature[];
  loss(binding: LossProduct): readonly Op[];
}

/**
 * What products with the Hessian need beside the network.
 *
 * @param what asks for it, for the message
 * @throws DownhillError OPTION-RANGE for a model whose layers or loss have none, before any GPU work
 */
export function checkProduct(what: string, { layers, loss }: Model): readonly LayerCurvature[] {
  const own = layers.map(({ row }, i) => {
    if (typeof row.curvature === 'object') return row.curvature;
    throw unsupported(
      `${what} takes products with the Hessian, which layers[${i}] (${row.name}) has not${reason(row)}.`,
    );
  });
  if (loss.row.curvature) return own;
  throw unsupported(`${what} takes products with the Hessian, which the loss ${loss.row.name} has not.`);
}

const reason = ({ curvature }: { readonly curvature?: unknown }) =>
  typeof curvature === 'string' ? `: ${curvature}` : '';

const unsupported = (message: string) =>
  new DownhillError('OPTION-RANGE', message, 'Take a model of linear layers and activations.');

/** @throws DownhillError OPTION-RANGE */
export async function loadProduct(what: string, model: Model): Promise<ProductKernels> {
  const layers = checkProduct(what, model);
  const { shader, product } = model.loss.row.curvature!;
  const kernel = await shader();
  return { layers, loss: (binding) => product(binding, kernel) };
}

/** Where a product reads and writes. */
export interface ProductBinding {
  /** v, tensor by tensor. */
  direction(tensor: string): readonly Piece[];
  /** Hv is the sum of what goes here and what goes to `part`, which starts at 0. */
  product(tensor: string): readonly Piece[];
  part(tensor: string): readonly Piece[];
  /** The Gauss-Newton matrix instead. Default false. */
  readonly gaussNewton?: boolean;
}

/** A pass of the network that a product stands behind: every form stores what it reads. */
export const stored = (ops: readonly Op[]): Op[] => ops.map((op) => ({ ...op, alone: true }));

/** The ops of a product, behind a pass of the network in training that is {@link stored}. */
export function bindProduct(network: BoundNetwork, kernels: ProductKernels, binding: ProductBinding): Op[] {
  const { layers, lossBinding, memory } = network;
  const { gaussNewton = false } = binding;
  const last = layers.length;
  const matrixOf = (name: string, i: number) => {
    const { rows, replicas, output } = layers[i]!.binding;
    return memory.scratch(i, name, matrixBytes(rows, output, replicas));
  };
  const own = layers.map(({ binding: layer, train }, i): LayerProduct | undefined => {
    if (!train) return undefined;
    const below = i > 0 && layers[i - 1]!.train;
    const named = (find: ProductBinding['product']) => (name: string) => find(`${i}.${name}`);
    return {
      ...layer,
      rx: below ? matrixOf('tangent', i - 1) : undefined,
      ry: matrixOf('tangent', i),
      rdy: matrixOf('delta-tangent', i),
      rdx: below ? matrixOf('delta-tangent', i - 1) : undefined,
      direction: named(binding.direction),
      grad: named(binding.product),
      part: named(binding.part),
      gaussNewton,
    };
  });
  const { dz: _dz, result: _result, ...loss } = lossBinding;
  return [
    ...own.flatMap((each, i) => (each ? kernels.layers[i]!.tangent(each) : [])),
    ...kernels.loss({
      ...loss,
      label: `${loss.label}-product`,
      rz: matrixOf('tangent', last - 1),
      rdz: matrixOf('delta-tangent', last - 1),
    }),
    ...own.toReversed().flatMap((each, i) => (each ? kernels.layers[last - 1 - i]!.product(each) : [])),
  ];
}
