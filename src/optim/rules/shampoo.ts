import type { BufferRange } from '../../gpu/buffers.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { choice, integer, number } from '../../gpu/fields.js';
import type { Op } from '../../kernels/op.js';
import { shampooAdagradShader } from '../../shaders/optim/shampoo/adagrad.gen.js';
import { shampooApplyShader } from '../../shaders/optim/shampoo/apply.gen.js';
import { shampooGatherShader } from '../../shaders/optim/shampoo/gather.gen.js';
import { shampooGraftShader } from '../../shaders/optim/shampoo/graft.gen.js';
import { shampooNormShader } from '../../shaders/optim/shampoo/norm.gen.js';
import { shampooPreconditionShader } from '../../shaders/optim/shampoo/precondition.gen.js';
import { shampooProductShader } from '../../shaders/optim/shampoo/product.gen.js';
import { shampooStartShader } from '../../shaders/optim/shampoo/start.gen.js';
import { shampooStatisticsShader } from '../../shaders/optim/shampoo/statistics.gen.js';
import type { Shader } from '../../shaders/shader.js';
import { largestArena } from '../../space/arena.js';
import type { PlacedVector, TensorShape } from '../../space/space.js';
import { isMatrix, type SegmentBatch, scratchOf, segmentBatches, tilesOf } from '../matrices.js';
import { common, defineRule, on, type RuleText } from '../rule.js';
import type { RulePasses } from '../rule-passes.js';

/**
 * Shampoo: every matrix' gradient multiplied by a preconditioner from each side, as full-matrix AdaGrad would with far more memory.
 *
 *   L += G·Gᵀ;  R += Gᵀ·G
 *   p -= lr·L^(-1/4)·G·R^(-1/4), of each preconditioner A taken as A + eps·F·I, F its largest sum of magnitudes in a row
 *
 * A side longer than `maxPreconditionerSize` keeps the diagonal of its preconditioner only. Tensors that do not have two axes take
 * AdaGrad's step, s += g²; p -= lr·g / (√s + adagradEps), with the same `lr`. Roots are computed anew every `preconditionFrequency`
 * updates, and at each of the first so many.
 *
 * `grafting` gives each matrix' step U the length of another rule's step S (Anil et al. 2020): U·‖S‖/‖U‖, with S = G for 'sgd' and
 * S = g / (√Σg² + adagradEps) for 'adagrad'; then a rate that is right for that rule is right for this one. With `momentum` steps add up,
 * m = momentum·m + U; p -= lr·m, those of other tensors too. Both are as the rule is made with: `grafting` and
 * `maxPreconditionerSize` are the same for all tensors, and `set` does not change them.
 *
 * State: of a matrix [r, c] 2·(r² + c²) values, rounded up to multiples of 4; of other tensors one per parameter; `momentum`, and
 * `grafting: 'adagrad'`, another one per parameter.
 *
 * The inverse fourth roots are 20 coupled Newton steps (Guo & Higham 2006), products only: no eigenvalues, no host; SOAP would need
 * eigenvectors or a QR decomposition, which products are not. In f32 an update lies within 1e-3 of float64's while a preconditioner is
 * close to singular, as in the first steps (measured: 5e-4), and within 1e-5 at 25 steps: what eps = 1e-6 leaves of 24 bits. Hence eps
 * is at least 2^-20. 86 dispatches a step, 87 with `grafting`, however many matrices there are; where roots are not due, their kernels return at once.
 *
 * @example shampoo({ lr: 0.1, preconditionFrequency: 10 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN; LIMIT-BINDING for a matrix that no binding holds.
 * Paper: Gupta et al. 2018, Shampoo: preconditioned stochastic tensor optimization, https://arxiv.org/abs/1802.09568; grafting: Anil et
 * al. 2020, Scalable second order optimization for deep learning, https://arxiv.org/abs/2002.09018.
 */
