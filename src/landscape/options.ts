import type { Dataset } from '../data/dataset.js';
import { checkSameScaling, checkSameTargets } from '../data/scaling.js';
import { isSource, rowsOf } from '../data/source.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { type TensorSpec, tensorsOf } from '../nn/model.js';
import { elementsOf, type TensorShape } from '../space/space.js';
import type { Inside } from '../train/inside.js';
import { checkData, MAX_SEED } from '../train/options.js';
import { WeightPath } from './path.js';
import type { Interval, LandscapeOptions, NamedWeights, PlaneKind } from './types.js';

/* What a landscape is asked for, checked before any GPU work. */

const OPTIONS = [
  'plane',
  'grid',
  'range',
  'seed',
  'samples',
  'data',
  'path',
  'from',
  'to',
  'weights',
  'members',
  'signal',
  'onProgress',
] as const;

const PLANES: readonly PlaneKind[] = ['random', 'pca', 'line'];
const MOST_POINTS = 512;
/** Beyond this f32 adds nothing but infinities. */
const FARTHEST = 1e6;
const DEFAULT_SAMPLES = 1000;
const FEWEST_SNAPSHOTS = 3;

export type CheckedLandscape = ReturnType<typeof checkLandscape>;

/** @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-* */
export function checkLandscape(options: LandscapeOptions, { model, data: trained, program }: Inside) {
  checkOptions('landscape', options, OPTIONS);
  const plane = checkChoice('landscape: plane', options.plane, PLANES);
  const grid = checkInteger('landscape: grid', options.grid ?? (plane === 'line' ? 51 : 25), 2, MOST_POINTS);
  const { data = trained, path, from, to, signal, onProgress } = options;
  if (data !== trained) {
    checkData(model, data);
    checkSameScaling(trained, data);
    checkSameTargets(trained.targets, data.targets);
  }
  checkCalls(signal, onProgress);
  checkEnds(plane, options, tensorsOf(model));
  return {
    plane,
    grid,
    range: checkRange(plane, options.range),
    seed: checkInteger('landscape: seed', options.seed ?? 0, 0, MAX_SEED),
    samples: checkInteger(
      'landscape: samples',
      options.samples ?? Math.min(DEFAULT_SAMPLES, data.samples),
      1,
      data.samples,
    ),
    data,
    ...{ path, from, to, signal, onProgress },
    members: options.members === undefined ? undefined : checkInteger('landscape: members', options.members, 1),
    // Looked up here, so that what is not there is told before anything else happens.
    weights: program.weights(options.weights),
  };
}

function checkCalls(signal: unknown, onProgress: unknown): void {
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.throwIfAborted !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `landscape: signal must be an AbortSignal, got ${show(signal)}.`,
      'Pass `new AbortController().signal`.',
    );
  }
  if (onProgress === undefined || typeof onProgress === 'function') return;
  throw new DownhillError(
    'OPTION-TYPE',
    `landscape: onProgress must be a function, got ${show(onProgress)}.`,
    'Pass (done, total) => { … }.',
  );
}

/** What each plane needs, and what it has no use for. */
function checkEnds(plane: PlaneKind, { path, from, to }: LandscapeOptions, tensors: readonly TensorSpec[]): void {
  const snapshots = path === undefined ? 0 : checkPath(path, tensors);
  for (const [name, weights] of Object.entries({ from, to })) {
    if (weights === undefined) continue;
    if (plane !== 'line') {
      throw new DownhillError(
        'OPTION-RANGE',
        `landscape: ${name} is an end of a line, but the plane is ${show(plane)}.`,
        `Leave ${name} out, or use plane: 'line'.`,
      );
    }
    checkNamed(`landscape: ${name}`, weights, tensors);
  }
  const wanted = plane === 'pca' ? FEWEST_SNAPSHOTS : plane === 'line' && from === undefined ? 1 : 0;
  if (snapshots >= wanted) return;
  throw new DownhillError(
    'OPTION-RANGE',
    plane === 'pca'
      ? `landscape: principal components need a path of at least ${FEWEST_SNAPSHOTS} snapshots, got ${snapshots}.`
      : 'landscape: a line needs somewhere to begin.',
    plane === 'pca'
      ? 'Train with `path.run` of recordPath(), and pass the path.'
      : 'Pass from: await trainer.readParameters() of before, or a path of recordPath().',
  );
}

