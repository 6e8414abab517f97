import { DownhillError, show, suggest } from '../gpu/errors.js';
import { resolveSettings, type SettingFields, type Settings } from './layer.js';
import type { LossFunction, TargetKind, TargetsOf } from './loss.js';

/*
 * What a metric is: one row per metric (src/nn/metrics), a number (or several) of all outputs and targets of a data set, in
 * float64 on the host.
 */

/** Outputs for targets, of a whole data set. */
export interface MetricInput {
  readonly samples: number;
  /** Outputs of a sample. */
  readonly width: number;
  /** [samples, width]: scores of classes, of which the largest counts; or values in the units of the targets as given. */
  readonly outputs: ArrayLike<number>;
  readonly targets: TargetsOf[TargetKind];
}

/** One kind of metric. */
export interface MetricRow<S = Settings, V = unknown> {
  readonly name: string;
  /** One phrase for help texts and pages. */
  readonly help: string;
  readonly fields: SettingFields;
  /** What it judges: the choice of a class, or values. */
  readonly of: 'classes' | 'values';
  /**
   * That the settings fit so many classes.
   *
   * @throws DownhillError OPTION-RANGE
   */
  check?(classes: number, settings: S): void;
  compute(input: MetricInput, settings: S): V;
}

/** A metric with its settings. Made by `topK({ k: 3 })`; plain data. */
export interface Metric {
  readonly row: MetricRow;
  readonly settings: Settings;
}

/** Classes as they are and as the network says, of every sample. */
export interface Decisions {
  readonly classes: number;
  readonly wanted: Uint32Array;
  /** The first largest output; -1 where an output is not a number. */
  readonly said: Int32Array;
}

/** The place of the first largest of `width` numbers from `start` on; -1 where one is not a number. */
function largest(numbers: ArrayLike<number>, start: number, width: number): number {
  let best = 0;
  for (let j = 0; j < width; j++) {
    const value = numbers[start + j]!;
    if (Number.isNaN(value)) return -1;
    if (value > numbers[start + best]!) best = j;
  }
  return best;
}

/** Which class each sample is, by its label or its largest probability; with one value per sample yes (from 0.5 on) or no. */
export function wantedClasses({ targets, samples, width }: MetricInput): Uint32Array {
  switch (targets.kind) {
    case 'classes':
      return Uint32Array.from(targets.labels);
    case 'probabilities':
      return Uint32Array.from({ length: samples }, (_, i) => largest(targets.values, i * width, width));
    default:
      return Uint32Array.from(targets.values, (value) => (value >= 0.5 ? 1 : 0));
  }
}

export function decide(input: MetricInput): Decisions {
  const { targets, outputs, samples, width } = input;
  const binary = targets.kind === 'values';
  const yes = (value: number) => (Number.isNaN(value) ? -1 : value > 0.5 ? 1 : 0);
  return {
    classes: binary ? 2 : width,
    wanted: wantedClasses(input),
    said: Int32Array.from({ length: samples }, (_, i) =>
      binary ? yes(outputs[i]!) : largest(outputs, i * width, width),
    ),
  };
}

