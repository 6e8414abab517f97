import { ALIGNMENT, BufferSet, guarded } from './buffers.js';
import { USAGE } from './constants.js';
import { DownhillError } from './errors.js';

/* What is bound where a pass leaves a storage binding out: two small buffers a device, made when the first pass lacks one. */

/** Stand-ins for slots that are off: never both read-only and writable in one dispatch, never overlapping. */
interface StandIns {
  readonly read: GPUBuffer;
  readonly write: GPUBuffer;
}

interface MadeStandIns {
  buffers?: StandIns | undefined;
  /** There while they are made. */
  making?: Promise<void> | undefined;
}

const known = new WeakMap<GPUDevice, MadeStandIns>();

function madeOn(device: GPUDevice): MadeStandIns {
  const made = known.get(device) ?? {};
  known.set(device, made);
  return made;
}

/**
 * Makes the stand-ins. They are there at once, and once this has resolved they are good: the device keeps them for good.
 *
 * @throws DownhillError GPU-OUT-OF-MEMORY; there are none then, and whoever comes next tries again
 */
function makeStandIns(device: GPUDevice): Promise<void> {
  const made = madeOn(device);
  const buffers = new BufferSet(device, 'dummy');
  const making = guarded(device, 'dummy', () => {
    const read = buffers.make('read', ALIGNMENT, USAGE.STORAGE);
    made.buffers = { read, write: buffers.make('write', 8 * ALIGNMENT, USAGE.STORAGE) };
  })
    .catch((error: unknown) => {
      made.buffers = undefined;
      buffers.destroy();
      throw error;
    })
    .finally(() => {
      made.making = undefined;
    });
  made.making = making;
  return making;
}

/** To be awaited before passes are made. @param needed some of them lack a buffer */
export async function needStandIns(device: GPUDevice, needed: boolean): Promise<void> {
  const made = madeOn(device);
  if (made.making || (!made.buffers && needed)) await (made.making ?? makeStandIns(device));
}

/** The stand-ins for passes made at once. @throws DownhillError GPU-OUT-OF-MEMORY */
export function standInsNow(device: GPUDevice): StandIns {
  const made = madeOn(device);
  if (!made.buffers) makeStandIns(device).catch(() => {}); // the passes that bind them are found to be wrong, too
  if (made.buffers) return made.buffers;
  throw new DownhillError(
    'GPU-OUT-OF-MEMORY',
    'There is no memory for stand-ins of unused bindings.',
    'Free other GPU resources.',
  );
}
