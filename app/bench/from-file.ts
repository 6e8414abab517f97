/** What is said of reports from files: what one is of, and how another differs from an older one. */
import type { Report } from '../../harness/bench/contract.js';
import { compare } from '../../harness/bench/report/compare.js';
import { CHANGE_COLUMNS, conclusion, statements, toldChanges } from '../../harness/bench/report/compare-text.js';
import { headline, machineFacts, tallyText, warnings } from '../../harness/bench/report/summary.js';
import { make } from '../shell/dom.js';

/** A card above the results. */
function card(id: string, title: string, ...children: Node[]): HTMLElement {
  const head = make('h2', { id: `${id}-title` }, title);
  const element = make('section', { className: 'card about', id }, head, ...children);
  element.setAttribute('aria-labelledby', head.id);
  return element;
}

const line = (text: string, className = '') => make('p', { className }, text);

/** The machines are the file's own, not the one whose browser shows it. */
export function fileCard(report: Report, name: string): HTMLElement {
  const machines = report.machines.map((machine) =>
    make(
      'p',
      { className: 'hint' },
      `${machine.place}: ${machineFacts(machine)
        .map((fact) => fact.join(' '))
        .join(', ')}`,
    ),
  );
  const cautions = warnings(report).map(([title, text]) => make('p', { className: 'warning' }, `${title}. ${text}`));
  return card(
    'about-file',
    `Results of ${name}`,
    line(`${headline(report)}: ${tallyText(report)}.`),
    ...machines,
    ...cautions,
  );
}

export function comparisonCard(now: Report, old: Report): HTMLElement {
  const comparison = compare(now, old);
  const changes = toldChanges(comparison);
  const head = make('tr', {}, ...CHANGE_COLUMNS.map(({ title }) => make('th', { scope: 'col' }, title)));
  const rows = changes.map((change) =>
    make('tr', {}, ...CHANGE_COLUMNS.map(({ text }) => make('td', {}, text(change)))),
  );
  const table = make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows));
  const scroll = make('section', { className: 'scroll', tabIndex: 0, ariaLabel: 'What has changed' }, table);
  const broken = comparison.broken.map(({ id, place, contender, reason }) =>
    line(`No longer measured: ${id}, ${place}: ${contender}: ${reason}`, 'hint'),
  );
  return card(
    'comparison',
    'Beside the older report',
    line(conclusion(comparison), 'sentence'),
    ...statements(comparison).map((text) => line(text, 'hint')),
    ...(changes.length > 0 ? [scroll] : []),
    ...broken,
  );
}
