import type { BufferRange } from '../gpu/buffers.js';
import { mixShader } from '../shaders/space/mix.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/**
 * When a mix happens, by the clock: in any case; right after an update that was applied, or every `every`-th; before there was
 * any, or once there was.
 */
const WHEN = { always: 0, applied: 1, every: 2, before: 3, later: 4 } as const;

/** A vector in a binding, from its element `first` on. */
export interface Placed {
  readonly range: BufferRange;
  readonly first: number;
}

export type MixOp = Op<
  'mix',
  {
    readonly segments: number;
    readonly stride: number;
    /** First element of each. */
    readonly base: number;
    readonly other: number;
    readonly target: number;
    readonly when: keyof typeof WHEN;
    readonly every: number;
  }
>;

/** What {@link mix} takes. */
export interface MixOperands {
  readonly label: string;
  readonly clock: BufferRange;
  /** Per segment: first element, elements, group, 0. */
  readonly segments: BufferRange;
  readonly count: number;
  /** Elements from one replica to the next. */
  readonly stride: number;
  readonly target: Placed;
  /** Default the target itself. */
  readonly base?: Placed;
  /** What the base is mixed with, by weights [groups, replicas]; left out, the target becomes the base, bit for bit. */
  readonly other?: Placed & { readonly weights: BufferRange };
  readonly when?: keyof typeof WHEN;
  readonly every?: number;
  readonly replicas: number;
}

/** target = base + w·(other - base) over the segments of a span. */
export function mix(operands: MixOperands): MixOp {
  const { label, clock, segments, count, stride, target, base, other, when = 'always', every = 1, replicas } = operands;
  const firsts = { base: base?.first ?? 0, other: other?.first ?? 0, target: target.first };
  return {
    kind: 'mix',
    label,
    shape: { segments: count, stride, ...firsts, when, every },
    buffers: {
      ...{ clock, segments, weights: other?.weights },
      ...{ base: base?.range, other: other?.range, result: target.range },
    },
    replicas,
  };
}

export const mixForms: readonly Form[] = [
  formOf<MixOp>('mix', 'mix', ({ label, shape, buffers, replicas }) => {
    const { when, target, ...sizes } = shape;
    return [
      {
        label,
        shader: mixShader,
        constants: { MIX: buffers.other !== undefined, IN_PLACE: buffers.base === undefined, WHEN: WHEN[when] },
        shape: { ...sizes, result: target },
        buffers,
        groups: shape.segments,
        replicas,
      },
    ];
  }),
];
