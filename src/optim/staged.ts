import type { BufferSet } from '../gpu/buffers.js';
import type { Op } from '../kernels/op.js';
import { type StagePiece, stage } from '../kernels/stage.js';

export { stageForms } from '../kernels/stage.js';

import { adoptedSpace, longestSpan } from '../space/adopted.js';
import { arenaSpace } from '../space/arena.js';
import type { Space, Span, Vector } from '../space/space.js';
import type { AdoptedTensor } from './adopt.js';
import { bind, Updater, type UpdaterOptions } from './updater.js';

/*
 * Rules of several passes on memory that somebody else owns: it is copied into arenas of ours and back each step, so that such
 * a rule sees the same padded memory whoever owns its tensors.
 */

type Options = Omit<UpdaterOptions, 'space' | 'param' | 'grad' | 'apply'>;

/** An updater on arenas, and the ops of a step with the copies around its own. */
export function stagedUpdater(buffers: BufferSet, tensors: readonly AdoptedTensor[], options: Options) {
  const { before, after, ...memory } = stageTensors(buffers, tensors, options);
  // What arrives in an arena is f32, and nobody's to clear.
  const updater = new Updater(buffers, { ...options, ...memory, unit: undefined, zero: false, apply: () => [] });
  return { updater, ops: [...before, ...updater.ops, ...after] };
}

interface Staged {
  readonly space: Space;
  readonly param: Vector;
  readonly grad: Vector;
  /** Theirs into ours, before a step; and the parameters back, behind it. */
  readonly before: readonly Op[];
  readonly after: readonly Op[];
}

function stageTensors(
  buffers: BufferSet,
  tensors: readonly AdoptedTensor[],
  { label, unit, zero }: Pick<Options, 'label' | 'unit' | 'zero'>,
): Staged {
  const { device } = buffers;
  const trained = tensors.filter(({ frozen, elements }) => !frozen && elements > 0);
  const maxBytes = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const space = arenaSpace(trained, { maxBytes });
  const foreign = adoptedSpace(trained, longestSpan(device), true);
  const [param, grad] = [space.vector(buffers, 'parameters'), space.vector(buffers, 'gradients')];
  const copies = (pass: string, theirs: Vector, ours: Vector, options: { out?: boolean; zero?: boolean }) =>
    foreign.space.spans.flatMap((span, i) =>
      ours.ranges.flatMap((own, k) => {
        const bound = bind(device, theirs.ranges[i]!);
        const pieces = piecesOf(span, space, k).map((piece) => ({ ...piece, foreign: piece.foreign + bound.first }));
        if (pieces.length === 0) return [];
        const all = pieces.map((piece) => (theirs === foreign.grad && unit !== undefined ? { ...piece, unit } : piece));
        return [stage(`${label}/${pass}-${i}${k > 0 ? `-${k}` : ''}`, all, { foreign: bound.range, own }, options)];
      }),
    );
  return {
    space,
    param,
    grad,
    before: [...copies('fetch', foreign.param, param, {}), ...copies('fetch-gradients', foreign.grad, grad, { zero })],
    after: copies('return', foreign.param, param, { out: true }),
  };
}

/** What a foreign span and an arena have in common, in elements from the span's first. */
function piecesOf({ parts }: Span, space: Space, arena: number): StagePiece[] {
  return parts.flatMap((theirs) =>
    space.partsOf(theirs.tensor).flatMap((ours) => {
      if (ours.span !== arena) return [];
      const begin = Math.max(theirs.start, ours.start);
      const end = Math.min(theirs.start + theirs.elements, ours.start + ours.elements);
      if (begin >= end) return [];
      return [{ foreign: theirs.at + begin - theirs.start, own: ours.at + begin - ours.start, elements: end - begin }];
    }),
  );
}
