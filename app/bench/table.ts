/** The cases of a scenario as a table: the same columns and remarks as in the terminal and in report.md. */
import { contenderColumns } from '../../harness/bench/report/columns.js';
import { type CaseSummary, type ContenderSummary, remarksOf, remarkText } from '../../harness/bench/report/summary.js';
import { verdictOf } from '../../harness/bench/report/verdict.js';
import { plural } from '../../harness/common/format.js';
import { type Column, filled } from '../../harness/common/table.js';
import { make } from '../shell/dom.js';

export function tableOf(cases: readonly CaseSummary[], label: string): HTMLElement {
  const all = cases.flatMap(({ contenders }) => contenders);
  const unit = cases.find(({ rounds }) => rounds > 0)?.unit ?? 'iteration';
  const columns = filled(contenderColumns(unit, false), all);
  const head = columns.map(({ title, help = '' }) => make('th', { scope: 'col', title: help }, title));
  const table = make(
    'table',
    {},
    make('thead', {}, make('tr', {}, ...head)),
    ...cases.map((summary) => bodyOf(summary, columns)),
  );
  const scroll = make('section', { className: 'scroll', tabIndex: 0 }, table);
  scroll.setAttribute('aria-label', label);
  return scroll;
}

function bodyOf(summary: CaseSummary, [name, ...rest]: readonly Column<ContenderSummary>[]): HTMLElement {
  const { spec, rounds, contenders } = summary;
  const colSpan = rest.length + 1;
  const times = rounds > 0 ? [' ', make('small', {}, plural(rounds, 'round'))] : [];
  const title = make('th', { scope: 'rowgroup', colSpan }, make('div', {}, spec.title, ...times));
  const verdict = verdictOf(summary);
  return make(
    'tbody',
    {},
    make('tr', { className: 'case' }, title),
    ...contenders
      .filter(({ ms }) => ms)
      .map((each) =>
        make(
          'tr',
          { className: each.ours ? 'ours' : '' },
          make('th', { scope: 'row' }, name!.text(each)),
          ...rest.map(({ text, faint }) => make('td', { className: faint ? 'interval' : '' }, text(each))),
        ),
      ),
    ...(verdict ? [make('tr', { className: 'verdict' }, make('td', { colSpan }, make('div', {}, verdict)))] : []),
    ...remarksOf(summary).map((remark) => {
      const { kind } = remark;
      const words = kind === 'remark' ? [remarkText(remark)] : [make('strong', {}, kind), ` ${remarkText(remark)}`];
      const className = kind === 'broke off' ? 'failed' : kind;
      return make('tr', { className }, make('td', { colSpan }, make('div', {}, ...words)));
    }),
  );
}
