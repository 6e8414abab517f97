/** A comparison in a terminal and as Markdown. */

import { plural } from '../../common/format.js';
import { type Io, type Paint, painter, type Style } from '../../common/io.js';
import { type Column, escaped, labelled, markdownTable, textTable } from '../../common/table.js';
import { median } from '../statistics.js';
import type { Change, Comparison, Verdict } from './compare.js';
import { percent, signed, three } from './numbers.js';
import { headline } from './summary.js';
import { roomOn } from './text.js';

const ORDER: readonly Verdict[] = ['slower', 'faster', 'unclear', 'same'];
const COLOURS: Readonly<Record<Verdict, Style>> = { slower: 'red', faster: 'green', unclear: 'yellow', same: 'gray' };

/** '+20 % (+17 % to +24 %)'; without the interval where there were too few rounds for one. */
function changeText({ change: { value, low, high } }: Change): string {
  const bounds = low === undefined || high === undefined ? 'too few rounds' : `${signed(low)} to ${signed(high)}`;
  return `${signed(value)} (${bounds})`;
}

/** A ratio is of another machine, and of two contenders: higher is not to say that either is worse than it was. */
const verdictText = ({ basis, verdict }: Change): string =>
  basis === 'time' ? verdict : { slower: 'higher', faster: 'lower', same: 'same', unclear: 'unclear' }[verdict];

const valuesText = ({ basis, old, now, baseline }: Change): string =>
  basis === 'time' ? `${three(old)} → ${three(now)} ms` : `${three(old)}× → ${three(now)}× ${baseline}`;

/** What stands above the numbers, in every form. */
export function statements({ now, old, otherMachine, notes, changes }: Comparison): string[] {
  const lines = [`This run (${headline(now)}) next to ${headline(old)}.`];
  for (const { place, differences } of otherMachine) {
    lines.push(
      `Another machine (${place}): ${differences.join('; ')}. Absolute times do not compare there; ` +
        "what is compared is each contender's time over its case's baseline.",
    );
  }
  const drifts = changes.filter(({ basis, drift }) => basis === 'time' && drift !== 1).map(({ drift }) => drift);
  if (drifts.length > 0) {
    const range = `${signed(Math.min(...drifts))} to ${signed(Math.max(...drifts))}`;
    lines.push(
      `The machine itself changed by ${signed(median(drifts))} (${range} from case to case), told by contenders ` +
        "that are not downhill's; changes are given without that.",
    );
  }
  if (notes.length > 0) lines.push(`Differing: ${notes.join('; ')}.`);
  return lines;
}

/** One sentence to end with. */
export function conclusion({ changes, regressions, broken, otherMachine, noticeable }: Comparison): string {
  if (changes.length === 0 && broken.length === 0) return 'Nothing in the two reports can be compared.';
  const ours = changes.filter(({ ours, basis }) => ours && basis === 'time');
  const number = (verdict: Verdict) => ours.filter((each) => each.verdict === verdict).length;
  const parts = [`${number('slower')} slower`, `${number('faster')} faster`, `${number('unclear')} unclear`];
  parts.push(`${number('same')} the same within ${percent(noticeable)}`);
  const lost = broken.filter((each) => each.ours).length;
  if (lost > 0) parts.push(`${lost} no longer measured`);
  const verdict = regressions > 0 ? `${plural(regressions, 'regression')}.` : 'No regression.';
  const where = otherMachine.length > 0 ? ' Places on another machine are not judged.' : '';
  return `${verdict} Of downhill's own: ${parts.join(', ')}.${where}`;
}

export function printComparison(comparison: Comparison, io: Io): void {
  const lines = comparisonLines(comparison, painter(io.stdout), roomOn(io.stdout));
  io.stdout.write(`\n${lines.join('\n')}\n\n`);
}

