/**
 * `downhill/landscape`: the loss round a network's weights, on a plane or along a line, many points in the same dispatches.
 *
 * @module downhill/landscape
 */

export { landscape } from './landscape.js';
export { type PathOptions, recordPath, type WeightPath } from './path.js';
export type {
  Interval,
  Landscape,
  LandscapeOptions,
  NamedWeights,
  PlaneKind,
  PlanePath,
  PlanePoint,
} from './types.js';
