import type { Attach } from './part.js';

/** Loaded behind the first paint, in this order. */
export const PARTS: readonly (() => Promise<{ readonly attach: Attach }>)[] = [
  () => import('./live/welcome.js'),
  () => import('./live/strip.js'),
  () => import('./live/validation.js'),
  () => import('./live/rate.js'),
  () => import('./instruments/panel.js'),
];
