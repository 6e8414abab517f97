import { DownhillError, show } from '../../gpu/errors.js';
import type { Schedule } from '../../gpu/fields.js';
import { checkChoice, checkInteger, checkNumber, checkOptions } from '../../gpu/fields.js';
import { between, checkAscending, checkSchedule, madeOf, type NamedSchedule, named, straight } from './core.js';

/*
 * Schedules made of schedules.
 */

/**
 * A straight line in front of a schedule, up to its first value:
 *
 *   count < steps:   from + (first - from) · count / steps,   where first = schedule(0)
 *   from then on:    schedule(count - steps)
 *
 * The schedule is **shifted**: its own count starts at 0 after the warm-up, so a cosine of 10,000 steps behind a warm-up of
 * 500 ends at count 10,500.
 *
 * @param schedule any, of this library or a function of your own; a number stands for itself
 * @param options `steps` of the warm-up, 0 for none; `from`, what the first update uses: by default first / steps, so that
 * nothing is lost to an update of rate 0. `from: 0` is what optax and Keras start with.
 * @example warmup(cosine(1e-3, { steps: 9_500 }), { steps: 500 }) // 2e-6 at count 0, 1e-3 at count 500, 0 at 10,000
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's LinearLR with start_factor = 1 / steps, and SequentialLR. optax' warmup_cosine_decay_schedule counts the
 * warm-up as part of the decay.
 */
export function warmup(
  schedule: Schedule | number,
  options: { readonly steps: number; readonly from?: number },
): NamedSchedule {
  const after = checkSchedule('warmup: the schedule', schedule);
  checkOptions('warmup', options, ['steps', 'from']);
  const steps = checkInteger('warmup: steps', options.steps, 0);
  const { from } = options;
  if (from !== undefined) checkNumber('warmup: from', from);
  const made = named('warmup', [schedule], { steps, from }, (count) => {
    if (count >= steps) return after(count - steps);
    const first = after(0);
    return between(from ?? first / steps, first, straight(count, steps));
  });
  return madeOf([after], made);
}

/**
 * Several schedules, one after the other: the first up to boundaries[0], the second from there on, and so on. Each is
 * **shifted**: its own count starts at 0 where it begins.
 *
 * @param schedules at least one; a number stands for itself
 * @param boundaries the counts at which the next one begins: one fewer than schedules, ascending, at least 1
 * @example join([0.1, cosine(0.1, { steps: 2000 })], [8000]) // 8000 updates at 0.1, then 2000 down to 0
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, SHAPE-MISMATCH where the two lists do not go together.
 * As optax' join_schedules; PyTorch's SequentialLR.
 */
export function join(schedules: readonly (Schedule | number)[], boundaries: readonly number[]): NamedSchedule {
  if (!Array.isArray(schedules)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `join expects a list of schedules, got ${show(schedules)}.`,
      'Pass a list of schedules and a list of the counts between them.',
    );
  }
  // Not `map` of the list itself, which leaves out its holes.
  const parts = Array.from(schedules, (each, i) => checkSchedule(`join: schedules[${i}]`, each));
  const starts = checkAscending('join: boundaries', boundaries, 1);
  if (parts.length !== starts.length + 1) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `join needs one boundary fewer than schedules, got ${starts.length} and ${parts.length}.`,
      'Pass the count at which each schedule but the first begins.',
    );
  }
  const made = named('join', [schedules, starts], {}, (count) => {
    const next = starts.findIndex((start) => start > count);
    const index = next < 0 ? starts.length : next;
    return parts[index]!(count - (starts[index - 1] ?? 0));
  });
  return madeOf(parts, made);
}

/** How a learning rate goes with the batch size. */
export const SCALE_RULES = ['linear', 'sqrt'] as const;

/**
 * The learning rate for another batch size: lr · batchSize / base, or lr · √(batchSize / base) with `rule: 'sqrt'`.
 *
 * @param lr found good for batches of `base`; at least 0
 * @param options `base` 256 and `rule` 'linear' by default. 'linear' is for SGD, mostly behind a warm-up; 'sqrt' for
 * Adam and its kin.
 * @example warmup(cosine(scaleLr(0.1, { batchSize: 1024 }), { steps: 5000 }), { steps: 250 }) // up to 0.4
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * Papers: Goyal et al. 2017, https://arxiv.org/abs/1706.02677 (linear); Malladi et al. 2022, https://arxiv.org/abs/2205.10287 (sqrt)
 */
export function scaleLr(
  lr: number,
  options: { readonly batchSize: number; readonly base?: number; readonly rule?: (typeof SCALE_RULES)[number] },
): number {
  checkNumber('scaleLr: lr', lr, { min: 0 });
  checkOptions('scaleLr', options, ['batchSize', 'base', 'rule']);
  const batchSize = checkInteger('scaleLr: batchSize', options.batchSize, 1);
  const base = checkInteger('scaleLr: base', options.base ?? 256, 1);
  const rule = checkChoice('scaleLr: rule', options.rule ?? 'linear', SCALE_RULES);
  return lr * (rule === 'sqrt' ? Math.sqrt(batchSize / base) : batchSize / base);
}
