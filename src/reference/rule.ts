import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';

/**
 * The float64 statement of one update rule: what the WGSL of the same name is checked against.
 *
 * It is written from the paper and from PyTorch's code, and shares nothing with the rule's row: `defaults`, slots and
 * every per-step scalar are stated a second time here, so that a mistake in one of the two shows as a difference.
 *
 * @example
 * const state = referenceState(adam, parameters.length);
 * for (let t = 1; t <= 100; t++) adam.update(parameters, gradientAt(parameters), state, t, { lr: 1e-2 });
 */
export interface ReferenceRule<H extends object = Readonly<Record<string, unknown>>> {
  /** PyTorch's default of every hyper-parameter; one that is not named here is an error, never ignored. */
  readonly defaults: Readonly<H>;

  /** Names of the state slots that these hyper-parameters use: PyTorch's, in the order of the kernel's bindings. */
  slots(hyper?: Readonly<Partial<H>>): string[];

  /** What a state slot holds before the first update, where that is not 0. */
  initial?(slot: string, hyper?: Readonly<Partial<H>>): number;

  /** Roundings of a parameter per update in f32, on average over so many updates, where that is not 1: for tolerances. */
  roundings?(steps: number): number;

  /** State slots made of terms that may cancel, and how many of their last bits f32 then has wrong: for tolerances. */
  readonly lostBits?: Readonly<Record<string, number>>;

  /**
   * Applies update number `t` (t = 1 is the first) in place to `param` and `state`; `grad` is read only.
   *
   * @param state one array of param.length per slot, zeros before t = 1: see {@link referenceState}.
   * @param hyper what is left out has its default; `lr` is the scheduled rate of this update.
   * @param width elements of a row, over which a rule that may averages g² before it remembers it; 1 by default. See
   * {@link referencePerRow}.
   * @throws DownhillError SHAPE-MISMATCH, OPTION-* for a bad t, HYPER-UNKNOWN, HYPER-TYPE.
   */
  update(
    param: Float64Array,
    grad: Float64Array,
    state: ReferenceState,
    t: number,
    hyper?: Readonly<Partial<H>>,
    width?: number,
  ): void;

  /**
   * Of a rule that looks at shapes, or at all tensors at once: update number `t` of all of them. `update` is then that of a
   * single tensor of one axis.
   */
  step?(tensors: readonly ReferenceTensor[], t: number, hyper?: Readonly<Partial<H>>): void;

  /** Of a rule with a curvature of its own: takes in a gradient of labels drawn from the model, in place, beside the updates. */
  curvature?(grad: Float64Array, state: ReferenceState, hyper?: Readonly<Partial<H>>): void;

  /** Slots that kernels lay out otherwise, in padded rows say: not in test vectors. */
  readonly unlike?: readonly string[];

  /** The elements of each slot for a tensor, where a slot is not as long as its parameter; a slot it has not is left out. */
  lengths?(shape: readonly number[], hyper?: Readonly<Partial<H>>): Readonly<Record<string, number>>;
}

/** A tensor with its gradient and state. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly param: Float64Array;
  readonly grad: Float64Array;
  readonly state: ReferenceState;
}

/** Update number `t` of all tensors of a group. */
export function referenceStep<H extends object>(
  rule: ReferenceRule<H>,
  tensors: readonly ReferenceTensor[],
  t: number,
  hyper?: Readonly<Partial<H>>,
): void {
  if (rule.step) rule.step(tensors, t, hyper);
  else for (const { param, grad, state } of tensors) rule.update(param, grad, state, t, hyper);
}

/** Weight decay and direction, which every rule has. */
export type CommonHyper = {
  /** L2: weightDecay · p is added to the gradient; decoupled: lr · weightDecay · p is taken off the parameter first. */
  readonly weightDecay: number;
  readonly decoupledWeightDecay: boolean;
  readonly maximize: boolean;
};

export const commonDefaults: CommonHyper = { weightDecay: 0, decoupledWeightDecay: false, maximize: false };

/**
 * What happens before a rule sees anything, as in torch.optim: `maximize` negates the gradient; then the decay is added to
 * it, or (decoupled) the parameter shrinks by 1 - lr · weightDecay, in place, before it moves.
 *
 * @returns the gradient the rule is to use.
 */
export function prepare(
  param: Float64Array,
  grad: Float64Array,
  hyper: CommonHyper & { readonly lr: number },
): Float64Array {
  const { lr, weightDecay, decoupledWeightDecay, maximize } = hyper;
  const [sign, decay] = [maximize ? -1 : 1, decoupledWeightDecay ? 0 : weightDecay];
  const g = new Float64Array(grad.length); // loops here and below: `map` takes four times as long
  for (let i = 0; i < g.length; i++) g[i] = sign * grad[i]! + decay * param[i]!;
  if (decoupledWeightDecay) for (let i = 0; i < param.length; i++) param[i] = param[i]! * (1 - lr * weightDecay);
  return g;
}

