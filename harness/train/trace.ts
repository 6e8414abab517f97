/**
 * A profile in the Chrome trace event format, for https://ui.perfetto.dev and chrome://tracing:
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
import type { Profile } from '../../src/index.js';

/** A complete event ('X'), or the name of a track ('M'). Times in microseconds. */
export interface TraceEvent {
  readonly ph: 'X' | 'M';
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly cat?: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Trace {
  readonly displayTimeUnit: 'ms';
  readonly traceEvents: readonly TraceEvent[];
  readonly otherData: Readonly<Record<string, unknown>>;
}

const GPU = 1;
const HOST = 2;
/** Threads of the GPU: a line for the passes, one for the steps they belong to. */
const PASSES = 1;
const STEPS = 2;

const named = (kind: 'process_name' | 'thread_name', pid: number, tid: number, name: string): TraceEvent => ({
  ph: 'M',
  name: kind,
  pid,
  tid,
  ts: 0,
  dur: 0,
  args: { name },
});

/**
 * One event per pass whose times are known, per step and per submit, in the order of their times.
 *
 * GPU and host have clocks of their own, and nothing tells how far apart they are. They are put together where the first
 * submit ends, as if its first pass began then: passes are drawn too early by what lay between.
 */
export function traceOf(profile: Profile, adapter: string): Trace {
  const origin = profile.submits[0] ? profile.submits[0].end - profile.submits[0].begin : 0;
  const events = [...passEvents(profile, origin), ...stepEvents(profile, origin), ...submitEvents(profile)];
  const { passes: _, reports: __, submits: ___, labels: ____, ...otherData } = profile;
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      named('process_name', GPU, PASSES, `GPU: ${adapter}`),
      named('thread_name', GPU, PASSES, 'passes'),
      ...(profile.separate ? [named('thread_name', GPU, STEPS, 'steps')] : []),
      named('process_name', HOST, 1, 'Host'),
      named('thread_name', HOST, 1, 'recording and submitting'),
      ...events.sort((a, b) => a.ts - b.ts),
    ],
    otherData: { adapter, ...otherData },
  };
}

const complete = (pid: number, tid: number, begin: number, end: number) =>
  ({ ph: 'X', pid, tid, ts: begin / 1000, dur: (end - begin) / 1000 }) as const;

function passEvents({ passes, labels }: Profile, origin: number): TraceEvent[] {
  const kernels = new Map(labels.map(({ label, kernel, grid }) => [label, { kernel, grid }]));
  return passes.flatMap(({ label, step, steps, begin, end }) => {
    if (begin === null || end === null) return [];
    const of = steps === 1 ? { step } : { steps: `${step} to ${step + steps - 1}` };
    return [
      {
        ...complete(GPU, PASSES, origin + begin, origin + end),
        name: shortLabel(label),
        cat: 'gpu',
        args: { label, ...kernels.get(label), ...of },
      },
    ];
  });
}

/** From a step's first pass to the end of its last; where passes hold many steps there is none. */
function stepEvents({ passes, separate }: Profile, origin: number): TraceEvent[] {
  if (!separate) return [];
  const spans = new Map<number, [begin: number, end: number]>();
  for (const { step, begin, end } of passes) {
    if (begin === null || end === null) continue;
    const [from, to] = spans.get(step) ?? [begin, end];
    spans.set(step, [Math.min(from, begin), Math.max(to, end)]);
  }
  return [...spans].map(([step, [begin, end]]) => ({
    ...complete(GPU, STEPS, origin + begin, origin + end),
    name: `step ${step}`,
    cat: 'gpu',
    args: { step },
  }));
}

const submitEvents = ({ submits }: Profile): TraceEvent[] =>
  submits.map(({ step, steps, begin, end }) => ({
    ...complete(HOST, 1, begin, end),
    name: `submit of ${steps} ${steps === 1 ? 'step' : 'steps'}`,
    cat: 'host',
    args: { step, steps },
  }));

/** 'forward-0' of 'downhill:train/forward-0'. */
export const shortLabel = (label: string): string => label.slice(label.lastIndexOf('/') + 1);
