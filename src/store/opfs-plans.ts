import type { PlanStore } from '../train/plan-types.js';

/** Beside the folder of checkpoint stores, whose names are the caller's. */
const FOLDER = 'downhill-plans';

const open = async (create: boolean) => (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create });

/**
 * Measured plans in the browser's own file system, for `plans` of `createTrainer`; `folderPlans` of downhill/node is the same
 * for a disk. Where the browser offers no storage a plan is measured anew each time, with a warning.
 *
 * @example createTrainer(device, { model, rule, data, plan: 'measure', plans: opfsPlans() });
 */
export const opfsPlans = (): PlanStore => ({
  async load(key) {
    let file: File;
    try {
      const folder = await open(false);
      file = await (await folder.getFileHandle(`${key}.json`)).getFile();
    } catch (error) {
      if ((error as DOMException).name === 'NotFoundError') return undefined;
      throw error;
    }
    return JSON.parse(await file.text());
  },
  async save(key, plan) {
    const folder = await open(true);
    // What is written takes the file's place when it is whole.
    const stream = await (await folder.getFileHandle(`${key}.json`, { create: true })).createWritable();
    try {
      await stream.write(JSON.stringify(plan));
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => {}); // after a failed write it is in error already
      throw error;
    }
  },
});