/** @returns how many snapshots it has */
function checkPath(path: unknown, tensors: readonly TensorSpec[]): number {
  if (path instanceof WeightPath) {
    checkSameTensors('landscape: path', path.space.tensors, tensors);
    return path.steps.length;
  }
  if (!Array.isArray(path)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `landscape: path must be a recorded path or a list of weights, got ${show(path)}.`,
      'Pass what recordPath() gave, or a list of what readParameters() gave.',
    );
  }
  for (const [i, weights] of path.entries()) checkNamed(`landscape: path[${i}]`, weights, tensors);
  return path.length;
}

const mismatch = (what: string) =>
  new DownhillError('SHAPE-MISMATCH', what, 'Pass weights of the same model, as readParameters() gave them.');

function checkSameTensors(where: string, theirs: readonly TensorShape[], own: readonly TensorSpec[]): void {
  for (const tensor of own) {
    const other = theirs.find(({ name }) => name === tensor.name);
    if (other && elementsOf(other) === elementsOf(tensor)) continue;
    throw mismatch(
      `${where} is of another model: its ${show(tensor.name)} has ${other ? elementsOf(other) : 'no'} elements, this model's ${elementsOf(tensor)}.`,
    );
  }
}

function checkNamed(where: string, weights: unknown, tensors: readonly TensorSpec[]): void {
  const named = weights as NamedWeights | null;
  if (typeof named !== 'object' || named === null || ArrayBuffer.isView(named)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be weights by tensor name, got ${show(weights)}.`,
      'Pass what `await trainer.readParameters()` gave.',
    );
  }
  for (const tensor of tensors) {
    const own = named[tensor.name];
    if (own instanceof Float32Array && own.length === elementsOf(tensor)) continue;
    throw mismatch(
      `${where} must have a Float32Array of ${elementsOf(tensor)} for ${show(tensor.name)}, got ${own instanceof Float32Array ? `one of ${own.length}` : show(own)}.`,
    );
  }
}

/** By axis; undefined for the default. */
function checkRange(plane: PlaneKind, range: LandscapeOptions['range']): { x: Interval; y: Interval } | undefined {
  if (range === undefined) {
    if (plane === 'pca') return undefined;
    const all: Interval = plane === 'line' ? [0, 1] : [-1, 1];
    return { x: all, y: all };
  }
  if (typeof range === 'number') {
    const r = checkNumber('landscape: range', range, { above: 0, max: FARTHEST }, { single: true });
    return { x: [-r, r], y: [-r, r] };
  }
  if (Array.isArray(range)) {
    const all = checkInterval('landscape: range', range);
    return { x: all, y: all };
  }
  checkOptions('landscape: range', range, ['x', 'y']);
  const { x, y } = range as { readonly x: Interval; readonly y: Interval };
  return { x: checkInterval('landscape: range.x', x), y: checkInterval('landscape: range.y', y) };
}

function checkInterval(where: string, given: unknown): Interval {
  if (!Array.isArray(given) || given.length !== 2) {
    throw new DownhillError('OPTION-TYPE', `${where} must be [from, to], got ${show(given)}.`, 'Pass [-1, 1].');
  }
  const [from, to] = Array.from(given as readonly unknown[], (value, i) =>
    checkNumber(`${where}[${i}]`, value, { min: -FARTHEST, max: FARTHEST }, { mayVanish: true, single: true }),
  );
  if (from! < to!) return [from!, to!];
  throw new DownhillError('OPTION-RANGE', `${where} must grow, got [${from}, ${to}].`, 'Swap them.');
}

/** So many samples of a data set, in memory, evenly spread over it: it may be sorted by class. */
export async function spread(data: Dataset, samples: number): Promise<Dataset> {
  if (samples === data.samples && !isSource(data)) return data;
  const indices = Uint32Array.from({ length: samples }, (_, i) => Math.floor((i * data.samples) / samples));
  const { read: _, ...rows } = (await rowsOf(data, indices)) as Dataset & { readonly read?: unknown };
  return Object.freeze(rows);
}