/** The mean of g² over each row of so many elements, at each of them. */
export function meanSquares(gradient: Float64Array, width: number): Float64Array {
  const means = new Float64Array(gradient.length);
  if (width === 1) {
    // The usual case: as rows of one it took half of an update's time.
    for (let i = 0; i < means.length; i++) means[i] = gradient[i]! * gradient[i]!;
    return means;
  }
  for (let first = 0; first < gradient.length; first += width) {
    const row = gradient.subarray(first, first + width);
    means.fill(row.reduce((sum, g) => sum + g * g, 0) / width, first, first + width);
  }
  return means;
}

/**
 * A rule that remembers g² (`slot`) as one value for each row of a tensor: `perRow` of createOptimizer. Of Adam, AdamW, NAdam, RAdam.
 *
 *     v = beta2 · v + (1 - beta2) · mean of g² over the row
 */
export function referencePerRow<H extends object>(rule: ReferenceRule<H>, slot: string): ReferenceRule<H> {
  return {
    ...rule,
    lengths: ([rows = 1, ...rest], hyper) =>
      Object.fromEntries(
        rule.slots(hyper).map((name) => [name, name === slot ? rows : rest.reduce((all, size) => all * size, rows)]),
      ),
    update(param, grad, state, t, hyper) {
      this.step!([{ shape: [param.length], param, grad, state }], t, hyper);
    },
    step(tensors, t, hyper) {
      for (const { shape, param, grad, state } of tensors) {
        const own = state[slot]!;
        const width = param.length / (shape[0] ?? 1);
        const whole = param.map((_, i) => own[Math.floor(i / width)]!);
        rule.update(param, grad, { ...state, [slot]: whole }, t, hyper, width);
        for (let row = 0; row < own.length; row++) own[row] = whole[row * width]!;
      }
    },
  };
}

/** State of one tensor: an array per slot. */
export type ReferenceState = Record<string, Float64Array>;

/** The state before the first update: an array for each slot of the rule. @param shape of the tensor, or how long it is */
export function referenceState<H extends object>(
  rule: ReferenceRule<H>,
  shape: number | readonly number[],
  hyper?: Readonly<Partial<H>>,
): ReferenceState {
  const sizes = typeof shape === 'number' ? [shape] : shape;
  const elements = sizes.reduce((product, size) => product * size, 1);
  const lengths = rule.lengths?.(sizes, hyper) ?? Object.fromEntries(rule.slots(hyper).map((name) => [name, elements]));
  return Object.fromEntries(
    Object.entries(lengths).map(([name, length]) => [
      name,
      new Float64Array(length).fill(rule.initial?.(name, hyper) ?? 0),
    ]),
  );
}

/**
 * Fills in the defaults. An oracle that ignored an option would agree with a kernel that ignores it too, so an unknown
 * name or another type (a schedule that was not evaluated, say) is an error.
 */
export function complete<H extends object>(rule: string, defaults: Readonly<H>, hyper: Readonly<Partial<H>>): H {
  const full: H = { ...defaults };
  for (const key of Object.keys(hyper) as (keyof H & string)[]) {
    if (!Object.hasOwn(defaults, key)) {
      const fix = suggest(key, Object.keys(defaults));
      throw new DownhillError('HYPER-UNKNOWN', `The reference of ${rule} has no option ${show(key)}.`, fix);
    }
    const value = hyper[key];
    if (value === undefined) continue;
    const expected = defaults[key];
    if (typeof value !== typeof expected || Array.isArray(value) !== Array.isArray(expected)) {
      throw new DownhillError(
        'HYPER-TYPE',
        `The reference of ${rule} expects ${key} like ${show(expected)}, got ${show(value)}.`,
        `Pass a value of the type of ${show(expected)}.`,
      );
    }
    full[key] = value;
  }
  return full;
}

/** Checks one call of `update`: t counts from 1, and gradient and every slot have the parameter's length. */
export function checkUpdate(
  param: Float64Array,
  grad: Float64Array,
  state: ReferenceState,
  t: number,
  slots: string[],
): void {
  checkInteger('t', t, 1);
  for (const name of ['grad', ...slots]) {
    const values = name === 'grad' ? grad : state[name];
    if (values?.length !== param.length) {
      throw new DownhillError(
        'SHAPE-MISMATCH',
        `${name} must have the ${param.length} elements of param, got ${values?.length ?? 'nothing'}.`,
        'Pass arrays of one length; referenceState makes those of the state.',
      );
    }
  }
}
