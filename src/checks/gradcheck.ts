import { checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { inTurns, mapped } from '../gpu/turns.js';
import { Random } from '../kernels/random.js';
import { initialize } from '../nn/init.js';
import { tensorsOf } from '../nn/model.js';
import { type ReferenceGradients, referenceNetwork } from '../reference/index.js';
import { type CheckOptions, checkKnown, firstRows, firstStep, referenceLossOf, seenBy } from './first-step.js';

/** Options of {@link gradcheck}. */
export interface GradcheckOptions extends CheckOptions {
  /** The first so many samples, one batch. Default 8, or all where there are fewer. */
  readonly rows?: number;
  /** Of each tensor, compared with differences: the one with the largest gradient, others at random by the seed. Default 12. */
  readonly elements?: number;
  /** By which an element is moved to both sides. Default 1e-5. */
  readonly eps?: number;
}

/** What {@link gradcheck} found of a tensor. */
export interface GradcheckTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements compared with differences. */
  readonly checked: number;
  /** Elements chosen and left out: their loss has a kink there. */
  readonly kinks: number;
  /** Largest error of the float64 reference against differences of its loss; 0 where nothing was compared. */
  readonly numeric: number;
  /** Largest error of the GPU against the float64 reference, over all elements. */
  readonly gpu: number;
}

/** What {@link gradcheck} found. Plain data. */
export interface GradcheckReport {
  readonly loss: {
    readonly gpu: number;
    readonly reference: number;
    /** Relative. */
    readonly error: number;
  };
  readonly tensors: readonly GradcheckTensor[];
  /** Whether all errors are within {@link GRADCHECK_LIMITS}. */
  readonly ok: boolean;
}

/**
 * Errors up to which a gradient counts as right.
 *
 * `numeric`: differences of float64 are good to about eps² = 1e-10 of curvature and 2^-53 / eps = 1e-11 of rounding, relative to
 * a loss near 1; gradients that are 1e-4 of it, and inputs up to 10, still come out below 1e-6. A wrong formula is off by 1e-2
 * or more. `gpu`: a float32 sum of n products is off by √n · 2^-24 = 1.7e-6 for n = 784, some layers deep, and batch norm divides
 * by deviations of 8 rows; measured at most 1e-5.
 */
export const GRADCHECK_LIMITS = { numeric: 1e-6, gpu: 1e-4 } as const;

/** Gradients of a tensor count at least so much of the network's largest: what is far below is noise of the rest. */
const LEAST_SCALE = 1e-2;
/** How much finer the second differences are. */
const FINER = 8;
/** By which two differences may disagree, as a share of the scale, before an element is called a kink. */
const KINK = GRADCHECK_LIMITS.numeric / 4;
/** What differences of losses may be off by, relative to the loss: some float64 roundings. */
const NOISE = 2 ** -49;

/**
 * Compares gradients of one batch at the start of a training, in training mode: those of the float64 reference with central
 * differences of its own loss, (L(w + eps) - L(w - eps)) / 2 eps, for some elements of every tensor; and every
 * element of the GPU's, from the passes that train, with the reference's. Batch norm and dropout are in it: dropout draws the
 * same masks each time.
 *
 * Errors are relative to the tensor's largest gradient, or to 1e-2 of the network's largest where that is more. Where relu or
 * another function has a kink between two points, a difference is no derivative: such elements, whose differences with eps and
 * eps / 8 disagree, are counted and left out.
 *
 * The GPU rounds: within 2^-20 or so of a kink it may take the other side, and its gradient then differs by that unit's. Where a
 * check with relu fails by little, another seed tells.
 *
 * @example
 * const { tensors, ok } = await gradcheck(device, { model: mlp({ sizes: [784, 30, 10], activation: 'tanh' }), data: digits() });
 * for (const { name, numeric, gpu } of tensors) console.log(name, numeric, gpu);
 * @throws DownhillError OPTION-*, also for a layer without a float64 reference; SHAPE-MISMATCH, DATA-*, LIMIT-BINDING,
 *   DEVICE-LOST, GPU-OUT-OF-MEMORY
 */