export function comparisonLines(comparison: Comparison, paint: Paint, room: number): string[] {
  const { broken, onlyNow, onlyOld, otherMachine, regressions } = comparison;
  const say = (label: string, text: string, style: Style, words?: Style) =>
    labelled(label.padEnd(7), text, { paint, room, style, ...(words && { words }) });
  const [first, ...rest] = statements(comparison);
  const lines = [
    ...say('compare', first!, 'bold'),
    ...rest.flatMap((line) => say('', line, otherMachine.length > 0 ? 'yellow' : 'gray')),
    '',
    ...changeLines(toldChanges(comparison), paint, room),
    ...broken.flatMap(({ id, place, contender, reason, ours }) =>
      say('broken', `${id}, ${place}: ${contender}: ${reason}`, ours ? 'red' : 'gray'),
    ),
    ...(onlyNow.length > 0 ? say('only now', onlyNow.join('; '), 'gray', 'gray') : []),
    ...(onlyOld.length > 0 ? say('only old', onlyOld.join('; '), 'gray', 'gray') : []),
  ];
  if (lines.at(-1) !== '') lines.push('');
  return [...lines, ...say('verdict', conclusion(comparison), regressions > 0 ? 'red' : 'green')];
}

const style = ({ basis, verdict }: Change): Style => (basis === 'time' ? COLOURS[verdict] : 'cyan');
const left = { align: 'left' } as const;

/** The columns of what has changed: in a terminal and on the page. */
export const CHANGE_COLUMNS: readonly Column<Change>[] = [
  { ...left, title: 'verdict', text: verdictText, style },
  { ...left, title: 'case', text: ({ id, place }) => `${id}, ${place}`, least: 18 },
  { ...left, title: 'contender', text: ({ contender }) => contender },
  { title: 'then → now', text: valuesText },
  { ...left, title: 'change', text: changeText },
];

/** Those that a person reads: what is the same is only counted, and what is not downhill's is the machine's drift. */
export const toldChanges = ({ changes }: Comparison): Change[] =>
  ORDER.filter((each) => each !== 'same').flatMap((verdict) =>
    changes.filter((each) => each.verdict === verdict && (each.ours || each.basis === 'ratio')),
  );

function changeLines(changes: readonly Change[], paint: Paint, room: number): string[] {
  return changes.length > 0 ? textTable(CHANGE_COLUMNS, changes, { paint, room }) : [];
}

const nameMarkdown = ({ contender, ours }: Change) => (ours ? `**${escaped(contender)}**` : escaped(contender));

/** The whole comparison, with what is the same and what is not downhill's. */
export function comparisonMarkdown(comparison: Comparison): string {
  const { changes, broken, onlyNow, onlyOld } = comparison;
  const lines = ['## Comparison', '', `**${conclusion(comparison)}**`, ''];
  for (const line of statements(comparison)) lines.push(escaped(line), '');
  const sorted = ORDER.flatMap((verdict) => changes.filter((each) => each.verdict === verdict));
  for (const basis of ['time', 'ratio'] as const) {
    const rows = sorted.filter((each) => each.basis === basis);
    if (rows.length === 0) continue;
    const unit = basis === 'time' ? 'ms' : 'over baseline';
    const columns: Column<Change>[] = [
      { ...left, title: 'case', text: ({ id }) => id, markdown: ({ id }) => `\`${id}\`` },
      { ...left, title: 'place', text: ({ place }) => place },
      { ...left, title: 'contender', text: ({ contender }) => contender, markdown: nameMarkdown },
      { ...left, title: 'verdict', text: verdictText },
      { title: `old ${unit}`, text: ({ old }) => three(old) },
      { title: `now ${unit}`, text: ({ now }) => three(now) },
      { title: 'measured', text: ({ raw }) => signed(raw.value) },
      { title: 'drift', text: ({ drift }) => (drift === 1 ? '' : signed(drift)) },
      { title: 'change', text: changeText },
    ];
    lines.push(...markdownTable(columns, rows), '');
  }
  for (const { id, place, contender, reason } of broken) {
    lines.push(`- no longer measured: \`${id}\`, ${place}: ${escaped(contender)}: ${escaped(reason)}`);
  }
  for (const key of onlyNow) lines.push(`- only in this run: ${escaped(key)}`);
  for (const key of onlyOld) lines.push(`- only in the old run: ${escaped(key)}`);
  return `${lines.join('\n').trimEnd()}\n`;
}
