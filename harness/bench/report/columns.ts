/** The columns of a case's table, the most telling first: in a terminal, in report.md and on the page. */
import { type Column, escaped } from '../../common/table.js';
import { bounds, percent, plain, three } from './numbers.js';
import { COPY, type ContenderSummary } from './summary.js';

export const LEGEND =
  'ratio: how many times as long as the baseline takes, whose ratio is 1. 95 %: the interval of the number before it. ' +
  `of ${COPY}: share of the copy kernel's bandwidth. calls: dispatches of an iteration.`;

type Of = ContenderSummary;
type Value = string | number | undefined;

/**
 * @param unit of an iteration
 * @param streams whether the case is about bandwidth, as a copy kernel takes part
 */
export function contenderColumns(unit: string, streams: boolean): Column<Of>[] {
  const steps = unit === 'step';
  return [
    {
      title: 'contender',
      align: 'left',
      text: ({ name }) => name,
      markdown: ({ name, ours }) => (ours ? `**${escaped(name)}**` : escaped(name)),
      style: ({ ours }) => (ours ? 'cyan' : undefined),
      least: 26,
    },
    column('wall ms', `Milliseconds per ${unit}, median of the rounds`, ({ ms }) => ms?.value),
    column('95 %', '95 % interval of the median', ({ ms }) => ms && bounds(ms), { faint: true, drop: 3 }),
    column('spread', 'Interquartile range over the median', ({ spread: share }) => share && percent(share), {
      drop: 9,
    }),
    column('ratio', 'How many times as long as the baseline takes', ({ ratio }) =>
      ratio?.value === 1 ? '1' : ratio?.value,
    ),
    column('95 %', '95 % interval of the ratio', ({ ratio }) => ratio && bounds(ratio), { faint: true, drop: 5 }),
    column(`of ${COPY}`, "Share of the copy kernel's bandwidth", ({ ofCopy }) => ofCopy && percent(ofCopy), {
      drop: 2,
    }),
    column('GFLOP/s', '10⁹ operations per second', ({ gflops }) => gflops, { drop: streams || steps ? 7 : 2 }),
    column('GB/s', '10⁹ bytes per second', ({ gbs }) => gbs, { drop: streams ? 2 : 7 }),
    // A start happens once: 'first steps per second' would say nothing.
    ...(unit.includes(' ')
      ? []
      : [column(`${unit}s/s`, `${unit}s per second`, ({ rate }) => rate, { drop: steps ? 2 : 6 })]),
    column('GPU ms', 'Milliseconds in which the GPU was busy', ({ gpuMs }) => gpuMs, { drop: 1 }),
    column('host ms', 'Milliseconds of recording the work', ({ hostMs }) => hostMs, { drop: 4 }),
    column('calls', `Dispatches of a ${unit}`, ({ counts }) => counts && plain(counts.dispatches), {
      drop: steps ? 3 : 8,
    }),
  ];
}

const column = (title: string, help: string, value: (of: Of) => Value, more: Partial<Column<Of>> = {}): Column<Of> => ({
  title,
  help,
  text: (of) => {
    const found = value(of);
    return typeof found === 'number' ? three(found) : (found ?? '');
  },
  ...more,
});
