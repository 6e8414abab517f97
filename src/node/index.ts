/** `downhill/node`: what only Node has: a device from Dawn, files, and data sets by name. */
export type { Decode, ImageOptions } from '../data/images.js';
export type { Pixels } from '../data/resize.js';
export type {
  CheckpointStore,
  DamagedCheckpoint,
  FoundCheckpoint,
  SavedCheckpoint,
  StoredCheckpoint,
  StoreOptions,
} from '../store/store.js';
export type { MeasuredPlan, PlanStore } from '../train/plan-types.js';
export {
  DATASETS,
  type DatasetFiles,
  type DatasetOptions,
  type DownloadProgress,
  dataset,
  datasetFiles,
  type NamedDataset,
} from './datasets.js';
export { type DeviceOptions, type FoundGpu, requestDevice, requestGpu } from './device.js';
export { type Driver, findDrivers } from './drivers.js';
export { type IdxFiles, type IdxPart, idxFolder, idxParts } from './files.js';
export { folderPlans } from './folder-plans.js';
export { folderStore } from './folder-store.js';
export { type FileSource, type IdxSourceOptions, idxSource } from './idx-source.js';
export { imageFolder } from './images.js';
/** @internal For the command line. */
export { appendLines } from './lines.js';
/** @internal For the command line. */
export { isAlive, lockFolder, startOf } from './lock.js';
/** @internal For the command line. */
export { makeFolder } from './make-folder.js';
/** @internal For the command line. */
export { checkPlain, readPlainFile, readPlainFileSync, readPlainText } from './plain-file.js';
export { fileLog } from './search-log.js';
