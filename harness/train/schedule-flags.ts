/**
 * The flags of schedules, and what is read of them. No Node here: the page makes its controls of the same table, and reads
 * them with the same function.
 */
import { checkChoice, DECAY_TYPES, DownhillError } from '../../src/index.js';
import type { Flag } from '../common/flags.js';
import { kebab, toNumber } from '../common/settings.js';
import type { ScheduleConfig, ScheduleOptions } from './config.js';
import { SCHEDULES } from './schedule.js';

export const SCHEDULE: Flag = {
  value: 'NAME',
  help: 'what --lr follows over the run: one of those below',
  default: 'constant',
};

/** The schedules that take an option. */
const schedulesWith = (option: keyof ScheduleOptions): string[] =>
  Object.keys(SCHEDULES).filter((name) => SCHEDULES[name]!.options.includes(option));
const forSchedules = (option: keyof ScheduleOptions) => `of ${schedulesWith(option).join(', ')}`;

const ROWS: Readonly<Record<keyof ScheduleOptions, Flag>> = {
  stepSize: { value: 'N', help: forSchedules('stepSize'), default: 'a third of the run' },
  milestones: { value: 'N,N', help: forSchedules('milestones'), default: 'half and three quarters of the run' },
  gamma: { value: 'X', help: forSchedules('gamma'), default: '0.1' },
  power: { value: 'X', help: forSchedules('power'), default: '2' },
  minLr: { value: 'X', help: forSchedules('minLr'), default: '0' },
  decaySteps: { value: 'N', help: forSchedules('decaySteps'), default: 'a tenth of the run' },
  decayType: { value: 'NAME', help: `${forSchedules('decayType')}: ${DECAY_TYPES.join(', ')}`, default: '1-sqrt' },
  dModel: { value: 'N', help: forSchedules('dModel'), default: '512' },
};

/** The options of schedules in the order of their flags. */
export const SCHEDULE_OPTIONS = Object.keys(ROWS) as readonly (keyof ScheduleOptions)[];
/** By flag. */
export const SCHEDULE_FLAGS = Object.fromEntries(SCHEDULE_OPTIONS.map((key) => [kebab(key), ROWS[key]]));

/**
 * What --lr follows; undefined where it stays as it is. Values are checked when the schedule is made of them.
 *
 * @param given flags by name, as typed
 * @throws DownhillError OPTION-RANGE
 */
export function readSchedule(given: ReadonlyMap<string, string>, warmup: number): ScheduleConfig | undefined {
  const name = checkChoice('--schedule', given.get('schedule') ?? SCHEDULE.default!, Object.keys(SCHEDULES));
  const options: Record<string, unknown> = {};
  for (const key of SCHEDULE_OPTIONS) {
    const flag = kebab(key);
    const typed = given.get(flag);
    const fallback = toNumber(ROWS[key].default!);
    if (SCHEDULES[name]!.options.includes(key)) {
      // A default in words depends on the run's length.
      if (typed !== undefined) options[key] = key === 'milestones' ? typed.split(',').map(toNumber) : toNumber(typed);
      else if (typeof fallback === 'number') options[key] = fallback;
    } else if (typed !== undefined) {
      const owners = schedulesWith(key);
      throw new DownhillError(
        'OPTION-RANGE',
        `--${flag} is for --schedule ${owners.join(', ')}, not for ${name}.`,
        `Leave out --${flag}, or use --schedule ${owners[0]}.`,
      );
    }
  }
  return name === 'constant' && warmup === 0 ? undefined : { name, warmup, ...options };
}
