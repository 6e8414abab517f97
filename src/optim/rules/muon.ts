import type { BufferRange } from '../../gpu/buffers.js';
import { choice, flag, number, pair } from '../../gpu/fields.js';
import type { Op } from '../../kernels/op.js';
import { muonAdamwShader } from '../../shaders/optim/muon/adamw.gen.js';
import { muonApplyShader } from '../../shaders/optim/muon/apply.gen.js';
import { muonGramShader } from '../../shaders/optim/muon/gram.gen.js';
import { muonMomentumShader } from '../../shaders/optim/muon/momentum.gen.js';
import { muonNormShader } from '../../shaders/optim/muon/norm.gen.js';
import { muonPolynomialShader } from '../../shaders/optim/muon/polynomial.gen.js';
import type { PlacedVector } from '../../space/space.js';
import {
  isMatrix,
  type MatrixArena,
  matrixArenas,
  needMatrix,
  type SegmentBatch,
  scratchOf,
  segmentBatches,
  tileTables,
} from '../matrices.js';
import { common, defineRule, type RuleText } from '../rule.js';
import type { RulePasses } from '../rule-passes.js';

/**
 * Muon: the momentum of every matrix made orthogonal before it is applied, so that all of its directions move equally far.
 *
 *   b = momentum·b + (1-momentum)·g;  U = momentum·b + (1-momentum)·g (without `nesterov`: b)
 *   X = U / (‖U‖ + eps), then five times: A = X·Xᵀ;  X = 3.4445·X + (-4.775·A + 2.0315·A²)·X
 *   p -= lr·weightDecay·p;  p -= lr·√max(1, outputs/inputs)·X, or with `scale: 'match-rms-adamw'` lr·0.2·√max(outputs, inputs)·X
 *
 * Tensors with two axes are matrices [inputs, outputs]; all others, biases say, take AdamW's step with `adamwLr`, `adamwBetas`,
 * `adamwEps` and the same `weightDecay`. An embedding or a last layer, which the author leaves to AdamW as well, wants an optimizer
 * of its own. State: one value per parameter of a matrix, two of any other. Defaults as torch.optim.Muon's and torch.optim.AdamW's,
 * whose `adjust_lr_fn` is `scale` (Liu et al. 2025, Muon is scalable for LLM training); all in f32, where PyTorch multiplies in
 * bfloat16; eps is added to the norm, as the author does. Where tensors in PyTorch's layout [out, in] are passed to createOptimizer,
 * the factor of 'original' is the other way round.
 *
 * 20 dispatches a step, 19 where all tensors are matrices, however many and large these are. Within 128 roundings of f32 of
 * float64's path at 25 steps (other rules: 16): five steps multiply small singular values, and their errors, by up to 3.4445⁵ = 485.
 *
 * @example muon({ lr: 0.02, weightDecay: 0.01 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN; where it is used without any matrix, OPTION-RANGE.
 * Paper: Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/.
 */
