import { separable } from '../problem.js';

const TURN = 2 * Math.PI;

/** Σ 10 + x² - 10 cos 2πx. */
export const rastrigin = separable({
  value: (x) => 10 + x ** 2 - 10 * Math.cos(TURN * x),
  slope: (x) => 2 * x + 10 * TURN * Math.sin(TURN * x),
  curvature: (x) => 2 + 10 * TURN ** 2 * Math.cos(TURN * x),
});