export async function gradcheck(device: GPUDevice, options: GradcheckOptions): Promise<GradcheckReport> {
  checkOptions('gradcheck', options, ['model', 'data', 'seed', 'rows', 'elements', 'eps']);
  const elements = checkInteger('elements', options.elements ?? 12, 1);
  const eps = checkNumber('eps', options.eps ?? 1e-5, { above: 0 });
  const { model, data } = await firstRows('gradcheck', options, options.rows, 8);
  checkKnown('gradcheck', model);
  const lossOf = referenceLossOf('gradcheck', model, data);
  const gpu = await firstStep(device, 'gradcheck', model, data, options.seed);

  const { seed } = gpu;
  const { x, y } = seenBy(data);
  const rows = data.samples;
  const network = referenceNetwork(model, data.targets.kind);
  const parameters = initialize(model, seed).map((tensor) => Float64Array.from(tensor));
  const pass = { mode: 'train', seed, step: 0 } as const;
  const reference = network.lossAndGradients(parameters, x, y, rows, pass);
  const loss = () => lossOf(network.forward(parameters, x, rows, pass).outputs, y);

  const scales = scalesOf(reference);
  const random = new Random(seed, 0);
  const tensors: GradcheckTensor[] = [];
  for (const [i, { name, shape }] of tensorsOf(model).entries()) {
    const [values, gradient, scale] = [parameters[i]!, reference.gradients[i]!, scales[i]!];
    const chosen = chooseElements(gradient, elements, random);
    const slopes = await inTurns(
      mapped(chosen, (at) => ({ at, slope: slopeAt(values, at, eps, reference.loss, loss, scale) })),
    );
    const smooth = slopes.flatMap(({ at, slope }) =>
      slope === undefined ? [] : [relative(slope, gradient[at]!, scale)],
    );
    const own = gpu.gradients.get(name)!;
    tensors.push({
      ...{ name, shape, checked: smooth.length, kinks: chosen.length - smooth.length },
      numeric: largest(smooth),
      gpu: largest(gradient.map((each, at) => relative(own[at]!, each, scale))),
    });
  }
  const error = relative(gpu.loss, reference.loss, Math.abs(reference.loss));
  return {
    loss: { gpu: gpu.loss, reference: reference.loss, error },
    tensors,
    ok:
      error <= GRADCHECK_LIMITS.gpu &&
      tensors.every((each) => each.numeric <= GRADCHECK_LIMITS.numeric && each.gpu <= GRADCHECK_LIMITS.gpu),
  };
}

/** 0 where they are equal, also for a scale of 0; NaN where one is. */
const relative = (a: number, b: number, scale: number) => (a === b ? 0 : Math.abs(a - b) / scale);

/** NaN where one is. */
const largest = (values: Iterable<number>) => {
  let most = 0;
  for (const value of values) if (!(value <= most)) most = value;
  return most;
};

/** By what errors of each tensor are divided. */
function scalesOf({ gradients }: ReferenceGradients): number[] {
  const own = gradients.map((gradient) => largest(gradient.map(Math.abs)));
  const least = LEAST_SCALE * largest(own);
  return own.map((scale) => Math.max(scale, least));
}

/** The element with the largest gradient and some others. */
function chooseElements(gradient: Float64Array, count: number, random: Random): number[] {
  if (count >= gradient.length) return [...gradient.keys()];
  let top = 0;
  for (const [i, value] of gradient.entries()) if (Math.abs(value) > Math.abs(gradient[top]!)) top = i;
  const chosen = new Set([top]);
  while (chosen.size < count) chosen.add(Math.floor(random.uniform() * gradient.length));
  return [...chosen];
}

/**
 * The central difference of the loss by one element; undefined at a kink. Of a smooth loss the two central differences agree, and
 * what those to the right and to the left differ by shrinks with their width; right at a kink only the latter tells.
 */
function slopeAt(
  values: Float64Array,
  at: number,
  eps: number,
  middle: number,
  loss: () => number,
  scale: number,
): number | undefined {
  const value = values[at]!;
  const lossAt = (moved: number) => {
    values[at] = moved;
    return loss();
  };
  const differences = (step: number) => {
    const [right, left] = [value + step, value - step];
    const [above, below] = [lossAt(right), lossAt(left)];
    // The steps as they were rounded.
    return {
      slope: (above - below) / (right - left),
      bend: (above - middle) / (right - value) - (middle - below) / (value - left),
    };
  };
  const [wide, narrow] = [differences(eps), differences(eps / FINER)];
  values[at] = value;
  const limit = Math.max(KINK * scale, (NOISE * Math.abs(middle) * FINER) / eps);
  const bent = Math.abs(narrow.bend) > limit && Math.abs(narrow.bend) > Math.abs(wide.bend) / 2;
  return Math.abs(wide.slope - narrow.slope) > limit || bent ? undefined : wide.slope;
}