export const muon = defineRule({
  name: 'muon',
  title: 'Muon',
  formula: [
    'b = momentum·b + (1-momentum)·g; U = momentum·b + (1-momentum)·g (without nesterov: b)',
    'X = U / (‖U‖ + eps); 5 times: A = X·Xᵀ; X = 3.4445·X + (-4.775·A + 2.0315·A²)·X',
    'p -= lr·√max(1, outputs/inputs)·X; match-rms-adamw: p -= lr·0.2·√max(outputs, inputs)·X',
    'tensors that are not matrices: AdamW',
  ],
  paper: 'https://kellerjordan.github.io/posts/muon/',
  use: 'Hidden layers of networks: fewer steps than AdamW for the same loss, at the price of a few products per step.',
  shader: muonApplyShader,
  fields: {
    lr: number('learning rate of matrices', 1e-3, { min: 0 }),
    momentum: number('decay of the average of g', 0.95, { min: 0, below: 1 }),
    nesterov: flag("Nesterov's momentum", true),
    scale: {
      ...choice('how far a matrix moves: as by its shape, or as far as with AdamW', ['original', 'match-rms-adamw']),
      flag: 'lr-scale', // --scale is the data's
    },
    eps: number('added to the norm', 1e-7, { min: 2 ** -126 }),
    adamwLr: number('learning rate of tensors that are not matrices', 1e-3, { min: 0 }),
    adamwBetas: pair('their decay of the averages of g and g²', [0.9, 0.999], { min: 0, below: 1 }),
    adamwEps: number('added to their denominator', 1e-8, { min: 2 ** -126 }),
    ...common({ weightDecay: 0.1, decoupled: true }),
  },
  slots: () => [],
  roundings: 128,
  kept: {
    what: '`momentum_buffer` of matrices; `exp_avg`, `exp_avg_sq` of other tensors',
    bytes: 4,
    moved: 20,
  },
  derive: (t, { lr, momentum, nesterov, scale, eps, adamwLr, adamwBetas: [beta1, beta2], adamwEps, ...hyper }) => ({
    lr,
    options: (nesterov ? 1 : 0) + (scale === 'match-rms-adamw' ? 2 : 0),
    momentum_c: 1 - momentum,
    eps,
    adamw_step: adamwLr / (1 - beta1 ** t),
    adamw_beta1_c: 1 - beta1,
    adamw_beta2_c: 1 - beta2,
    adamw_v_scale: 1 / Math.sqrt(1 - beta2 ** t),
    adamw_eps: adamwEps,
    adamw_decay: hyper.decoupledWeightDecay ? adamwLr * hyper.weightDecay : 0,
  }),
  checkTensors: (where, tensors) => needMatrix('muon', where, tensors),
  passes: (step) => {
    const momentum = step.factors('momentum_buffer', (tensor) => (isMatrix(tensor) ? tensor.shape : undefined));
    return [
      ...otherTensors(step),
      ...matrixArenas(step).flatMap((arena, i) => matrixPasses(step, arena, momentum, i === 0 ? '' : `-${i}`)),
    ];
  },
});

/** AdamW for what is no matrix. */
function otherTensors(step: RulePasses): Op[] {
  const shapeOf = (tensor: RulePasses['tensors'][number]) => (isMatrix(tensor) ? undefined : tensor.shape);
  const [mean, square] = [step.factors('exp_avg', shapeOf), step.factors('exp_avg_sq', shapeOf)];
  const names = step.tensors.filter((tensor) => !isMatrix(tensor)).map(({ name }) => name);
  return segmentBatches(step.space, mean, names).map(({ param, state, segments }, i) => {
    const words = segments.flatMap((each) => [step.groupOf(each.tensor), each.count, each.param / 4, each.state / 4]);
    const pass = `adamw${i === 0 ? '' : `-${i}`}`;
    return step.kernel(pass, {
      shader: muonAdamwShader,
      constants: {},
      buffers: {
        hyper: step.hyper,
        param: step.param.ranges[param]!,
        grad: step.grad.ranges[param]!,
        exp_avg: mean.vector.ranges[state]!,
        exp_avg_sq: square.vector.ranges[state]!,
        segments: step.table(`${pass}-segments`, new Uint32Array(words)),
      },
      groups: segments.length,
    });
  });
}

/** Words of `Matrix` in the kernels. */
const MATRIX_WORDS = 9;

/** The kernels' table of matrices. */
function matrixTable(step: RulePasses, { matrices }: MatrixArena) {
  const words = new Uint32Array(MATRIX_WORDS * matrices.length);
  const floats = new Float32Array(words.buffer);
  for (const [i, { name, rows, cols, n, m, x, a }] of matrices.entries()) {
    words.set([step.groupOf(name), rows, cols, n, m, x, a], MATRIX_WORDS * i);
    floats[MATRIX_WORDS * i + 7] = Math.sqrt(Math.max(1, cols / rows));
    floats[MATRIX_WORDS * i + 8] = 0.2 * Math.sqrt(Math.max(rows, cols));
  }
  return words;
}

/** The table of a batch's segments. */
function segmentTable({ matrices }: MatrixArena, { segments }: SegmentBatch) {
  const index = new Map(matrices.map(({ name }, i) => [name, i]));
  return new Uint32Array(
    segments.flatMap((each) => [index.get(each.tensor)!, each.start, each.count, each.param / 4, each.state / 4]),
  );
}