export const shampoo = defineRule({
  name: 'shampoo',
  title: 'Shampoo',
  formula: [
    'L += G·Gᵀ; R += Gᵀ·G',
    'p -= lr·(L + eps·F·I)^(-1/4)·G·(R + eps·F·I)^(-1/4), F the largest sum of magnitudes in a row of L, of R',
    'grafting: that step times ‖S‖ over its own norm, S = G (sgd) or g / (√Σg² + adagradEps) (adagrad)',
    'momentum: m = momentum·m + step; p -= lr·m',
    'tensors that are not matrices: s += g²; p -= lr·g / (√s + adagradEps)',
  ],
  paper: 'https://arxiv.org/abs/1802.09568',
  use: 'Small and medium matrices whose gradients are strongly correlated: few steps, each of them many products.',
  shader: shampooApplyShader,
  fields: {
    lr: number('learning rate', 0.1, { min: 0 }),
    eps: number('added to the preconditioners, relative to their size', 1e-6, { min: 2 ** -20, max: 1 }),
    preconditionFrequency: integer('updates from one computation of the roots to the next', 1, {
      min: 1,
      max: 2 ** 31,
    }),
    adagradEps: number('added to the denominator of tensors that are not matrices', 1e-10, { min: 2 ** -126 }),
    momentum: number('share of the step before that is added to a step', 0, { min: 0, below: 1 }),
    grafting: choice('whose length the step of a matrix has: its own, or that of another rule', [
      'none',
      'sgd',
      'adagrad',
    ]),
    maxPreconditionerSize: integer('longest side with a whole preconditioner; longer ones keep its diagonal', 1024, {
      min: 0,
    }),
    ...common(),
  },
  fixed: ['grafting', 'maxPreconditionerSize'],
  slots: ({ momentum, grafting }) => [
    ...(grafting === 'adagrad' ? ['graft_sum'] : []),
    ...(on(momentum) ? ['momentum_buffer'] : []),
  ],
  roundings: 2 ** 14,
  kept: {
    what: '`preconditioners` and `roots` of a matrix [r, c], each r² + c²; `sum` of other tensors; square matrices',
    bytes: 16,
    moved: 52,
  },
  derive: (_, { lr, eps, preconditionFrequency, adagradEps, momentum }) => ({
    lr,
    ridge: eps,
    frequency: preconditionFrequency,
    adagrad_eps: adagradEps,
    momentum,
  }),
  passes: (step) => {
    const { grafting, maxPreconditionerSize: largest } = step.groups[0]!.rules[0]!.hyper as unknown as Fixed;
    const shapeOf = preconditionerShape(largest);
    const preconditioners = step.factors('preconditioners', shapeOf);
    const roots = step.factors('roots', shapeOf);
    const batches = batchesOf(step, preconditioners, largest);
    return [
      ...otherTensors(step),
      ...batches.flatMap((batch, i) =>
        matrixPasses(step, batch, { preconditioners, roots, grafting }, i === 0 ? '' : `-${i}`),
      ),
    ];
  },
});

/** Settings that are the same for all. */
interface Fixed {
  readonly grafting: 'none' | 'sgd' | 'adagrad';
  readonly maxPreconditionerSize: number;
}

const pad = (size: number) => Math.ceil(size / 4) * 4;
/** Sides longer than `largest` keep a diagonal. */
const preconditionerSize = (side: number, largest: number) => (side > largest ? pad(side) : pad(side) ** 2);

/** Both preconditioners of a matrix, one behind the other. */
const preconditionerShape = (largest: number) => (tensor: TensorShape) =>
  isMatrix(tensor) ? [tensor.shape.reduce((sum, side) => sum + preconditionerSize(side, largest), 0)] : undefined;

/** A side of a matrix, as the kernels have it: its gradient [n, m] from `x` on, transposed from `other` on. */
interface Side {
  readonly name: string;
  readonly n: number;
  readonly m: number;
  readonly diagonal: boolean;
  readonly x: number;
  readonly other: number;
  readonly a: number;
}

/** Matrices with preconditioners in one arena, and gradients in one binding: left sides, then right ones in the same order. */
interface Batch {
  readonly span: number;
  readonly names: string[];
  readonly left: Side[];
  readonly right: Side[];
  /** Floats of a replica: of all gradients, each twice. */
  wide: number;
}

function batchesOf(step: RulePasses, { space }: PlacedVector, largest: number): Batch[] {
  const capacity = Math.floor(largestArena(step.device) / 4 / step.replicas);
  const batches: Batch[] = [];
  for (const { name, shape } of step.tensors.filter(isMatrix)) {
    const { span, at } = space.partsOf(name)[0]!;
    const [rows, cols] = shape as [number, number];
    const [r, c] = [pad(rows), pad(cols)];
    if (2 * r * c > capacity) {
      throw new DownhillError(
        'LIMIT-BINDING',
        `The matrix ${show(name)}, ${rows} by ${cols}, is multiplied as a whole, but no binding of this device holds it twice.`,
        'Train it with an elementwise rule, or use an adapter with a larger maxStorageBufferBindingSize.',
      );
    }
    let batch = batches.at(-1);
    if (batch?.span !== span || batch.wide + 2 * r * c > capacity) {
      batch = { span, names: [], left: [], right: [], wide: 0 };
      batches.push(batch);
    }
    const x = batch.wide;
    const other = x + r * c;
    batch.names.push(name);
    batch.left.push({ name, n: r, m: c, diagonal: rows > largest, x, other, a: at });
    const a = at + preconditionerSize(rows, largest);
    batch.right.push({ name, n: c, m: r, diagonal: cols > largest, x: other, other: x, a });
    batch.wide += 2 * r * c;
  }
  return batches;
}

