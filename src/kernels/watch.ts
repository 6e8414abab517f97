import { histogramShader } from '../shaders/train/histogram.gen.js';
import { momentsShader } from '../shaders/train/moments.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * What telemetry asks of many numbers, cut into segments: their moments, and how they are spread. No part of a step: its
 * passes run after one, where that is asked for.
 */

/** Bins of a histogram. */
export const BINS = 64;
/** Floats of a segment's moments, per replica. */
export const MOMENTS = 8;

interface SegmentsShape {
  /** In this dispatch, and of all that is watched of the kind. */
  readonly segments: number;
  readonly all: number;
  /** Elements from one replica's to the next's, and from one of a segment to its next. */
  readonly stride: number;
  readonly step: number;
  /** A segment has as many elements as the stream says that rows are valid. */
  readonly rows: boolean;
}

export type MomentsOp = Op<'moments', SegmentsShape>;
export type HistogramOp = Op<'histogram', SegmentsShape & { readonly targets: number }>;

/**
 * Moments of the segments of `values`, or of what they are more than `before` (where that is given).
 *
 * @param buffers values; before; segments: (first element, elements, place in partial, target) each; stream with `rows`;
 *   partial: {@link MOMENTS} floats per replica and segment
 */
export const moments = (label: string, shape: MomentsOp['shape'], buffers: MomentsOp['buffers'], replicas = 1) =>
  ({ kind: 'moments', label, shape, buffers, replicas }) satisfies MomentsOp;

/**
 * Counts of {@link BINS} bins per replica and target, between the lowest and the highest element that `moments` found.
 *
 * @param buffers as `moments`; begins: per target the place of its first segment, and the end; counts, added to
 */
export const histogram = (label: string, shape: HistogramOp['shape'], buffers: HistogramOp['buffers'], replicas = 1) =>
  ({ kind: 'histogram', label, shape, buffers, replicas }) satisfies HistogramOp;

const WORKGROUP = 64;

export const watchForms: readonly Form[] = [
  formOf<MomentsOp>('moments/segments', 'moments', ({ label, shape, buffers, replicas }) => {
    const { rows, ...sizes } = shape;
    return [
      {
        label,
        shader: momentsShader,
        constants: { DIFFERENCE: buffers.before !== undefined, ROWS: rows, WORKGROUP },
        shape: sizes,
        buffers,
        groups: shape.segments,
        replicas,
      },
    ];
  }),
  formOf<HistogramOp>('histogram/segments', 'histogram', ({ label, shape, buffers, replicas }) => {
    const { rows, ...sizes } = shape;
    return [
      {
        label,
        shader: histogramShader,
        constants: { ROWS: rows, WORKGROUP },
        shape: sizes,
        buffers,
        groups: shape.segments,
        replicas,
      },
    ];
  }),
];
