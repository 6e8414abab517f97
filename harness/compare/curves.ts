/** Curves of trainings: what a panel shows of them. */
import type { Curve } from './chapter.js';
import type { Run, RunSpec, Trained } from './runs.js';
import { across, smooth } from './smooth.js';

/** What stands on the horizontal axis. */
export type Along = 'step' | 'epoch' | 'seconds';

export const ALONG: Readonly<Record<Along, string>> = {
  step: 'iteration',
  epoch: 'epoch',
  seconds: 'seconds',
};

/** Points of a curve: more than a picture shows. */
const POINTS = 600;

const places = (length: number): number[] => {
  const count = Math.min(length, POINTS);
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.round((i * (length - 1)) / (count - 1))));
};

const along = ({ seconds, stepsPerEpoch }: Run, axis: Along, i: number): number =>
  axis === 'seconds' ? seconds[i]! : axis === 'epoch' ? (i + 1) / stepsPerEpoch : i + 1;

/** Something of every step, by the seeds' median and their band. */
function stepCurve({ spec, runs }: Trained, axis: Along, of: (run: Run) => readonly (number | null)[]): Curve[] {
  if (runs.length === 0 || runs[0]!.losses.length === 0) return [];
  const { y, band } = across(runs.map(of));
  const at = places(y.length);
  const pick = (values: readonly (number | null)[]) => at.map((i) => values[i]!);
  return [
    {
      name: spec.name,
      x: at.map((i) => along(runs[0]!, axis, i)),
      y: pick(y),
      ...(band && { band: { low: pick(band.low), high: pick(band.high) } }),
    },
  ];
}

/** The losses of the batches, smoothed as in the notes. */
export const lossCurves = (trained: readonly Trained[], axis: Along = 'step'): Curve[] =>
  trained.flatMap((each) => stepCurve(each, axis, ({ losses }) => smooth(losses)));

export const rateCurves = (trained: readonly Trained[]): Curve[] =>
  trained.flatMap((each) => stepCurve(each, 'step', ({ lrs }) => lrs));

type Looks = readonly {
  readonly step: number;
  readonly loss: number;
  readonly accuracy?: number | undefined;
}[];

/** Something that was looked at now and then. */
export function lookedCurves(
  trained: readonly Trained[],
  looks: (run: Run) => Looks,
  value: 'loss' | 'accuracy' = 'loss',
  more: (spec: RunSpec) => Partial<Curve> = () => ({}),
): Curve[] {
  return trained.flatMap(({ spec, runs }) => {
    const first = runs[0] && looks(runs[0]);
    if (!first || first.length === 0) return [];
    // A network of infinities is right about nothing, which is no accuracy of 0.
    const seen = (each: Looks[number]) => (Number.isFinite(each.loss) ? (each[value] ?? null) : null);
    const series = runs.map((run) => looks(run).map(seen));
    return [{ name: spec.name, x: first.map(({ step }) => step), ...across(series), ...more(spec) }];
  });
}