/** AdaGrad for what is no matrix. */
function otherTensors(step: RulePasses): Op[] {
  const sum = step.factors('sum', (tensor) => (isMatrix(tensor) ? undefined : tensor.shape));
  const names = step.tensors.filter((tensor) => !isMatrix(tensor)).map(({ name }) => name);
  return segmentBatches(step.space, sum, names).map(({ param, state, segments }, i) => {
    const words = segments.flatMap((each) => [step.groupOf(each.tensor), each.count, each.param / 4, each.state / 4]);
    const pass = `adagrad${i === 0 ? '' : `-${i}`}`;
    return step.kernel(pass, {
      shader: shampooAdagradShader,
      constants: { MOMENTUM: step.has('momentum_buffer') },
      buffers: {
        hyper: step.hyper,
        param: step.param.ranges[param]!,
        grad: step.grad.ranges[param]!,
        sum: sum.vector.ranges[state]!,
        momentum_buffer: step.slot('momentum_buffer')?.ranges[param],
        segments: step.table(`${pass}-segments`, new Uint32Array(words)),
      },
      groups: segments.length,
    });
  });
}

/** The kernels' table of sides. */
const sideTable = (step: RulePasses, sides: readonly Side[]) =>
  new Uint32Array(
    sides.flatMap(({ name, n, m, diagonal, x, other, a }) => [step.groupOf(name), n, m, diagonal ? 1 : 0, x, other, a]),
  );

/** The kernels' tables of segments, a table for each span of the parameters; those of a matrix are counted in their order. */
function segmentTables(step: RulePasses, stretches: readonly SegmentBatch[], left: ReadonlyMap<string, Side>) {
  const all = new Map([...left.keys()].map((name) => [name, 0]));
  for (const { segments } of stretches) for (const { tensor } of segments) all.set(tensor, all.get(tensor)! + 1);
  const [first, place] = [new Map<string, number>(), new Map<string, number>()];
  let count = 0;
  for (const [name, own] of all) {
    first.set(name, count);
    count += own;
  }
  const tables = stretches.map(
    ({ segments }) =>
      new Uint32Array(
        segments.flatMap(({ tensor, start, count: elements, param }) => {
          const { m, n, x, other } = left.get(tensor)!;
          const cols = step.space.tensors.find(({ name }) => name === tensor)!.shape[1]!;
          const own = place.get(tensor) ?? 0;
          place.set(tensor, own + 1);
          const sums = [own, first.get(tensor)!, all.get(tensor)!];
          return [step.groupOf(tensor), start, elements, param / 4, cols, x, m, other, n, ...sums];
        }),
      ),
  );
  return { tables, count };
}

