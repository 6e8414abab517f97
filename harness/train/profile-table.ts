/** A profile as lines of text: what each dispatch costs, and what all cost together. */
import type { Profile } from '../../src/index.js';
import { plural } from '../common/format.js';
import type { Paint } from '../common/io.js';
import { type Column, INDENT, textTable } from '../common/table.js';
import { shortLabel } from './trace.js';

/** Decimals for milliseconds up to `largest`: three digits or more that say something. */
const digitsFor = (largest: number): number => (largest >= 10 ? 2 : largest >= 1 ? 3 : 4);
const msText = (ms: number): string => ms.toFixed(digitsFor(ms));

/** The table, and under it the sum beside what a step takes without the profile. */
export function profileLines(profile: Profile, paint: Paint, columns: number): string[] {
  const { labels, steps, gpuMsPerStep } = profile;
  const longest = Math.max(...labels.map(({ share }) => share));
  const digits = digitsFor(longest * gpuMsPerStep);
  const table: Column<(typeof labels)[number]>[] = [
    { title: 'pass', align: 'left', text: ({ label }) => shortLabel(label) },
    { title: 'kernel', align: 'left', text: ({ kernel = '' }) => kernel },
    { title: 'count', text: ({ count }) => String(Number((count / steps).toFixed(2))) },
    { title: 'ms', text: ({ share }) => (share * gpuMsPerStep).toFixed(digits) },
    { title: 'share', text: ({ share }) => `${(100 * share).toFixed(1)} %` },
  ];
  const bars = {
    title: '',
    share: ({ share }: { share: number }) => (longest === 0 ? 0 : share / longest),
    style: () => 'cyan' as const,
    length: [4, 24] as const, // up to a length that stays calm
  };
  return [
    ...textTable(table, labels, { paint, room: columns - 1, bars }),
    '',
    ...notesOf(profile).map((note) => INDENT + note),
  ];
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
