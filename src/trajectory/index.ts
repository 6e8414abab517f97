/**
 * `downhill/problems`: analytic functions to minimize, with their minima, customary starts and pictures' windows; and the whole
 * way of a rule down one of them, on a device or without one.
 *
 * @module downhill/problems
 */
export { type OwnFunction, ownProblem } from '../problems/own.js';
export {
  checkPoint,
  type Minimum,
  type Problem,
  type ProblemFields,
  type ProblemOptions,
  type ProblemRow,
  type ProblemSettings,
  resolveProblem,
} from '../problems/problem.js';
export * from '../problems/rows.gen.js';
export { type AnalyticFunction, functionOf, hessianOf } from './function.js';
export { type Curvatures, curvaturesOf, type Reached, stepsBelow, stepsBeyond } from './measure.js';
export { minimize, minimizeAll } from './minimize.js';
export type { MinimizeOptions, MinimizeRun, Trajectory } from './types.js';
