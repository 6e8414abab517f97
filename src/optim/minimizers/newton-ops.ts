import { range } from '../../gpu/buffers.js';
import { NEWTON_GROUPS, type NewtonOp, newtonOp } from '../../kernels/newton.js';
import type { Op } from '../../kernels/op.js';
import type { Vector } from '../../space/space.js';
import type { BoundPoints, MinimizerBinding } from '../minimizer.js';
import type { Rule } from '../rule.js';
import { trainedSegments } from '../trained.js';
import { longestSegment } from './lbfgs-memory.js';
import type { NewtonHyper, NewtonMemory } from './newton-memory.js';

/*
 * The ops of a step: the gradient at the point, which is x while a direction grows and its end when that is tried; what becomes of
 * it; then a product with the Hessian there and a step of conjugate gradients. The step that takes a point makes the first product
 * of the next direction. All steps are alike.
 */

export function stepOps(
  binding: MinimizerBinding<Rule>,
  memory: NewtonMemory,
  bound: BoundPoints,
  { products }: NewtonHyper,
  gaussNewton: boolean,
): Op[] {
  const { space, buffers, groups, ring, label, params, losses } = binding;
  const { clock, clocks, values, settings, state, g, z, r, d, hd, points } = memory;
  const segments = trainedSegments(buffers, space, groups, longestSegment(space));
  const partial = range(buffers.storage('partial', 32 * segments.all));
  const named = (pass: string, span: number) => `${label}/newton-${pass}${space.spans.length > 1 ? `-${span}` : ''}`;
  const at = ({ ranges }: Vector, span: number) => ranges[span]!;

  const dots = (pass: string, a: Vector, b: Vector, c: Vector): NewtonOp[] =>
    segments.spans.map(({ span, count, range: own }) =>
      newtonOp(
        named(`dots-${pass}`, span),
        'dots',
        { sizes: { segments: count }, groups: count },
        { segments: own, a: at(a, span), b: at(b, span), c: at(c, span), partial },
      ),
    );
  const control = (pass: string, stage: number): NewtonOp =>
    newtonOp(
      `${label}/newton-${pass}`,
      'control',
      { sizes: { all: segments.all, ring, most: products }, constants: { STAGE: stage }, groups: 1 },
      { settings, partial, values, state, clock, losses },
    );
  const move = (pass: string, stage: number, given: Readonly<Record<string, Vector>>): NewtonOp[] =>
    segments.spans.map(({ span, count, range: own }) =>
      newtonOp(
        named(pass, span),
        'move',
        { sizes: { segments: count }, constants: { STAGE: stage }, groups: count },
        {
          ...{ segments: own, state },
          ...Object.fromEntries(Object.entries(given).map(([name, vector]) => [name, at(vector, span)])),
        },
      ),
    );
  const begin = segments.spans.map(({ span, count, range: own }) =>
    newtonOp(
      named('begin', span),
      'begin',
      { sizes: { segments: count }, groups: count },
      { segments: own, state, grads: at(points.grads, span), g: at(g, span), r: at(r, span), d: at(d, span) },
    ),
  );
  const place = space.spans.map(({ elements }, span) =>
    newtonOp(
      named('point', span),
      'point',
      { sizes: { quads: elements / 4 }, groups: Math.min(Math.ceil(elements / 256), NEWTON_GROUPS) },
      { state, clock, x: at(params, span), z: at(z, span), point: at(points.params, span), clocks },
    ),
  );
  return [
    ...place,
    ...bound.gradient,
    ...bound.next({ clock: clocks, losses: values }, ring),
    ...dots('gradient', points.grads, points.grads, points.grads),
    control('judge', 0),
    ...move('take', 0, { a: z, b: points.params, c: params }),
    ...begin,
    ...bound.product!(d, hd, gaussNewton),
    ...dots('product', d, hd, z),
    control('length', 1),
    ...move('move', 1, { a: z, b: d, c: r, e: hd }),
    ...dots('residual', r, g, z),
    control('turn', 2),
    ...move('turn-on', 2, { a: d, b: r }),
  ];
}
