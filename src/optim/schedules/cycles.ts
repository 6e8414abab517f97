import { checkChoice, checkFlag, checkInteger, checkNumber } from '../../gpu/fields.js';
import { between, checkCall, halfWave, type NamedSchedule, named, straight } from './core.js';

/*
 * Schedules that go up and down.
 */

/**
 * Half a cosine wave from the value down to `min`, and again from the value, without end: period i has
 * period · multiplier^i updates. `min` itself is not reached: where it would be, the next period starts.
 *
 * @param options `period` of the first, at least 1; `multiplier` 1 by default, an integer of at least 1; `min` 0 by default,
 * a value, not a share, and at most the value
 * @example cosineRestarts(1e-3, { period: 1000, multiplier: 2 }) // restarts at count 1000, 3000, 7000 …
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's CosineAnnealingWarmRestarts (T_0, T_mult, eta_min).
 * Paper: Loshchilov, Hutter 2017, https://arxiv.org/abs/1608.03983
 */
export function cosineRestarts(
  value: number,
  options: { readonly period: number; readonly multiplier?: number; readonly min?: number },
): NamedSchedule {
  checkCall('cosineRestarts', value, options, ['period', 'multiplier', 'min']);
  const period = checkInteger('cosineRestarts: period', options.period, 1);
  const multiplier = checkInteger('cosineRestarts: multiplier', options.multiplier ?? 1, 1);
  const min = checkNumber('cosineRestarts: min', options.min ?? 0, { max: value });
  return named('cosineRestarts', [value], { period, multiplier, min }, (count) => {
    let length = period;
    let at = multiplier === 1 ? count % period : count;
    // At most 53 rounds: lengths at least double.
    while (at >= length) {
      at -= length;
      length *= multiplier;
    }
    return between(value, min, halfWave(at, length));
  });
}

/** Curves of {@link oneCycle}. */
export const ANNEALS = ['cos', 'linear'] as const;

/** Options of {@link oneCycle}, with PyTorch's names and defaults. */
export interface OneCycleOptions {
  /** Updates of the whole cycle. */
  readonly steps: number;
  /** Share of them that goes up, from 0 to 1. Default 0.3. */
  readonly pctStart?: number;
  /** It starts with maxLr / divFactor. Default 25. */
  readonly divFactor?: number;
  /** It ends with maxLr / divFactor / finalDivFactor. Default 1e4. */
  readonly finalDivFactor?: number;
  /** Default 'cos'. */
  readonly anneal?: (typeof ANNEALS)[number];
  /**
   * Down in two phases: in as many updates as it went up back to where it started, then on to the end. `pctStart` is at most
   * 0.5 then. Default false.
   */
  readonly threePhase?: boolean;
}

/**
 * One cycle: up from maxLr / divFactor to `maxLr`, at count pctStart · steps - 1, and down to
 * maxLr / (divFactor · finalDivFactor), at the last count, steps - 1; kept from there on. With `threePhase` it is back at
 * maxLr / divFactor at count 2 · pctStart · steps - 2.
 *
 * @example oneCycle(0.1, { steps: 10_000 })
 * @example oneCycle(0.85, { steps: 10_000, divFactor: 0.85 / 0.95, finalDivFactor: 1 }) // PyTorch's momentum beside it
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's OneCycleLR, which refuses to go on after the end.
 * Paper: Smith, Topin 2018, https://arxiv.org/abs/1708.07120
 */
export function oneCycle(maxLr: number, options: OneCycleOptions): NamedSchedule {
  checkCall('oneCycle', maxLr, options, ['steps', 'pctStart', 'divFactor', 'finalDivFactor', 'anneal', 'threePhase']);
  const steps = checkInteger('oneCycle: steps', options.steps, 1);
  const threePhase = checkFlag('oneCycle: threePhase', options.threePhase ?? false);
  const pctStart = checkNumber('oneCycle: pctStart', options.pctStart ?? 0.3, {
    min: 0,
    max: threePhase ? 0.5 : 1,
  });
  const divFactor = checkNumber('oneCycle: divFactor', options.divFactor ?? 25, { above: 0 });
  const finalDivFactor = checkNumber('oneCycle: finalDivFactor', options.finalDivFactor ?? 1e4, { above: 0 });
  const anneal = checkChoice('oneCycle: anneal', options.anneal ?? 'cos', ANNEALS);
  const first = maxLr / divFactor;
  const last = first / finalDivFactor;
  const end = steps - 1;
  const peak = pctStart * steps - 1; // need not be an integer, and is below 0 where nothing goes up
  const curve = anneal === 'cos' ? halfWave : straight;
  const back = 2 * peak; // where three phases are back at the start: 2 · pctStart · steps - 2
  const checked = { steps, pctStart, divFactor, finalDivFactor, anneal, threePhase: threePhase || undefined };
  return named('oneCycle', [maxLr], checked, (count) => {
    const at = Math.min(count, end);
    if (at === peak) return maxLr;
    if (at < peak) return between(first, maxLr, curve(at, peak));
    if (!threePhase) return between(maxLr, last, curve(at - peak, end - peak));
    return at <= back
      ? between(maxLr, first, curve(at - peak, back - peak))
      : between(first, last, curve(at - back, end - back));
  });
}

/** How the height of {@link cyclic}'s cycles changes. */
export const CYCLE_MODES = ['triangular', 'triangular2', 'exp_range'] as const;

/** Options of {@link cyclic}, with PyTorch's names and defaults. */
export interface CyclicOptions {
  /** The other end of the cycle; below the base for a momentum that falls while the rate rises. */
  readonly max: number;
  /** Updates from the base to `max`. Default 2000. */
  readonly stepSizeUp?: number;
  /** Updates back. Default as many. */
  readonly stepSizeDown?: number;
  /** 'triangular': every cycle alike; 'triangular2': each half as high; 'exp_range': height · gamma^count. */
  readonly mode?: (typeof CYCLE_MODES)[number];
  /** Of 'exp_range', from 0 to 1. Default 1. */
  readonly gamma?: number;
}

/**
 * Straight up from the base to `max` and back, without end.
 *
 * @example cyclic(1e-4, { max: 1e-2, stepSizeUp: 500, mode: 'triangular2' })
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's CyclicLR.
 * Paper: Smith 2017, https://arxiv.org/abs/1506.01186
 */
export function cyclic(base: number, options: CyclicOptions): NamedSchedule {
  checkCall('cyclic', base, options, ['max', 'stepSizeUp', 'stepSizeDown', 'mode', 'gamma']);
  const max = checkNumber('cyclic: max', options.max);
  const stepSizeUp = checkInteger('cyclic: stepSizeUp', options.stepSizeUp ?? 2000, 1);
  const stepSizeDown = checkInteger('cyclic: stepSizeDown', options.stepSizeDown ?? stepSizeUp, 1);
  const mode = checkChoice('cyclic: mode', options.mode ?? 'triangular', CYCLE_MODES);
  const gamma = checkNumber('cyclic: gamma', options.gamma ?? 1, { min: 0, max: 1 });
  const length = stepSizeUp + stepSizeDown;
  const height = {
    triangular: () => 1,
    triangular2: (count: number) => 0.5 ** ((count - (count % length)) / length),
    exp_range: (count: number) => gamma ** count,
  }[mode];
  return named('cyclic', [base], { max, stepSizeUp, stepSizeDown, mode, gamma }, (count) => {
    const at = count % length;
    const { done, left } = at <= stepSizeUp ? straight(at, stepSizeUp) : straight(length - at, stepSizeDown);
    const high = height(count);
    return between(base, max, { done: done * high, left: left + done * (1 - high) });
  });
}
