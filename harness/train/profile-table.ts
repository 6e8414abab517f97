/** A profile as lines of text: what each dispatch costs, and what all cost together. */
import type { Profile } from '../../src/index.js';
import { plural } from '../common/format.js';
import { shortLabel } from './trace.js';

const HEADS = ['pass', 'kernel', 'count', 'ms', 'share'] as const;
const MAX_BAR = 24;

/** Decimals for milliseconds up to `largest`: three digits or more that say something. */
const digitsFor = (largest: number): number => (largest >= 10 ? 2 : largest >= 1 ? 3 : 4);
const msText = (ms: number): string => ms.toFixed(digitsFor(ms));

/** A row of the table, its bar apart, so that it can be painted. */
export interface TableRow {
  readonly text: string;
  readonly bar: string;
}

export interface ProfileText {
  readonly head: string;
  readonly rows: readonly TableRow[];
  /** The sum beside what a step takes without the profile. */
  readonly notes: readonly string[];
}

/** @param columns the bars fill what the columns leave, up to a length that stays calm */
export function profileText(profile: Profile, columns: number): ProfileText {
  const { labels, steps, gpuMsPerStep } = profile;
  const longest = Math.max(...labels.map(({ share }) => share));
  const digits = digitsFor(longest * gpuMsPerStep);
  const cells = labels.map(({ label, kernel = '', count, share }) => [
    shortLabel(label),
    kernel,
    String(Number((count / steps).toFixed(2))),
    (share * gpuMsPerStep).toFixed(digits),
    `${(100 * share).toFixed(1)} %`,
  ]);
  const widths = HEADS.map((head, i) => Math.max(head.length, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const room = columns - 1 - widths.reduce((sum, width) => sum + width + 2, 0);
  const bar = (share: number) => {
    if (room < 4 || longest === 0) return '';
    // A pass that takes any time at all shows.
    return '━'.repeat(Math.max(share > 0 ? 1 : 0, Math.round((Math.min(room, MAX_BAR) * share) / longest)));
  };
  return {
    head: line(HEADS),
    rows: cells.map((row, i) => ({ text: line(row), bar: bar(labels[i]!.share) })),
    notes: notesOf(profile),
  };
}

function notesOf(profile: Profile): string[] {
  const { unprofiled, steps, dispatches, quantised, hint, unknown } = profile;
  const kind = quantised ? 'mean' : 'median';
  const times: [ms: number, what: string][] = [
    [profile.gpuMsPerStep, `all ${plural(dispatches, 'pass', 'passes')}, ${kind} of ${plural(steps, 'step')}`],
    [profile.wallMsPerStep, `a step with the profile, ${msText(profile.hostMsPerStep)} ms of it recording`],
    [unprofiled.wallMsPerStep, `a step without, right before, ${msText(unprofiled.hostMsPerStep)} ms of it recording`],
  ];
  const digits = digitsFor(Math.max(...times.map(([ms]) => ms)));
  const width = Math.max(...times.map(([ms]) => ms.toFixed(digits).length));
  return [
    ...times.map(([ms, what]) => `${ms.toFixed(digits).padStart(width)} ms  ${what}`),
    'A pass for each dispatch costs time of its own: this tells where time goes, not how fast a step is.',
    ...(unknown > 0 ? [`${plural(unknown, 'pass', 'passes')} without usable timestamps are left out.`] : []),
    ...(hint ? [hint] : []),
  ];
}
