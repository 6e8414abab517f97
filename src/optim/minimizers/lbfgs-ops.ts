import type { BufferRange } from '../../gpu/buffers.js';
import { LBFGS_GROUPS, type LbfgsOp, lbfgsOp } from '../../kernels/lbfgs.js';
import type { Op } from '../../kernels/op.js';
import type { BoundPoints, MinimizerBinding } from '../minimizer.js';
import type { Rule } from '../rule.js';
import { type Segments, trainedSegments } from '../trained.js';
import { type LbfgsHyper, type LbfgsMemory, longestSegment, trialsOf } from './lbfgs-memory.js';

/* The ops of a round: 7 of its own for each span of the parameters, `control` and `coefficients` once. */

const SEARCHES = { none: 0, armijo: 1, 'strong-wolfe': 2 } as const;

/** Of a grid of so many steps around its base, those that are longer. */
const longerOf = (trials: number) => (trials >= 8 ? 2 : trials >= 3 ? 1 : 0);

export function roundOps(
  binding: MinimizerBinding<Rule>,
  memory: LbfgsMemory,
  bound: BoundPoints,
  hyper: LbfgsHyper,
): Op[] {
  const { space, buffers, groups, ring } = binding;
  const segments = trainedSegments(buffers, space, groups, longestSegment(space));
  const { clocks, values } = memory;
  return [
    ...space.spans.map((_, span) => trialOp(binding, memory, span)),
    ...bound.gradient,
    ...bound.next({ clock: clocks, losses: values }, ring),
    ...decisionOps(binding, memory, segments, hyper),
    ...directionOps(binding, memory, segments, hyper),
  ];
}

/** The label of a pass; of one of a span by its number, where there are several. */
const labelOf = ({ label, space }: MinimizerBinding<Rule>, pass: string, span?: number) =>
  `${label}/lbfgs-${pass}${span === undefined || space.spans.length === 1 ? '' : `-${span}`}`;

const fours = (elements: number) => ({ quads: elements / 4 });
const groupsOf = (elements: number) => Math.min(Math.ceil(elements / 256), LBFGS_GROUPS);

function trialOp(binding: MinimizerBinding<Rule>, memory: LbfgsMemory, span: number): LbfgsOp {
  const { space, params } = binding;
  const { steps, clock, clocks, d, points } = memory;
  const { elements } = space.spans[span]!;
  const [x, own, tried] = [params, d, points.params].map(({ ranges }) => ranges[span]!) as BufferRange[];
  const shape = { sizes: fours(elements), groups: groupsOf(elements) };
  const operands = { steps, clock, x: x!, d: own!, points: tried!, clocks };
  return lbfgsOp(labelOf(binding, 'trial', span), 'trial', shape, operands, points.space.replicas);
}

/** Slopes, what becomes of the round, and x with its pair. */
function decisionOps(
  binding: MinimizerBinding<Rule>,
  memory: LbfgsMemory,
  segments: Segments,
  hyper: LbfgsHyper,
): LbfgsOp[] {
  const { lineSearch, stochastic } = hyper;
  const { space, buffers, params, losses, ring } = binding;
  const { state, steps, clock, values, points, d, g, s, y } = memory;
  const count = points.space.replicas;
  const partial = {
    buffer: buffers.storage('slopes', 8 * segments.all * count),
    offset: 0,
    size: 8 * segments.all * count,
  };
  const dots = segments.spans.map(({ span, count: own, range }) => {
    const sizes = { segments: own, ...fours(space.spans[span]!.elements) };
    const operands = { clock, grads: points.grads.ranges[span]!, d: d.ranges[span]!, segments: range, partial };
    return lbfgsOp(labelOf(binding, 'dots', span), 'dots', { sizes, groups: own }, operands, count);
  });
  const control = lbfgsOp(
    labelOf(binding, 'control'),
    'control',
    {
      sizes: { points: count, all: segments.all, ring, longer: longerOf(trialsOf(hyper)) },
      constants: { SEARCH: SEARCHES[lineSearch], STOCHASTIC: stochastic },
      groups: 1,
    },
    { state, steps, clock, partial, values, losses },
  );
  const commits = space.spans.map(({ elements }, span) => {
    const shape = {
      ...{ sizes: { ...fours(elements), points: count }, groups: groupsOf(elements) },
      constants: { STOCHASTIC: stochastic },
    };
    const vectors = { points: points.params, grads: points.grads, x: params, g, s, y };
    const operands = Object.fromEntries(Object.entries(vectors).map(([name, { ranges }]) => [name, ranges[span]!]));
    return lbfgsOp(labelOf(binding, 'commit', span), 'commit', shape, { state, ...operands });
  });
  return [...dots, control, ...commits];
}

/** Products, coefficients and the direction of the next round. */
function directionOps(
  binding: MinimizerBinding<Rule>,
  memory: LbfgsMemory,
  segments: Segments,
  hyper: LbfgsHyper,
): LbfgsOp[] {
  const { stochastic, convention } = hyper;
  const { space, buffers, params } = binding;
  const { slots, state, steps, clock, settings, products, delta, points, d, g, s, y } = memory;
  const rows = 2 * slots + 2;
  const bytes = 16 * segments.all * rows;
  const partial = { buffer: buffers.storage('partial', bytes), offset: 0, size: bytes };
  const at = (span: number) => ({ s: s.ranges[span]!, y: y.ranges[span]!, g: g.ranges[span]! });
  const sizesOf = (span: number, count: number) => ({
    ...{ segments: count, ...fours(space.spans[span]!.elements), slots },
  });
  const gram = segments.spans.map(({ span, count, range }) => {
    const operands = { state, ...at(span), x: params.ranges[span]!, segments: range, partial };
    const shape = { sizes: sizesOf(span, count), groups: rows * count };
    return lbfgsOp(labelOf(binding, 'gram', span), 'gram', shape, operands);
  });
  const own = points.space.replicas;
  const coefficients = lbfgsOp(
    labelOf(binding, 'coefficients'),
    'coefficients',
    {
      sizes: { points: own, all: segments.all, slots, longer: longerOf(trialsOf(hyper)) },
      constants: { EUCLIDEAN: convention === 'optax', STOCHASTIC: stochastic },
      groups: 1,
    },
    { settings, state, clock, steps, partial, products, delta },
  );
  const direction = segments.spans.map(({ span, count, range }) => {
    const operands = { state, delta, ...at(span), segments: range, d: d.ranges[span]! };
    const shape = { sizes: sizesOf(span, count), groups: count };
    return lbfgsOp(labelOf(binding, 'direction', span), 'direction', shape, operands);
  });
  return [...gram, coefficients, ...direction];
}
