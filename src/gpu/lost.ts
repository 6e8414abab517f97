import { DownhillError } from './errors.js';

/*
 * A lost device looks like success: no error is raised, and most promises resolve. Whoever waits for the GPU therefore
 * waits through `untilLost`. `device.lost` is subscribed to once per device, so that thousands of waits leave nothing behind.
 */

interface Watch {
  lost: DownhillError | undefined;
  readonly waiting: Set<(error: DownhillError) => void>;
}

const watches = new WeakMap<GPUDevice, Watch>();

function watchOf(device: GPUDevice): Watch {
  let watch = watches.get(device);
  if (!watch) {
    const created: Watch = { lost: undefined, waiting: new Set() };
    void device.lost.then((info) => {
      created.lost = new DownhillError(
        'DEVICE-LOST',
        `The GPU device was lost (${info.reason || 'unknown reason'}${info.message ? `: ${info.message.split('\n')[0]}` : ''}).`,
        'Request a new device and build the trainer again; what was read back before is still good.',
      );
      for (const reject of created.waiting) reject(created.lost);
      created.waiting.clear();
    });
    watches.set(device, created);
    watch = created;
  }
  return watch;
}

/** `promise`, or a rejection with DEVICE-LOST as soon as the device is lost. */
export function untilLost<T>(device: GPUDevice, promise: Promise<T>): Promise<T> {
  const watch = watchOf(device);
  return new Promise<T>((resolve, reject) => {
    if (watch.lost) {
      promise.catch(() => {});
      reject(watch.lost);
      return;
    }
    watch.waiting.add(reject);
    promise.then(
      (value) => {
        watch.waiting.delete(reject);
        resolve(value);
      },
      (error: unknown) => {
        // mapAsync rejects a moment before `device.lost` resolves: give the loss that moment to name itself.
        setTimeout(() => {
          if (watch.waiting.delete(reject)) reject(error);
        }, 100);
      },
    );
  });
}

/** Throws DEVICE-LOST when the device is lost already. */
export async function checkNotLost(device: GPUDevice): Promise<void> {
  const watch = watchOf(device);
  // Whoever asks first lets the watch hear of a loss that has happened. (A race with `device.lost` would do that, too, and
  // leave 310 bytes with a promise that lives as long as the device.)
  await undefined;
  if (watch.lost) throw watch.lost;
}

/** Whether an error says that the device is gone. */
export const isLost = (error: unknown): boolean => error instanceof DownhillError && error.code === 'DEVICE-LOST';
