import { checkFlag, checkInteger, checkNumber } from '../../gpu/fields.js';
import { between, checkAscending, checkCall, halfWave, type NamedSchedule, named, straight } from './core.js';

/*
 * Schedules that go one way: down, as a rule. Each takes the value it starts with, and gives it for count 0, the first
 * update. Those with an end keep their last value after it.
 */

/** The number of whole `steps` in `count`; a plain floor(count / steps) may round up near 2^53. */
const whole = (count: number, steps: number): number => (count - (count % steps)) / steps;

/** base ** (count / steps); the whole part of the exponent apart, whose rounding would grow with it. */
const power = (base: number, count: number, steps: number): number =>
  base ** whole(count, steps) * base ** ((count % steps) / steps);

/**
 * Always the same value.
 *
 * @example constant(0.1)
 * @throws DownhillError OPTION-TYPE, OPTION-RANGE; also by a count that is no integer from 0 to 2^53 - 1, as all schedules.
 */
export function constant(value: number): NamedSchedule {
  checkCall('constant', value, {}, []);
  return named('constant', [value], {}, () => value);
}

/**
 * A drop every `stepSize` updates: value · gamma^floor(count / stepSize).
 *
 * @param options `gamma` 0.1 by default, at least 0
 * @example step(0.1, { stepSize: 3000 }) // 0.1, 0.01 from count 3000 on, 0.001 from 6000 on
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's StepLR.
 */
export function step(value: number, options: { readonly stepSize: number; readonly gamma?: number }): NamedSchedule {
  checkCall('step', value, options, ['stepSize', 'gamma']);
  const stepSize = checkInteger('step: stepSize', options.stepSize, 1);
  const gamma = checkNumber('step: gamma', options.gamma ?? 0.1, { min: 0 });
  return named('step', [value], { stepSize, gamma }, (count) => value * gamma ** whole(count, stepSize));
}

/**
 * A drop at each milestone: value · gamma^(number of milestones at or before count).
 *
 * @param options `milestones` ascending, at least 0, each once; `gamma` 0.1 by default, at least 0
 * @example multistep(0.1, { milestones: [3000, 4500] })
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's MultiStepLR.
 */
export function multistep(
  value: number,
  options: { readonly milestones: readonly number[]; readonly gamma?: number },
): NamedSchedule {
  checkCall('multistep', value, options, ['milestones', 'gamma']);
  const milestones = checkAscending('multistep: milestones', options.milestones, 0);
  const gamma = checkNumber('multistep: gamma', options.gamma ?? 0.1, { min: 0 });
  return named('multistep', [value], { milestones, gamma }, (count) => {
    const next = milestones.findIndex((milestone) => milestone > count);
    return value * gamma ** (next < 0 ? milestones.length : next);
  });
}

/** Options of {@link exponential} and {@link inverseTime}. */
export interface DecayOptions {
  readonly rate: number;
  /** Updates after which the decay has gone one `rate` further. Default 1. */
  readonly steps?: number;
  /** In jumps after every `steps` updates, instead of a little each time. Default false. */
  readonly staircase?: boolean;
}

function checkDecay(name: string, options: Partial<DecayOptions>, rate: number | undefined) {
  return {
    rate: checkNumber(`${name}: rate`, options.rate ?? rate, { min: 0 }),
    steps: checkInteger(`${name}: steps`, options.steps ?? 1, 1),
    staircase: checkFlag(`${name}: staircase`, options.staircase ?? false),
  };
}

/**
 * value · rate^(count / steps); the exponent rounded down with `staircase`.
 *
 * @param options `rate` at least 0; `steps` 1 and `staircase` false by default
 * @example exponential(1e-2, { rate: 0.96, steps: 1000, staircase: true })
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As Keras' ExponentialDecay (decay_rate, decay_steps), optax' exponential_decay; with steps 1, PyTorch's ExponentialLR.
 */
export function exponential(value: number, options: DecayOptions): NamedSchedule {
  checkCall('exponential', value, options, ['rate', 'steps', 'staircase']);
  const checked = checkDecay('exponential', options, undefined);
  const { rate, steps, staircase } = checked;
  return named(
    'exponential',
    [value],
    checked,
    staircase ? (count) => value * rate ** whole(count, steps) : (count) => value * power(rate, count, steps),
  );
}