/** The passes of the matrices in one arena of scratch memory. @param suffix of their names */
function matrixPasses(step: RulePasses, arena: MatrixArena, momentum: PlacedVector, suffix: string): Op[] {
  const { hyper } = step;
  const names = arena.matrices.map(({ name }) => name);
  const batches = segmentBatches(step.space, momentum, names);
  const matrices = step.table(`matrices${suffix}`, matrixTable(step, arena));
  const [x, next] = ['x', 'x-next'].map((name) => scratchOf(step, `${name}${suffix}`, arena.wide));
  const orthogonal = newtonSchulz(step, arena, { x: x!, next: next!, matrices }, suffix);

  const tables = batches.map((batch, i) => step.table(`segments${suffix}-${i}`, segmentTable(arena, batch)));
  const overSegments = (
    pass: string,
    make: (batch: SegmentBatch) => Pick<Parameters<RulePasses['kernel']>[1], 'shader' | 'buffers'>,
  ) =>
    batches.map((batch, i) => {
      const { shader, buffers } = make(batch);
      return step.kernel(`${pass}${suffix}${i === 0 ? '' : `.${i}`}`, {
        shader,
        constants: {},
        buffers: { hyper, matrices, segments: tables[i]!, ...buffers },
        groups: batch.segments.length,
      });
    });
  return [
    ...overSegments('momentum', ({ param, state }) => ({
      shader: muonMomentumShader,
      buffers: {
        param: step.param.ranges[param]!,
        grad: step.grad.ranges[param]!,
        momentum_buffer: momentum.vector.ranges[state]!,
        x: x!,
      },
    })),
    ...orthogonal.ops,
    ...overSegments('apply', ({ param }) => ({
      shader: muonApplyShader,
      buffers: { param: step.param.ranges[param]!, x: orthogonal.x },
    })),
  ];
}

const STEPS = 5;

/** Newton-Schulz steps of all matrices of an arena, three products each, between two memories. */
function newtonSchulz(
  step: RulePasses,
  arena: MatrixArena,
  { x, next, matrices }: Readonly<Record<'x' | 'next' | 'matrices', BufferRange>>,
  suffix: string,
): { readonly ops: readonly Op[]; readonly x: BufferRange } {
  const [a, b] = [scratchOf(step, `a${suffix}`, arena.square), scratchOf(step, `b${suffix}`, arena.square)];
  const inverse = scratchOf(step, `inverse${suffix}`, arena.matrices.length);
  const words = tileTables(arena);
  const shared = { hyper: step.hyper, matrices, inverse };
  const square = { ...shared, tiles: step.table(`square-tiles${suffix}`, words.square) };
  const wide = { ...shared, tiles: step.table(`wide-tiles${suffix}`, words.wide) };
  const [squares, wides] = [words.square.length / 4, words.wide.length / 4];
  const norm = step.kernel(`norm${suffix}`, {
    shader: muonNormShader,
    constants: {},
    buffers: { hyper: step.hyper, gram: a, inverse, matrices },
    groups: arena.matrices.length,
  });
  let [from, to] = [x, next];
  const ops = Array.from({ length: STEPS }, (_, i) => {
    const FIRST = i === 0;
    const three = [
      step.kernel(`gram-${i}${suffix}`, {
        shader: muonGramShader,
        constants: { SQUARE: false },
        buffers: { ...square, source: from, result: a },
        groups: squares,
      }),
      ...(FIRST ? [norm] : []),
      step.kernel(`square-${i}${suffix}`, {
        shader: muonGramShader,
        constants: { FIRST, SQUARE: true },
        buffers: { ...square, source: a, result: b },
        groups: squares,
      }),
      step.kernel(`step-${i}${suffix}`, {
        shader: muonPolynomialShader,
        constants: { FIRST },
        buffers: { ...wide, x: from, b, result: to },
        groups: wides,
      }),
    ];
    [from, to] = [to, from];
    return three;
  });
  return { ops: ops.flat(), x: from };
}

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "options = (nesterov ? 1 : 0) + (scale == 'match-rms-adamw' ? 2 : 0)",
    'momentum_c = 1 - momentum',
    'adamw_step = adamwLr / (1 - adamwBetas[0]^t)',
    'adamw_beta1_c = 1 - adamwBetas[0]',
    'adamw_beta2_c = 1 - adamwBetas[1]',
    'adamw_v_scale = 1 / sqrt(1 - adamwBetas[1]^t)',
    'adamw_eps = adamwEps',
    'adamw_decay = decoupledWeightDecay ? adamwLr * weightDecay : 0',
  ],
};
