import { Uploads } from '../data/upload.js';
import type { Plan } from '../kernels/op.js';
import type { Model } from '../nn/model.js';
import { Evaluator } from './evaluate.js';
import { networkObjective } from './objective.js';
import type { CheckedOptions } from './options.js';
import { Program } from './program.js';
import type { ValidationPlan } from './validation.js';

/** A program, and the copies of data that it shares with evaluations. */
export interface Built {
  readonly program: Program;
  readonly uploads: Uploads;
}

/** Validation of a network on one copy of its data. */
const validationPlan = (
  device: GPUDevice,
  model: Model,
  { settings, data }: NonNullable<CheckedOptions['validation']>,
  uploads: Uploads,
): ValidationPlan => ({
  settings,
  evaluator: (weights) => Evaluator.ofDataset(device, { ...weights, model }, data, uploads),
});

/**
 * A program of its own on a device, with copies of its data.
 *
 * @param choice forms by pass, where others than the default are wanted
 */
export async function buildProgram(
  device: GPUDevice,
  options: CheckedOptions,
  choice?: Plan['choice'],
): Promise<Built> {
  const { label } = options.settings;
  const uploads = new Uploads(device, label);
  try {
    const objective = networkObjective({ ...options, uploads });
    const validation = options.validation && validationPlan(device, options.model, options.validation, uploads);
    const program = await Program.create(device, {
      ...options,
      ...{ label, objective, validation, seeds: [options.seed] },
      ...(choice && { choice }),
    });
    return { program, uploads };
  } catch (error) {
    uploads.destroy();
    throw error;
  }
}
