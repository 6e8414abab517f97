import type { AccountOp } from './account.js';
import type { AdvanceOp } from './advance.js';
import type { DenseWeightGradientOp } from './dense.js';
import type { Op } from './op.js';
import type { UpdateOp } from './update.js';

/** What follows the gradient of a network, where its update needs no more than a tensor's own gradient. */
export interface Following {
  readonly advance: AdvanceOp;
  /** Of everything. */
  readonly update: UpdateOp;
  readonly account: AccountOp | undefined;
}

/** @returns undefined where something looks at the whole gradient first, or other tensors are updated, too */
export function findFollowing(
  ops: readonly Op[],
  at: number,
  gradients: readonly DenseWeightGradientOp[],
): Following | undefined {
  const [advance, update, account] = [ops[at], ops[at + 1], ops[at + 2]] as [AdvanceOp?, UpdateOp?, AccountOp?];
  if (advance?.kind !== 'advance' || update?.kind !== 'update') return undefined;
  const { segments, micro, clip, skip } = advance.shape;
  const seesGradient = segments > 0 || micro > 1 || clip !== undefined || skip !== undefined;
  // A second span has an update of its own.
  const whole = ops[at + 2]?.kind !== 'update' && update.shape.groups !== undefined;
  const buffer = update.buffers.grad?.buffer;
  // An update of some replicas has the gradients of these alone.
  const own = gradients.every(
    ({ buffers, replicas }) => buffers['weight-0']!.buffer === buffer && replicas === update.replicas,
  );
  if (seesGradient || !whole || !own) return undefined;
  return { advance, update, account: account?.kind === 'account' ? account : undefined };
}
