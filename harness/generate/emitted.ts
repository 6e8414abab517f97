/*
 * Kernels whose registers are written out, since WGSL cannot size a function's arrays by overrides and Tint does not unroll
 * loops: the same text over and over, with other numbers. Each is a module of its own under src/shaders, checked in, and
 * validated and tested like what is written by hand.
 */

/** The texts by their names: 'nn/dense_…'. */
export const emitted = (): Readonly<Record<string, string>> => ({});