/** The passes of a batch of matrices. @param suffix of their names */
function matrixPasses(
  step: RulePasses,
  batch: Batch,
  kept: { readonly preconditioners: PlacedVector; readonly roots: PlacedVector; readonly grafting: Fixed['grafting'] },
  suffix: string,
): Op[] {
  const { hyper } = step;
  const { space, vector } = kept.preconditioners;
  const [preconditioners, roots] = [vector.ranges[batch.span]!, kept.roots.vector.ranges[batch.span]!];
  const [x, y] = ['g', 'g-next'].map((name) => scratchOf(step, `${name}${suffix}`, batch.wide)) as [
    BufferRange,
    BufferRange,
  ];
  const all = [...batch.left, ...batch.right];
  const sides = step.table(`sides${suffix}`, sideTable(step, all));
  const left = new Map(batch.left.map((side) => [side.name, side]));
  const stretches = segmentBatches(step.space, { space: step.space, vector: step.param }, batch.names);
  const { tables: words, count } = segmentTables(step, stretches, left);
  const tables = words.map((each, i) => step.table(`segments${suffix}-${i}`, each));
  const overSegments = (
    pass: string,
    shader: Shader,
    buffers: (param: number) => Record<string, BufferRange | undefined>,
    constants = {},
  ) =>
    stretches.map(({ param, segments }, i) =>
      step.kernel(`${pass}${suffix}${i === 0 ? '' : `.${i}`}`, {
        shader,
        constants,
        buffers: { hyper, segments: tables[i]!, param: step.param.ranges[param]!, ...buffers(param) },
        groups: segments.length,
      }),
    );
  // Tiles of one side's [n, m], by its place among all sides.
  const half = (own: readonly Side[], first: number) => tilesOf(own, ({ m }) => [0, m], first);
  const precondition = (pass: string, words: Uint32Array<ArrayBuffer>, from: BufferRange, result: BufferRange) =>
    step.kernel(`${pass}${suffix}`, {
      shader: shampooPreconditionShader,
      constants: {},
      buffers: { hyper, x: from, roots, result, sides, tiles: step.table(`${pass}-tiles${suffix}`, words) },
      groups: words.length / 4,
    });
  const memory = { x, preconditioners, roots, sides };
  const GRAFT = kept.grafting !== 'none';
  const sums = GRAFT ? step.memory(`graft-sums${suffix}`, 8 * count * step.replicas) : undefined;
  const slotAt = (name: string, param: number) => (step.has(name) ? step.slot(name).ranges[param] : undefined);
  const graft = (param: number) => ({
    ...{ grad: step.grad.ranges[param]!, u: x, sums, graft_sum: slotAt('graft_sum', param) },
  });
  const apply = (param: number) => ({ u: x, sums, momentum_buffer: slotAt('momentum_buffer', param) });
  return [
    ...overSegments('gather', shampooGatherShader, (param) => ({ grad: step.grad.ranges[param]!, x })),
    ...rootPasses(step, all, memory, space.spans[batch.span]!.elements, suffix),
    precondition('left', half(batch.left, 0), x, y),
    precondition('right', half(batch.right, batch.left.length), y, x),
    ...(GRAFT ? overSegments('graft', shampooGraftShader, graft, { ADAGRAD: kept.grafting === 'adagrad' }) : []),
    ...overSegments('apply', shampooApplyShader, apply, { GRAFT, MOMENTUM: step.has('momentum_buffer') }),
  ];
}

const STEPS = 20;

/** Statistics and their inverse fourth roots, of all sides of a batch. @param elements of the arena of preconditioners */
function rootPasses(
  step: RulePasses,
  all: readonly Side[],
  { x, preconditioners, roots, sides }: Readonly<Record<'x' | 'preconditioners' | 'roots' | 'sides', BufferRange>>,
  elements: number,
  suffix: string,
): Op[] {
  // The upper half of [n, n]; of a diagonal its own tiles.
  const words = tilesOf(all, ({ n, diagonal }, row) => [32 * row, diagonal ? Math.min(32 * row + 32, n) : n]);
  const tiles = step.table(`tiles${suffix}`, words);
  const norms = scratchOf(step, `norms${suffix}`, all.length);
  const memory = (name: string) => scratchOf(step, `${name}${suffix}`, elements);
  const t = memory('t');
  let [m, s, own, next] = [memory('m'), memory('s'), memory('root'), memory('root-next')];
  const { hyper } = step;
  const overTiles = (pass: string, shader: Shader, buffers: Record<string, BufferRange>, constants = {}) =>
    step.kernel(`${pass}${suffix}`, {
      shader,
      constants,
      buffers: { hyper, sides, tiles, ...buffers },
      groups: words.length / 4,
    });
  const product = (pass: string, left: BufferRange, right: BufferRange, result: BufferRange, constants = {}) =>
    overTiles(pass, shampooProductShader, { left, right, result, norms }, constants);
  const start = overTiles('start', shampooStartShader, { preconditioners, roots, m, x: own, norms });
  const newton = Array.from({ length: STEPS }, (_, i) => {
    const ROOT = i === STEPS - 1;
    const turned = product(`root-${i}`, own, m, ROOT ? roots : next, { RIGHT: true, ROOT });
    if (ROOT) return [turned];
    const four = [
      turned,
      product(`square-${i}`, m, m, s, { LEFT: true, RIGHT: true }),
      product(`fourth-${i}`, s, s, t),
      product(`step-${i}`, t, m, s),
    ];
    [m, s, own, next] = [s, m, next, own];
    return four;
  });
  return [
    overTiles('statistics', shampooStatisticsShader, { x, preconditioners }),
    step.kernel(`norm${suffix}`, {
      shader: shampooNormShader,
      constants: {},
      buffers: { hyper, preconditioners, norms, sides },
      groups: all.length,
    }),
    start,
    ...newton.flat(),
  ];
}

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: ['ridge = eps', 'frequency = preconditionFrequency', 'adagrad_eps = adagradEps'],
  slots: { graft_sum: "grafting == 'adagrad'", momentum_buffer: 'momentum != 0' },
};
