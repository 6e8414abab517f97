import { ema } from './averages/ema.js';
import { swa } from './averages/swa.js';

export type { Average } from './averages/average.js';
export type { EmaOptions } from './averages/ema.js';
export type { SwaOptions } from './averages/swa.js';
export { ema, swa };

/** Every average of the weights, by name. */
export const averages = { ema, swa } as const;
