import type { Campaign } from '../campaign.js';
import { cycles } from './cycles.js';
import { deviceLoss } from './device-loss.js';
import { foreign } from './foreign.js';
import { inChrome } from './in-chrome.js';
import { inNode } from './in-node.js';
import { maps } from './maps.js';
import { memory } from './memory.js';
import { nonfinite } from './nonfinite.js';
import { scopes } from './scopes.js';
import { sequences } from './sequences.js';
import { shaders } from './shaders.js';

/** Campaigns on devices: in Node, and those in which the browser's own part matters in Chrome, too. */
export const DEVICE_CAMPAIGNS: readonly Campaign[] = [
  ...[scopes, cycles, sequences, nonfinite, foreign, maps, shaders, memory, deviceLoss].map(inNode),
  // A page is slower at the same: what it compiles goes through another process.
  inChrome(cycles, { short: 40, full: 1000 }),
  inChrome(maps, { short: 8, full: 100 }),
  inChrome(deviceLoss, { short: 4, full: 60 }),
];
