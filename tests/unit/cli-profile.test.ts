import { describe, expect, it } from 'vitest';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { profileLines } from '../../harness/train/profile-table.js';
import { JsonReporter, TextReporter } from '../../harness/train/reporter.js';
import { type TraceEvent, traceOf } from '../../harness/train/trace.js';
import type { Profile } from '../../src/index.js';
import { fakeIo, jsonLines } from '../support/cli.js';

/** Two steps of two passes; the GPU did not tell the time of the last. */
const profile: Profile = {
  separate: true,
  steps: 2,
  dispatches: 2,
  gpuMsPerStep: 4,
  wallMsPerStep: 6,
  hostMsPerStep: 0.5,
  unprofiled: { wallMsPerStep: 3, hostMsPerStep: 0.25 },
  quantised: false,
  unknown: 1,
  labels: [
    {
      label: 'downhill:train/forward-0',
      kernel: 'nn/dense_forward',
      grid: [4, 1, 1],
      count: 2,
      totalMs: 6,
      medianMs: 3,
      share: 0.75,
    },
    {
      label: 'downhill:train/update',
      kernel: 'optim/adam',
      grid: [9, 1, 1],
      count: 2,
      totalMs: 1,
      medianMs: 1,
      share: 0.25,
    },
  ],
  passes: [
    { step: 5, steps: 1, label: 'downhill:train/forward-0', begin: 0, end: 3e6 },
    { step: 5, steps: 1, label: 'downhill:train/update', begin: 3.5e6, end: 4.5e6 },
    { step: 6, steps: 1, label: 'downhill:train/forward-0', begin: 5e6, end: 8e6 },
    { step: 6, steps: 1, label: 'downhill:train/update', begin: null, end: null },
  ],
  submits: [
    { step: 5, steps: 1, begin: 0, end: 400_000 },
    { step: 6, steps: 1, begin: 500_000, end: 600_000 },
  ],
  reports: [],
};

describe('the table of a profile', () => {
  const linesOf = (of: Profile, columns = 100) => profileLines(of, (_, text) => text, columns);
  const cells = (line: string | undefined) => line!.trim().split(/ {2,}/);
  const bars = (lines: readonly string[], rows: number) =>
    lines.slice(1, 1 + rows).map((line) => line.replaceAll(/[^━]/g, '').length);

  it('has a row per label: count and milliseconds per step, share, bar', () => {
    const [head, first, second, empty, ...notes] = linesOf(profile);
    expect(head).toMatch(/^ {2}pass +kernel +count +ms +share$/);
    expect([cells(first), cells(second)]).toEqual([
      ['forward-0', 'nn/dense_forward', '1', '3.000', '75.0 %', '━'.repeat(24)],
      ['update', 'optim/adam', '1', '1.000', '25.0 %', '━'.repeat(8)],
    ]);
    expect(empty).toBe('');
    expect(notes.slice(0, 3)).toEqual([
      '  4.000 ms  all 2 passes, median of 2 steps',
      '  6.000 ms  a step with the profile, 0.5000 ms of it recording',
      '  3.000 ms  a step without, right before, 0.2500 ms of it recording',
    ]);
    expect(notes[3]).toMatch(/not how fast/);
    expect(notes[4]).toBe('  1 pass without usable timestamps are left out.');
  });

  it('fits the terminal: bars give way', () => {
    const widest = (columns: number) =>
      Math.max(
        ...linesOf(profile, columns)
          .slice(0, 3)
          .map((line) => line.length),
      );
    expect(widest(72)).toBeLessThan(72);
    expect(bars(linesOf(profile, 57), 2)).toEqual([0, 0]);
    expect(widest(57)).toBeLessThan(57);
  });

  it('shows nothing known, one pass per submit, and a hint', () => {
    const labels = [{ label: 'downhill:train/submit', count: 1, totalMs: 0, medianMs: null, share: 0 }];
    const lines = linesOf({ ...profile, labels, gpuMsPerStep: 0, quantised: true, hint: 'Do x.' });
    expect(cells(lines[1])).toEqual(['submit', '0.5', '0.0000', '0.0 %']);
    expect(lines[3]).toContain('mean of 2 steps');
    expect(lines.at(-1)).toBe('  Do x.');
  });
});

describe('the trace of a profile', () => {
  const { traceEvents } = traceOf(profile, 'a GPU');
  const of = (pid: number, tid: number) =>
    traceEvents.filter((event): event is TraceEvent => event.ph === 'X' && event.pid === pid && event.tid === tid);

  it('names its tracks', () => {
    expect(traceEvents.filter(({ ph }) => ph === 'M').map(({ name, args }) => [name, args.name])).toEqual([
      ['process_name', 'GPU: a GPU'],
      ['thread_name', 'passes'],
      ['thread_name', 'steps'],
      ['process_name', 'Host'],
      ['thread_name', 'recording and submitting'],
    ]);
  });

  it('has an event for every pass of known time, behind its submit, in microseconds', () => {
    expect(of(1, 1).map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['forward-0', 400, 3000],
      ['update', 3900, 1000],
      ['forward-0', 5400, 3000],
    ]);
    expect(of(1, 1)[1]!.args).toEqual({
      label: 'downhill:train/update',
      kernel: 'optim/adam',
      grid: [9, 1, 1],
      step: 5,
    });
    expect(of(1, 2).map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['step 5', 400, 4500],
      ['step 6', 5400, 3000],
    ]);
    expect(of(2, 1).map(({ ts, dur }) => [ts, dur])).toEqual([
      [0, 400],
      [500, 100],
    ]);
  });
});

describe('a profile is said', () => {
  const { config } = parseTrain(['--profile']) as TrainCommand;
  const result = { step: 40, loss: 0.1, trainSeconds: 2, stepsPerSecond: 4, interrupted: false, profiled: 32 };

  it('as text, with its files and its steps apart', () => {
    const io = fakeIo();
    const reporter = new TextReporter(io, config);
    reporter.event({ type: 'profile', profile });
    reporter.event({ type: 'result', result });
    reporter.done(result, 'runs/x');
    expect(io.out()).toMatch(/forward-0 +nn\/dense_forward +1 +3\.000 +75\.0 % +━/);
    expect(io.out()).toMatch(/time +8 steps in 2\.0 s, 4\.0 steps\/s; and 32 for the profile/);
    expect(io.out()).toMatch(/loss\.svg, profile\.json, trace\.json/);
    for (const line of io.out().split('\n')) expect(line.length).toBeLessThanOrEqual(103);
  });

  it('as a line of JSON', () => {
    const io = fakeIo();
    new JsonReporter(io, config).event({ type: 'profile', profile });
    expect(jsonLines(io.out())).toEqual([{ type: 'profile', profile }]);
  });
});
