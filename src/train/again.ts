import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import type { Pass } from '../gpu/passes.js';
import { mix, type Placed } from '../kernels/mix.js';
import type { Op } from '../kernels/op.js';
import type { Updater } from '../optim/updater.js';

/* Steps that take each gradient twice, on the same batch. Loaded where there are such. */

/** Ops between two gradients of a step, and behind the second. */
interface Again {
  readonly between: readonly Op[];
  readonly behind: readonly Op[];
}

/** Where a wrapper takes each gradient twice: what stands between the two and behind them. The loss stays the first one's. */
export function gradientAgain(buffers: BufferSet, updater: Updater, result: BufferRange): Again | undefined {
  const { clock, options } = updater;
  const twice = (options.wrappers ?? []).find(({ row }) => row.again);
  const own = twice?.row.again?.(twice.settings, updater);
  if (!own) return undefined;
  const words = result.size / 4;
  const kept = range(buffers.storage('kept-result', result.size));
  const segments = range(buffers.upload('result-segment', Uint32Array.of(0, words, 0, 0)));
  const copy = (pass: string, base: BufferRange, target: BufferRange) => {
    const [from, to] = [base, target].map((each) => ({ range: each, first: 0 })) as [Placed, Placed];
    const label = `${options.label}/${pass}`;
    return mix({ label, clock, segments, count: 1, stride: 0, replicas: 1, base: from, target: to });
  };
  return {
    between: [copy('keep-loss', result, kept), ...own.between],
    behind: [...own.behind, copy('loss-back', kept, result)],
  };
}

/** Passes with those of the gradient once more behind what stands between. */
export function inOrder(passes: readonly Pass[], { between, behind }: Again): readonly Pass[] {
  const placeOf = (op: Op | undefined) => passes.findIndex(({ label }) => label === `downhill:${op?.label}`);
  const [first, second] = [placeOf(between[0]), placeOf(behind[0])];
  return [...passes.slice(0, second), ...passes.slice(0, first), ...passes.slice(second)];
}