/** Per class: how many are of it and said to be, are said to be, and are. A sample without a decision is said to be none. */
export function tally({ classes, wanted, said }: Decisions) {
  const [hits, claimed, actual] = [0, 0, 0].map(() => new Float64Array(classes)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (const [i, own] of wanted.entries()) {
    const claim = said[i]!;
    actual[own]!++;
    if (claim < 0) continue;
    claimed[claim]!++;
    if (claim === own) hits[own]!++;
  }
  return { hits, claimed, actual };
}

/** A share of each class, and their plain mean. */
export interface PerClass {
  /** Mean over the classes that are there, or were said to be. */
  readonly macro: number;
  /** Of every class; 0 where nothing could be counted. */
  readonly perClass: readonly number[];
}

/** hits by what `of` says of every class, 0 for 0 / 0: precision, recall, F1. As scikit-learn, whose zero_division is 0. */
export function perClass(input: MetricInput, of: (claimed: number, actual: number) => number): PerClass {
  const { hits, claimed, actual } = tally(decide(input));
  const shares = Array.from(hits, (hit, i) => {
    const all = of(claimed[i]!, actual[i]!);
    return all === 0 ? 0 : hit / all;
  });
  const there = shares.filter((_, i) => claimed[i]! + actual[i]! > 0);
  return { macro: there.reduce((a, b) => a + b, 0) / there.length, perClass: shares };
}

/** Differences of outputs and targets, sample by sample. */
export function errors({ outputs, targets }: MetricInput): Float64Array {
  const { values } = targets as TargetsOf['values'];
  return Float64Array.from(values, (value, i) => outputs[i]! - value);
}

const at = (numbers: number | ArrayLike<number> | undefined, i: number) =>
  typeof numbers === 'object' ? numbers[i]! : numbers;

/** Raw outputs of a network as metrics take them: values as predicted, in the units of the targets as given. */
export function metricInput(
  { row }: LossFunction,
  targets: TargetsOf[TargetKind],
  raw: Float32Array,
  width: number,
): MetricInput {
  const samples = raw.length / width;
  if (targets.kind !== 'values') return { samples, width, outputs: raw, targets };
  const { scale, shift } = targets;
  const outputs = Float64Array.from(row.predict?.(raw, width) ?? raw, (y, i) => {
    return (y - (at(shift, i % width) ?? 0)) / (at(scale, i % width) ?? 1);
  });
  return { samples, width, outputs, targets };
}

/**
 * The metrics that were asked for, by name or with options.
 *
 * @param known every metric by name
 * @throws DownhillError OPTION-*; SHAPE-MISMATCH where one does not judge such outputs
 */
export function checkMetrics(
  asked: unknown,
  known: Readonly<Record<string, () => Metric>>,
  { row }: LossFunction,
  width: number,
): Metric[] {
  if (!Array.isArray(asked)) {
    throw new DownhillError('OPTION-TYPE', `metrics must be a list, got ${show(asked)}.`, "Pass ['f1'] or the like.");
  }
  const metrics = Array.from(asked as readonly unknown[], (each, i) => checkMetric(`metrics[${i}]`, each, known));
  for (const [i, { row: metric, settings }] of metrics.entries()) {
    if (metrics.findIndex((other) => other.row.name === metric.name) < i) {
      throw new DownhillError('OPTION-RANGE', `metrics has ${metric.name} twice.`, 'Ask for each of them once.');
    }
    const decides = row.targets === 'classes' || (row.counts === 'accuracy' && width === 1);
    if (metric.of === 'values' ? row.targets === 'values' : decides) {
      metric.check?.(Math.max(width, 2), settings);
      continue;
    }
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The metric ${metric.name} judges ${metric.of}, which a model with ${width} outputs and the loss ${row.name} does not give.`,
      metric.of === 'values'
        ? 'Ask for metrics of classes, such as accuracy.'
        : 'Ask for metrics of values, such as mae.',
    );
  }
  return metrics;
}

function checkMetric(where: string, asked: unknown, known: Readonly<Record<string, () => Metric>>): Metric {
  if (typeof asked === 'string') {
    if (Object.hasOwn(known, asked)) return known[asked]!();
    throw new DownhillError(
      'OPTION-RANGE',
      `${where}: there is no metric ${show(asked)}.`,
      suggest(asked, Object.keys(known)),
    );
  }
  const { row, settings } = (asked ?? {}) as Partial<Metric>;
  if (typeof row?.compute === 'function' && typeof row.fields === 'object')
    return { row, settings: resolveSettings(`${where} (${row.name})`, row.fields, settings ?? {}) };
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} must be a name or a metric, got ${show(asked)}.`,
    `Use one of: ${Object.keys(known).join(', ')}.`,
  );
}
