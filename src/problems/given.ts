import type { Problem } from './problem.js';

/** What the float64 reference of a problem is called with beside the point: its settings, its data and its dimension. */
export const givenOf = ({ settings, data, n }: Problem) => ({ ...settings, data, n });
