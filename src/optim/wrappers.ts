import { cautious } from './wrappers/cautious.js';
import { centralize } from './wrappers/centralize.js';
import { gradientNoise } from './wrappers/gradient-noise.js';
import { lookahead } from './wrappers/lookahead.js';
import { sam } from './wrappers/sam.js';

export type { CentralizeOptions } from './wrappers/centralize.js';
export type { GradientNoiseOptions } from './wrappers/gradient-noise.js';
export type { LookaheadOptions } from './wrappers/lookahead.js';
export type { SamOptions } from './wrappers/sam.js';
export type { Wrapper } from './wrappers/wrapper.js';
export { cautious, centralize, gradientNoise, lookahead, sam };

/** Everything that goes round a rule, by name. */
export const wrappers = { centralize, gradientNoise, cautious, lookahead, sam } as const;
