import type { BufferSet } from '../gpu/buffers.js';
import { add } from '../kernels/add.js';
import type { Op } from '../kernels/op.js';
import type { Model } from '../nn/model.js';
import type { BoundNetwork } from '../nn/network.js';
import { bindProduct, loadProduct, stored } from '../nn/product.js';
import type { Space, Vector } from '../space/space.js';
import { pieces } from '../space/vectors.js';
import { type Penalty, penaltyProduct } from './penalty.js';

/* Products of the Hessian of a network's loss with vectors of its parameters' space. Loaded with what needs them. */

/** Where a product reads and writes. */
interface NetworkProduct {
  readonly label: string;
  readonly buffers: BufferSet;
  readonly space: Space;
  readonly direction: Vector;
  readonly out: Vector;
  readonly gaussNewton: boolean;
  readonly penalty: Penalty | undefined;
}

/** @throws DownhillError OPTION-RANGE for a model that has none */
export async function loadNetworkProducts(what: string, model: Model) {
  const kernels = await loadProduct(what, model);
  return {
    /** What a product stands behind. */
    stored,
    ops(network: BoundNetwork, { label, buffers, space, direction, out, gaussNewton, penalty }: NetworkProduct): Op[] {
      const part = space.vector(buffers, 'product-part');
      const product = bindProduct(network, kernels, {
        direction: pieces(space, direction),
        product: pieces(space, out),
        part: pieces(space, part),
        gaussNewton,
      });
      const sums = space.spans.map(({ elements }, i) =>
        add({
          label: `${label}/product-sum${space.spans.length > 1 ? `-${i}` : ''}`,
          source: part.ranges[i]!,
          goal: out.ranges[i]!,
          elements,
          replicas: space.replicas,
        }),
      );
      const added = penalty
        ? penaltyProduct(penalty, { label: `${label}/product`, buffers, space, v: direction, product: out })
        : [];
      return [...product, ...(gaussNewton ? [] : sums), ...added];
    },
  };
}
