/** A comparison in a terminal and as Markdown. */

import { plural } from '../../common/format.js';
import { type Io, painter, type Style } from '../../common/io.js';
import { median } from '../statistics.js';
import type { Change, Comparison, Verdict } from './compare.js';
import { cell, tableOf } from './markdown.js';
import { percent, signed, three } from './numbers.js';
import { labelled, type Paint, roomOn, shorten } from './text.js';

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
function statements({ now, old, otherMachine, notes, changes }: Comparison): string[] {
  const name = ({ commit, started }: Comparison['now']) =>
    `${started.slice(0, 16).replace('T', ' ')} UTC, ${commit?.slice(0, 12) ?? 'no commit'}`;
  const lines = [`This run (${name(now)}) next to ${name(old)}.`];
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

/** What is the same is only counted; contenders that are not downhill's are the machine's drift, and counted with it. */
export function comparisonLines(comparison: Comparison, paint: Paint, room: number): string[] {
  const { changes, broken, onlyNow, onlyOld, otherMachine, regressions } = comparison;
  const [first, ...rest] = statements(comparison);
  const lines = [...labelled('compare', first!, paint, 'bold', room)];
  for (const line of rest)
    lines.push(...labelled('       ', line, paint, otherMachine.length > 0 ? 'yellow' : 'gray', room));
  lines.push('');
  for (const verdict of ORDER.filter((each) => each !== 'same')) {
    const shown = changes.filter((each) => each.verdict === verdict && (each.ours || each.basis === 'ratio'));
    lines.push(...changeLines(shown, verdict, paint, room));
  }
  for (const { id, place, contender, reason, ours } of broken) {
    lines.push(...labelled('broken ', `${id}, ${place}: ${contender}: ${reason}`, paint, ours ? 'red' : 'gray', room));
  }
  const lists = [['only now', onlyNow] as const, ['only old', onlyOld] as const];
  for (const [label, keys] of lists) {
    if (keys.length > 0) lines.push(...labelled(label, keys.join('; '), paint, 'gray', room, 'gray'));
  }
  if (lines.at(-1) !== '') lines.push('');
  lines.push(...labelled('verdict', conclusion(comparison), paint, regressions > 0 ? 'red' : 'green', room));
  return lines;
}

function changeLines(changes: readonly Change[], verdict: Verdict, paint: Paint, room: number): string[] {
  const rows = changes.map((each) => [`${each.id}, ${each.place}`, each.contender, valuesText(each), changeText(each)]);
  const widths = [0, 1, 2, 3].map((i) => Math.max(0, ...rows.map((row) => row[i]!.length)));
  // The case's name gives way; where that is not enough, the second half goes to a line of its own.
  const left = room - 11 - widths[1]! - widths[2]! - widths[3]! - 6;
  const labels = changes.map((each) => {
    return paint(each.basis === 'time' ? COLOURS[verdict] : 'cyan', verdictText(each).padEnd(7));
  });
  if (left >= 18) {
    const name = Math.min(left, widths[0]!);
    return rows.map(
      ([id, contender, values, text], i) =>
        `  ${labels[i]}  ${shorten(id!, name).padEnd(name)}  ${contender!.padEnd(widths[1]!)}  ${values!.padStart(widths[2]!)}  ${text}`,
    );
  }
  return rows.flatMap(([id, contender, values, text], i) => [
    `  ${labels[i]}  ${shorten(`${id}: ${contender}`, room - 11)}`,
    `${' '.repeat(11)}${shorten(`${values}  ${text}`, room - 11)}`,
  ]);
}

/** The whole comparison, with what is the same and what is not downhill's. */
export function comparisonMarkdown(comparison: Comparison): string {
  const { changes, broken, onlyNow, onlyOld } = comparison;
  const lines = ['## Comparison', '', `**${conclusion(comparison)}**`, ''];
  for (const line of statements(comparison)) lines.push(cell(line), '');
  const sorted = ORDER.flatMap((verdict) => changes.filter((each) => each.verdict === verdict));
  for (const basis of ['time', 'ratio'] as const) {
    const rows = sorted.filter((each) => each.basis === basis);
    if (rows.length === 0) continue;
    const unit = basis === 'time' ? 'ms' : 'over baseline';
    const header = [
      'case',
      'place',
      'contender',
      'verdict',
      `old ${unit}`,
      `now ${unit}`,
      'measured',
      'drift',
      'change',
    ];
    lines.push(
      ...tableOf(
        header,
        rows.map((each) => [
          `\`${each.id}\``,
          each.place,
          each.ours ? `**${cell(each.contender)}**` : cell(each.contender),
          verdictText(each),
          three(each.old),
          three(each.now),
          signed(each.raw.value),
          each.drift === 1 ? '' : signed(each.drift),
          changeText(each),
        ]),
      ),
      '',
    );
  }
  for (const { id, place, contender, reason } of broken) {
    lines.push(`- no longer measured: \`${id}\`, ${place}: ${cell(contender)}: ${cell(reason)}`);
  }
  for (const key of onlyNow) lines.push(`- only in this run: ${cell(key)}`);
  for (const key of onlyOld) lines.push(`- only in the old run: ${cell(key)}`);
  return `${lines.join('\n').trimEnd()}\n`;
}
