import { DownhillError } from '../gpu/errors.js';
import { checkChoice, checkFlag, checkInteger, checkNumber, checkOptions, checkText } from '../gpu/fields.js';
import { checkGradients, type GradientForm } from './adopt.js';
import { type GradientSettings, STATES, type StateEncoding } from './gradient.js';
import { checkWrappers, type Wrapper } from './wrappers/wrapper.js';

export type { StateEncoding } from './gradient.js';

/** How gradients are clipped, all of it on the GPU. */
export interface ClipOptions {
  /** Every element into [-value, value]. */
  readonly value?: number;
  /** All gradients together scaled down to this 2-norm. */
  readonly globalNorm?: number;
  /** Every tensor's gradient scaled down to this 2-norm. */
  readonly tensorNorm?: number;
  /** 'pytorch': min(1, c / (n + 1e-6)), the default; 'optax': c / n where n is not below c. */
  readonly convention?: 'pytorch' | 'optax';
}

/** Options of {@link createOptimizer}. */
export interface OptimizerOptions {
  readonly clip?: ClipOptions;
  /**
   * Leave out a step whose gradient holds NaN, an infinity or a magnitude of 1e19 and more, detected on the bits:
   * parameters, state and count keep every bit. After `atMost` in a row (default 5) no step is applied any more, and
   * `read` says so. Default false.
   */
  readonly skipNonFinite?: boolean | { readonly atMost?: number };
  /** Gradients count this much, before clipping: 1/65536 undoes a loss scale. Default 1. */
  readonly gradScale?: number;
  /** Clear the gradients in the update's own dispatch. Default false. */
  readonly zeroGrad?: boolean;
  /** 'f32', the default, or fixed-point int32; a tensor may have a form of its own. */
  readonly gradients?: GradientForm;
  /** Every so many calls of `step` make one update, of the sum (PyTorch's way) or the mean of their gradients. */
  readonly accumulate?: { readonly steps: number; readonly reduce?: 'sum' | 'mean' };
  /** What goes round the rule, in this order: `[centralize(), lookahead({ k: 5 })]`. Default nothing. */
  readonly wrappers?: readonly Wrapper[];
  /**
   * How the rule's state is kept: 'f32', the default; 'bf16', half the bytes; 'f16', as many and a scale for each 256 elements,
   * of eight times the precision; '8bit', a quarter, block by block as Dettmers et al. 2022 (https://arxiv.org/abs/2110.02861).
   * Values are rounded at random, keyed by seed, update and element. For Adam's family, Lion, RMSprop and momentum.
   */
  readonly state?: StateEncoding;
  /**
   * A state slot that is kept as one value for each row of a tensor (all that has one first index): with 'exp_avg_sq' an average of
   * the mean of g² over the row, so that a row's elements move in proportion to their averages of g. For Adam, AdamW, NAdam and RAdam.
   * Their memory is copied into arenas and back in each step, 8 bytes a parameter. Default none.
   */
  readonly perRow?: string;
  /** Of the rounding of `state`. Default 0. */
  readonly seed?: number;
  /** In the label of every GPU object. Default 'optimizer'. */
  readonly label?: string;
}

/** The same, checked and with defaults; a mean over micro-steps is in `gradScale`. */
export interface OptimizerSettings extends GradientSettings {
  readonly label: string;
  readonly wrappers: readonly Wrapper[];
  readonly seed: number;
  readonly state: StateEncoding;
  readonly perRow: unknown;
}

/** Only undefined means the default: null is a mistake. */
const given = <T>(value: T | undefined, otherwise: T): T => (value === undefined ? otherwise : value);

const positive = (where: string, value: unknown): number => checkNumber(where, value, { above: 0 }, { single: true });

export function checkOptimizerOptions(options: OptimizerOptions): OptimizerSettings {
  checkOptions('createOptimizer', options, [
    'clip',
    'skipNonFinite',
    'gradScale',
    'zeroGrad',
    'gradients',
    'accumulate',
    'wrappers',
    'state',
    'perRow',
    'seed',
    'label',
  ]);
  const {
    skipNonFinite = false,
    gradScale = 1,
    zeroGrad = false,
    accumulate,
    gradients = 'f32',
    label = 'optimizer',
    state = 'f32',
    seed = 0,
  } = options;
  const micro = accumulate === undefined ? 1 : checkAccumulate(accumulate);
  const mean =
    accumulate !== undefined &&
    checkChoice('accumulate.reduce', given(accumulate.reduce, 'sum'), ['sum', 'mean']) === 'mean';
  return {
    ...checkClip(options.clip),
    skip: checkSkip(skipNonFinite),
    gradScale: scaleOf(gradScale, mean ? micro : 1),
    zero: checkFlag('zeroGrad', zeroGrad),
    unit: checkGradients('gradients', gradients),
    micro,
    wrappers: checkWrappers(options.wrappers),
    state: checkChoice('state', state, STATES),
    perRow: options.perRow,
    seed: checkInteger('seed', seed, 0, 2 ** 32 - 1),
    label: checkText('label', label),
  };
}

/** What an element of the gradient counts: a mean over micro-steps has its share of it, in float32. */
function scaleOf(gradScale: unknown, micro: number): number {
  const own = positive('gradScale', gradScale);
  return micro === 1 ? own : positive(`gradScale over ${micro} micro-steps`, own / micro);
}

function checkAccumulate(accumulate: NonNullable<OptimizerOptions['accumulate']>): number {
  checkOptions('accumulate', accumulate, ['steps', 'reduce']);
  return checkInteger('accumulate.steps', accumulate.steps, 1, 2 ** 31);
}

function checkSkip(skip: NonNullable<OptimizerOptions['skipNonFinite']>): { atMost: number } | undefined {
  if (typeof skip === 'boolean') return skip ? { atMost: 5 } : undefined;
  checkOptions('skipNonFinite', skip, ['atMost']);
  return { atMost: checkInteger('skipNonFinite.atMost', given(skip.atMost, 5), 1, 2 ** 31) };
}

function checkClip(clip: ClipOptions | undefined): Pick<OptimizerSettings, 'clip' | 'clipValue'> {
  if (clip === undefined) return { clip: undefined, clipValue: undefined };
  checkOptions('clip', clip, ['value', 'globalNorm', 'tensorNorm', 'convention']);
  const { value, globalNorm, tensorNorm } = clip;
  const optax = checkChoice('clip.convention', given(clip.convention, 'pytorch'), ['pytorch', 'optax']) === 'optax';
  if (globalNorm !== undefined && tensorNorm !== undefined) {
    throw new DownhillError('OPTION-RANGE', 'clip has both globalNorm and tensorNorm.', 'Choose one of the two.');
  }
  const clipValue = value === undefined ? undefined : positive('clip.value', value);
  if (globalNorm !== undefined)
    return { clipValue, clip: { by: 'global', norm: positive('clip.globalNorm', globalNorm), optax } };
  if (tensorNorm !== undefined)
    return { clipValue, clip: { by: 'tensor', norm: positive('clip.tensorNorm', tensorNorm), optax } };
  return { clipValue, clip: undefined };
}
