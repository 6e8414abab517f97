import { otherForms } from './apply.js';
import { type Built, buildProgram, unlessUnknown } from './build.js';
import type { Restored } from './checkpoint-types.js';
import type { CheckedOptions } from './options.js';
import { openCheckpoint, restoreProgram } from './persist.js';

export { openCheckpoint };

/**
 * Goes on from a checkpoint with the forms that it was trained with: where the program has others and those fit this adapter,
 * in another program, which the caller puts in its place.
 *
 * @param checkAlive throws where the trainer was destroyed meanwhile
 * @throws DownhillError CHECKPOINT-*, with the program as it was
 */
export async function restoreBuilt(
  now: Built,
  options: CheckedOptions,
  opened: ReturnType<typeof openCheckpoint>,
  checkAlive: () => void,
): Promise<{ readonly built: Built; readonly restored: Restored }> {
  const { device, updater } = now.program;
  const { plan } = opened.saved;
  const same = otherForms(now.program, plan).length === 0;
  const built = same ? undefined : await buildProgram(device, options, plan).catch(unlessUnknown);
  checkAlive();
  if (!built) return { built: now, restored: restoreProgram(now.program, opened) };
  try {
    built.program.updater.scalars.change(updater.scalars.rules);
    return { built, restored: restoreProgram(built.program, opened) };
  } catch (error) {
    built.program.destroy();
    built.uploads.destroy();
    throw error;
  }
}
