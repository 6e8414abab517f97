/** What tests run examples/splat-fit with, and what it has to reach: measured 37.7 dB on SwiftShader, 37.9 on lavapipe. */
export const SPLAT_FIT = { count: 200, room: 400, steps: 600, bar: 35 };
