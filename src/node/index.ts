/** `downhill/node`: what only Node has: a device from Dawn, and files. */
export type { DeviceOptions } from '../gpu/device.js';
export { type FoundGpu, requestDevice, requestGpu } from './device.js';
export { type Driver, findDrivers } from './drivers.js';
export { type IdxFiles, type IdxPart, idxFolder, idxParts } from './files.js';
