import { checkNumber } from '../gpu/fields.js';

/** A factor on what a hyper-parameter is: made by {@link scale}. */
export class Scale {
  constructor(readonly factor: number) {}
}

/**
 * For `set`: a factor on each group's own value, number or schedule, so that the ratios of groups stay.
 *
 * @example optimizer.set({ lr: scale(0.1) });
 * @throws DownhillError OPTION-* unless it is finite and at least 0.
 */
export const scale = (factor: number): Scale => new Scale(checkNumber('scale: the factor', factor, { min: 0 }));
