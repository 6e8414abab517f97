/** The cases of a scenario as a table: the same figures as in the terminal and in report.md. */
import { bounds, percent, plain, three } from '../../harness/bench/report/numbers.js';
import { type CaseSummary, type ContenderSummary, reasonsOf } from '../../harness/bench/report/summary.js';
import { plural } from '../../harness/common/format.js';
import { make } from '../dom.js';

interface Column {
  readonly header: string;
  readonly title: string;
  readonly className?: string;
  cell(contender: ContenderSummary): string;
}

const number = (value: number | undefined) => (value === undefined ? '' : three(value));

const columns = (unit: string): Column[] => [
  { header: 'ms', title: `Wall milliseconds per ${unit}, median of the rounds`, cell: ({ ms }) => number(ms?.value) },
  {
    header: '95 %',
    title: '95 % interval of the median',
    className: 'interval',
    cell: ({ ms }) => (ms ? bounds(ms) : ''),
  },
  {
    header: 'ratio',
    title: 'How many times as long as the baseline takes',
    cell: ({ ratio }) => (ratio ? (ratio.value === 1 ? '1' : three(ratio.value)) : ''),
  },
  {
    header: '95 %',
    title: '95 % interval of the ratio',
    className: 'interval',
    cell: ({ ratio }) => (ratio ? bounds(ratio) : ''),
  },
  { header: 'of copy', title: "Share of the copy kernel's bandwidth", cell: ({ ofCopy }) => share(ofCopy) },
  { header: 'GFLOP/s', title: '10⁹ operations per second', cell: ({ gflops }) => number(gflops) },
  { header: 'GB/s', title: '10⁹ bytes per second', cell: ({ gbs }) => number(gbs) },
  { header: `${unit}s/s`, title: `${unit}s per second`, cell: ({ rate }) => number(rate) },
  { header: 'GPU ms', title: 'Milliseconds in which the GPU was busy', cell: ({ gpuMs }) => number(gpuMs) },
  { header: 'host ms', title: 'Milliseconds of recording the work', cell: ({ hostMs }) => number(hostMs) },
  {
    header: 'dispatches',
    title: `Dispatches of a ${unit}`,
    cell: ({ counts }) => (counts ? plain(counts.dispatches) : ''),
  },
];

const share = (value: number | undefined) => (value === undefined ? '' : percent(value));

/** Columns that nobody fills are left out. */
export function tableOf(cases: readonly CaseSummary[], label: string): HTMLElement {
  const all = cases.flatMap(({ contenders }) => contenders);
  const unit = cases.find(({ rounds }) => rounds > 0)?.unit ?? 'iteration';
  const used = columns(unit).filter(({ cell }) => all.some((contender) => cell(contender) !== ''));
  const head = ({ header, title }: Pick<Column, 'header' | 'title'>) => make('th', { scope: 'col', title }, header);
  const table = make(
    'table',
    {},
    make('thead', {}, make('tr', {}, head({ header: 'contender', title: '' }), ...used.map(head))),
    ...cases.map((summary) => bodyOf(summary, used)),
  );
  const scroll = make('section', { className: 'scroll', tabIndex: 0 }, table);
  scroll.setAttribute('aria-label', label);
  return scroll;
}

function bodyOf(summary: CaseSummary, used: readonly Column[]): HTMLElement {
  const { spec, rounds, contenders, error } = summary;
  const wide = (className: string, ...children: (Node | string)[]) =>
    make('tr', { className }, make('td', { colSpan: used.length + 1 }, make('div', {}, ...children)));
  const times = rounds > 0 ? [' ', make('small', {}, plural(rounds, 'round'))] : [];
  const title = make('th', { scope: 'rowgroup', colSpan: used.length + 1 }, make('div', {}, spec.title, ...times));
  return make(
    'tbody',
    {},
    make('tr', { className: 'case' }, title),
    ...contenders
      .filter(({ ms }) => ms)
      .map(({ name, ours, ...rest }) =>
        make(
          'tr',
          { className: ours ? 'ours' : '' },
          make('th', { scope: 'row' }, name),
          ...used.map(({ cell, className = '' }) => make('td', { className }, cell({ name, ours, ...rest }))),
        ),
      ),
    ...contenders
      .filter(({ outcome, note }) => outcome === 'measured' && note)
      .map(({ name, note }) => wide('remark', `${name}: ${note}`)),
    ...reasonsOf(summary).map(({ outcome, names, reason }) =>
      wide(outcome, make('strong', {}, outcome), ` ${names.join(', ')}: ${reason}`),
    ),
    ...(error
      ? [wide('failed', make('strong', {}, 'broke off'), ` ${error.message} ${error.fix} (${error.code})`)]
      : []),
  );
}
