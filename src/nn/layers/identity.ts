import { elementwise } from '../elementwise.js';

/** y = x: nothing, kept for models that name their layers as another framework does. */
export const identity = elementwise('identity', 'Identity', 'identity');
