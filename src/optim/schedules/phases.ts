import { checkChoice, checkInteger, checkNumber } from '../../gpu/fields.js';
import { between, checkCall, halfWave, type NamedSchedule, named, straight, type Way } from './core.js';

/*
 * Schedules of language models: a warm-up that belongs to the schedule, and what comes after it.
 */

/** How {@link wsd} goes down. */
export const DECAY_TYPES = ['linear', 'cosine', '1-sqrt'] as const;

/** Options of {@link wsd}. */
export interface WsdOptions {
  /** Updates of the whole run. */
  readonly steps: number;
  /** Of these, how many go up: value/warmupSteps, 2·value/warmupSteps … Default 0. */
  readonly warmupSteps?: number;
  /** How many, at the end, go down. Default a tenth of `steps`, rounded up. */
  readonly decaySteps?: number;
  /** Default '1-sqrt', what the second paper found best. */
  readonly decayType?: (typeof DECAY_TYPES)[number];
  /** What it ends with: a value, not a share, and at most the value. Default 0. */
  readonly min?: number;
}

const DECAYS: Readonly<Record<(typeof DECAY_TYPES)[number], (at: number, length: number) => Way>> = {
  linear: straight,
  cosine: halfWave,
  '1-sqrt': (at, length) => {
    const done = Math.sqrt(at / length);
    // 1 - √x without the difference that loses digits near the end.
    return { done, left: (length - at) / length / (1 + done) };
  },
};

/**
 * Warm-up, stable, decay: a straight line up, then the value, then down to `min`, reached at count = steps and kept.
 *
 *   count < warmupSteps:           value · (count + 1) / warmupSteps up to there, as `warmup` does
 *   up to steps - decaySteps:      value
 *   from there on, x = share done: min + (value - min) · f,  f = 1 - x, (1 + cos πx)/2 or 1 - √x
 *
 * A run can be made longer by going on from the last stable update, and needs its end only then.
 *
 * @example wsd(1e-3, { steps: 10_000, warmupSteps: 500, decaySteps: 2000 })
 * @throws DownhillError OPTION-RANGE, also where warm-up and decay do not fit into `steps`; OPTION-TYPE, OPTION-UNKNOWN.
 * Papers: Hu et al. 2024, MiniCPM, https://arxiv.org/abs/2404.06395; Hägele et al. 2024, https://arxiv.org/abs/2405.18392
 */
export function wsd(value: number, options: WsdOptions): NamedSchedule {
  checkCall('wsd', value, options, ['steps', 'warmupSteps', 'decaySteps', 'decayType', 'min']);
  const steps = checkInteger('wsd: steps', options.steps, 1);
  const warmupSteps = checkInteger('wsd: warmupSteps', options.warmupSteps ?? 0, 0, steps);
  const room = steps - warmupSteps;
  const decaySteps = checkInteger(
    'wsd: decaySteps',
    options.decaySteps ?? Math.min(Math.ceil(steps / 10), room),
    0,
    room,
  );
  const decayType = checkChoice('wsd: decayType', options.decayType ?? '1-sqrt', DECAY_TYPES);
  const min = checkNumber('wsd: min', options.min ?? 0, { max: value });
  const way = DECAYS[decayType];
  const stable = steps - decaySteps;
  return named('wsd', [value], { steps, warmupSteps, decaySteps, decayType, min }, (count) => {
    if (count < warmupSteps) return between(value / warmupSteps, value, straight(count, warmupSteps));
    if (count >= steps) return min;
    return count <= stable ? value : between(value, min, way(count - stable, decaySteps));
  });
}

/** Options of {@link noam}. */
export interface NoamOptions {
  /** Width of the model: 512 in the paper. */
  readonly dModel: number;
  /** Updates that go up. Default 4000. */
  readonly warmupSteps?: number;
}

/**
 * The Transformer's schedule: up in a straight line, then down as 1/√t. With t = count + 1,
 *
 *   factor · dModel^-0.5 · min(t^-0.5, t · warmupSteps^-1.5)
 *
 * Its highest value is factor / √(dModel · warmupSteps), at t = warmupSteps; made for Adam with betas [0.9, 0.98].
 *
 * @param factor 1 in the paper
 * @example adam({ lr: noam(1, { dModel: 512, warmupSteps: 4000 }), betas: [0.9, 0.98], eps: 1e-9 }) // up to 7e-4
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * Paper: Vaswani et al. 2017, Attention is all you need, section 5.3, https://arxiv.org/abs/1706.03762
 */
export function noam(factor: number, options: NoamOptions): NamedSchedule {
  checkCall('noam', factor, options, ['dModel', 'warmupSteps']);
  const dModel = checkInteger('noam: dModel', options.dModel, 1);
  const warmupSteps = checkInteger('noam: warmupSteps', options.warmupSteps ?? 4000, 1);
  return named('noam', [factor], { dModel, warmupSteps }, (count) => {
    const t = count + 1;
    // One root of a whole number each: exact up to 2^53, and both branches meet at t = warmupSteps.
    return t <= warmupSteps
      ? (factor * (t / warmupSteps)) / Math.sqrt(dModel * warmupSteps)
      : factor / Math.sqrt(dModel * t);
  });
}
