import { trainerOptions } from '../../harness/train/job.js';
import { scheduleOf } from '../../harness/train/schedule.js';
import { validationOptions } from '../../harness/train/validation.js';
import type { TrainerOptions } from '../../src/index.js';
import type { Experiment } from './config.js';

/* For views that train. Apart from config.ts, which the page loads before any view: with this comes the trainer. */

/** Of the trainer of the Train view, in what the device says of its work. */
export const LABEL = 'page';

/** What the command line's job gives to `createTrainer`. */
export const optionsOf = ({ config, data, steps }: Experiment): TrainerOptions => ({
  ...trainerOptions(config, data, scheduleOf(config, steps)),
  ...validationOptions(config, data.validation),
  plan: 'pinned',
  label: LABEL,
});