/**
 * value / (1 + rate · count / steps); count / steps rounded down with `staircase`. By default value / t, where t = count + 1
 * numbers the updates from 1.
 *
 * @param options `rate` 1, `steps` 1 and `staircase` false by default
 * @example inverseTime(0.1, { steps: 1000 }) // half of it at count 1000, a third at 2000
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As Keras' InverseTimeDecay.
 */
export function inverseTime(value: number, options: Partial<DecayOptions> = {}): NamedSchedule {
  checkCall('inverseTime', value, options, ['rate', 'steps', 'staircase']);
  const checked = checkDecay('inverseTime', options, 1);
  const { rate, steps, staircase } = checked;
  return named(
    'inverseTime',
    [value],
    checked,
    staircase ? (count) => value / (1 + rate * whole(count, steps)) : (count) => value / (1 + (rate * count) / steps),
  );
}

/**
 * value · √(steps / (steps + count)); by default value / √t, where t = count + 1 numbers the updates from 1.
 *
 * @param options `steps` 1 by default: how slowly it starts
 * @example warmup(inverseSqrt(1e-3, { steps: 4000 }), { steps: 4000 }) // the Transformer's: 1e-3 · √(4000 / count) later
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * Paper: Vaswani et al. 2017, Attention is all you need, section 5.3.
 */
export function inverseSqrt(value: number, options: { readonly steps?: number } = {}): NamedSchedule {
  checkCall('inverseSqrt', value, options, ['steps']);
  const steps = checkInteger('inverseSqrt: steps', options.steps ?? 1, 1);
  return named('inverseSqrt', [value], { steps }, (count) => value / Math.sqrt(1 + count / steps));
}

/**
 * A straight line to `to`, reached at count = steps and kept: value + (to - value) · count / steps.
 *
 * @param options `to` 0 by default, above or below the value; `steps` at least 1
 * @example linear(1e-3, { to: 1e-5, steps: 10_000 })
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As optax' linear_schedule; PyTorch's LinearLR with end_factor = to / value.
 */
export function linear(value: number, options: { readonly to?: number; readonly steps: number }): NamedSchedule {
  checkCall('linear', value, options, ['to', 'steps']);
  const to = checkNumber('linear: to', options.to ?? 0);
  const steps = checkInteger('linear: steps', options.steps, 1);
  return named('linear', [value], { to, steps }, (count) =>
    count >= steps ? to : between(value, to, straight(count, steps)),
  );
}

/**
 * to + (value - to) · (1 - count / steps)^power, and `to` from count = steps on.
 *
 * @param options `to` 0 and `power` 1 by default; `power` above 0; `steps` at least 1
 * @example polynomial(1e-2, { power: 0.9, steps: 40_000 })
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As Keras' PolynomialDecay (whose end is 1e-4 by default), optax' polynomial_schedule; with `to` 0 PyTorch's PolynomialLR.
 */
export function polynomial(
  value: number,
  options: { readonly to?: number; readonly power?: number; readonly steps: number },
): NamedSchedule {
  checkCall('polynomial', value, options, ['to', 'power', 'steps']);
  const to = checkNumber('polynomial: to', options.to ?? 0);
  const exponent = checkNumber('polynomial: power', options.power ?? 1, { above: 0 });
  const steps = checkInteger('polynomial: steps', options.steps, 1);
  return named('polynomial', [value], { to, power: exponent, steps }, (count) => {
    if (count >= steps) return to;
    const { done, left } = straight(count, steps);
    // done = 1 - left^power, without the difference that loses digits while it is small.
    return between(value, to, { left: left ** exponent, done: -Math.expm1(exponent * Math.log1p(-done)) });
  });
}

/**
 * Half a cosine wave from the value down to `min`, reached at count = steps and kept:
 * min + (value - min) · (1 + cos(π · count / steps)) / 2.
 *
 * @param options `min` 0 by default: a value, not a share, and at most the value; `steps` at least 1
 * @example cosine(1e-3, { steps: 10_000, min: 1e-5 })
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's CosineAnnealingLR (T_max, eta_min), which rises again after the end; Keras and optax take alpha = min / value.
 * Paper: Loshchilov, Hutter 2017, https://arxiv.org/abs/1608.03983
 */
export function cosine(value: number, options: { readonly steps: number; readonly min?: number }): NamedSchedule {
  checkCall('cosine', value, options, ['steps', 'min']);
  const steps = checkInteger('cosine: steps', options.steps, 1);
  const min = checkNumber('cosine: min', options.min ?? 0, { max: value });
  return named('cosine', [value], { steps, min }, (count) =>
    count >= steps ? min : between(value, min, halfWave(count, steps)),
  );
}
