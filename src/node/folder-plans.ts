import { join, resolve } from 'node:path';
import { DownhillError, show } from '../gpu/errors.js';
import type { PlanStore } from '../train/plan-types.js';
import { cacheFolder, writeWhole } from './cache.js';
import { readPlainText } from './plain-file.js';

/**
 * Measured plans in a folder, one JSON file each, `<key>.json`: for `plans` of `createTrainer`.
 *
 * @param folder default `plans` in the cache folder (DOWNHILL_CACHE, or the platform's: ~/.cache/downhill on Linux), where
 *   `downhill tune` keeps its own. Made when something is kept.
 * @example createTrainer(device, { model, rule, data, plan: 'measure', plans: folderPlans() });
 * @throws DownhillError OPTION-TYPE
 */
export function folderPlans(folder: string = join(cacheFolder(), 'plans')): PlanStore {
  if (typeof folder !== 'string' || folder === '')
    throw new DownhillError(
      'OPTION-TYPE',
      `folderPlans takes the path of a folder, got ${show(folder)}.`,
      'Pass a path.',
    );
  const path = resolve(folder);
  return {
    async load(key) {
      let text: string;
      try {
        text = readPlainText(join(path, `${key}.json`));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
      return JSON.parse(text);
    },
    save: (key, plan) =>
      writeWhole(path, `${key}.json`, new TextEncoder().encode(`${JSON.stringify(plan, null, 2)}\n`)),
  };
}
