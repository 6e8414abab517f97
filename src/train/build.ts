import { Uploads } from '../data/upload.js';
import type { DownhillError } from '../gpu/errors.js';
import type { Model } from '../nn/model.js';
import { liveSlots } from '../optim/updater.js';
import { Evaluator } from './evaluate.js';
import { networkObjective } from './objective.js';
import type { CheckedOptions } from './options.js';
import type { FormChoice } from './plan-types.js';
import { Program, type ProgramOptions } from './program.js';
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
 * @param choice forms by pass, where others than the heuristic's are wanted; or who chooses them
 */
export async function buildProgram(
  device: GPUDevice,
  options: CheckedOptions,
  choice?: ProgramOptions['choice'],
): Promise<Built> {
  const { label } = options.settings;
  const uploads = new Uploads(device, label);
  try {
    const objective = networkObjective({ ...options, uploads });
    const packed = await packedFor(options);
    const validation = options.validation && validationPlan(device, options.model, options.validation, uploads);
    const program = await Program.create(device, {
      ...options,
      ...{ label, objective, validation, packed, seeds: [options.seed] },
      choice,
    });
    return { program, uploads };
  } catch (error) {
    uploads.destroy();
    throw error;
  }
}

/** What keeps the rule's state in fewer bytes, where that is asked for. @throws DownhillError OPTION-RANGE */
async function packedFor({
  row,
  groups,
  settings: { state },
  seed,
}: CheckedOptions): Promise<ProgramOptions['packed']> {
  if (state === undefined || state === 'f32') return undefined;
  return (await import('../optim/packed.js')).loadPacked(row, liveSlots(row, groups), state, [seed]);
}

/**
 * Who chooses the forms of a trainer. Most go by the adapter's traits, and load nothing for it.
 *
 * @throws DownhillError OPTION-*, PLAN-UNKNOWN
 */
export const choiceOf = async (
  device: GPUDevice,
  { plan, plans, planBudgetMs, settings: { label } }: CheckedOptions,
) =>
  plans === undefined && (plan === 'auto' || plan === 'pinned')
    ? undefined
    : (await import('./choose.js')).chooserOf(device, { label, plan, plans, planBudgetMs });

/** A program with the forms of one that was lost, where they are there on another device. */
export const buildAgain = async (device: GPUDevice, options: CheckedOptions, choice: FormChoice): Promise<Built> =>
  (await buildProgram(device, options, choice).catch(unlessUnknown)) ?? buildProgram(device, options);

/** Lets pass that a form is not there on this device. */
export function unlessUnknown(error: unknown): undefined {
  if ((error as Partial<DownhillError>).code !== 'PLAN-UNKNOWN') throw error;
}
