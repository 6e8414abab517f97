/** The columns of a case's table, the most telling first: in a terminal, in report.md and on the page. */
import { type Column, escaped } from '../../common/table.js';
import { bounds, percent, plain, three } from './numbers.js';
import { COPY, type ContenderSummary } from './summary.js';

export const LEGEND =
  'ratio: how many times as long as the baseline takes, whose ratio is 1. 95 %: the interval of the number before it. ' +
  `of ${COPY}: share of the copy kernel's bandwidth. calls: dispatches of an iteration.`;

const some = (value: number | undefined, text = three) => (value === undefined ? '' : text(value));

/**
 * @param unit of an iteration
 * @param streams whether the case is about bandwidth, as a copy kernel takes part
 */
export function contenderColumns(unit: string, streams: boolean): Column<ContenderSummary>[] {
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
    { title: 'wall ms', help: `Milliseconds per ${unit}, median of the rounds`, text: ({ ms }) => some(ms?.value) },
    {
      title: '95 %',
      help: '95 % interval of the median',
      text: ({ ms }) => (ms ? bounds(ms) : ''),
      faint: true,
      drop: 3,
    },
    {
      title: 'spread',
      help: 'Interquartile range over the median',
      text: (each) => some(each.spread, percent),
      drop: 9,
    },
    {
      title: 'ratio',
      help: 'How many times as long as the baseline takes',
      text: ({ ratio }) => some(ratio?.value, (value) => (value === 1 ? '1' : three(value))),
    },
    {
      title: '95 %',
      help: '95 % interval of the ratio',
      text: ({ ratio }) => (ratio ? bounds(ratio) : ''),
      faint: true,
      drop: 5,
    },
    {
      title: `of ${COPY}`,
      help: "Share of the copy kernel's bandwidth",
      text: ({ ofCopy }) => some(ofCopy, percent),
      drop: 2,
    },
    {
      title: 'GFLOP/s',
      help: '10⁹ operations per second',
      text: ({ gflops }) => some(gflops),
      drop: streams || steps ? 7 : 2,
    },
    { title: 'GB/s', help: '10⁹ bytes per second', text: ({ gbs }) => some(gbs), drop: streams ? 2 : 7 },
    {
      title: `${unit}s/s`,
      help: `${unit}s per second`,
      // A start happens once: 'first steps per second' would say nothing.
      text: ({ rate }) => (unit.includes(' ') ? '' : some(rate)),
      drop: steps ? 2 : 6,
    },
    { title: 'GPU ms', help: 'Milliseconds in which the GPU was busy', text: ({ gpuMs }) => some(gpuMs), drop: 1 },
    { title: 'host ms', help: 'Milliseconds of recording the work', text: ({ hostMs }) => some(hostMs), drop: 4 },
    {
      title: 'calls',
      help: `Dispatches of a ${unit}`,
      text: ({ counts }) => some(counts?.dispatches, plain),
      drop: steps ? 3 : 8,
    },
  ];
}
