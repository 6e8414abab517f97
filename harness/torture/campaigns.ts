import type { Campaign } from './campaign.js';
import { DEVICE_CAMPAIGNS } from './gpu/campaigns.js';
import { inputs } from './inputs.js';
import { kills } from './kills.js';
import { mutants } from './mutants.js';
import { paths } from './paths.js';
import { soak } from './soak.js';

/** Every campaign: one is a file and a row here. Quick ones run first: what one leaves of its time, later ones have. */
export const CAMPAIGNS: readonly Campaign[] = [soak, paths, inputs, ...DEVICE_CAMPAIGNS, kills, mutants];
