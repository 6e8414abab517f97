/** A report as a Markdown document: report.md, and the tables of docs/benchmarks.md. */
import { duration, plural } from '../../common/format.js';
import type { Report } from '../contract.js';
import { PEERS } from '../peers.js';
import { bounds, factText, percent, plain, three } from './numbers.js';
import {
  type CaseSummary,
  type ContenderSummary,
  METHOD,
  machineFacts,
  reasonsOf,
  summarize,
  tally,
  warnings,
} from './summary.js';

/** Cells of a table: what would end one, or start markup, is escaped. */
export const cell = (text: string): string => text.replace(/[\\`*_[\]<>|]/g, '\\$&').replace(/\s+/g, ' ');

/** Columns of text: aligned left, as the first is; those of numbers right. */
const WORDS = ['remarks', 'node', 'chrome', 'place', 'contender', 'verdict'];

/** A table; columns of which every cell is empty are left out. */
export function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const used = header.map((_, i) => i).filter((i) => i === 0 || rows.some((row) => row[i] !== ''));
  const line = (cells: readonly string[]) => `| ${used.map((i) => cells[i]).join(' | ')} |`;
  return [
    line(header),
    line(header.map((name, i) => (i === 0 || WORDS.includes(name) ? '---' : '---:'))),
    ...rows.map(line),
  ];
}

/**
 * @param charts File names of charts, shown at the head of a scenario's tables.
 */
export function markdown(report: Report, charts: readonly { scenario: string; file: string; title: string }[] = []) {
  const { started, commit, config, seconds, cases, versions } = report;
  const { measured, failed, skipped, errors } = tally(report);
  const lines = [
    '# downhill: benchmarks',
    '',
    `${started.slice(0, 16).replace('T', ' ')} UTC, ${commit ? `commit \`${commit}\`` : 'no commit'}, ` +
      `${config.quick ? 'quick run' : 'full run'} of ${duration(seconds)}, seed ${config.seed}. ` +
      `${cases.length} cases: ${measured} contenders measured, ${failed} failed, ${skipped} skipped` +
      `${errors > 0 ? `; ${plural(errors, 'case')} broke off` : ''}.`,
    '',
  ];
  for (const [title, text] of warnings(report)) lines.push(`> **${title}.** ${text}`, '');
  lines.push('## Machine', '', ...machineTable(report), '');
  const known = Object.entries(versions).map(([name, version]) => `${cell(name)} ${version}`);
  lines.push(`Versions: ${known.join(', ')}.`, '', '## Method', '', METHOD.join(' '), '');
  const peers = config.peers.flatMap((name) => PEERS[name] ?? []);
  if (peers.length > 0)
    lines.push('Peers:', '', ...peers.map(({ name, title, mode }) => `- \`${name}\`: ${title}; ${mode}`), '');

  for (const scenario of new Set(cases.map(({ spec }) => spec.scenario))) {
    lines.push(`## ${scenario}`, '');
    for (const { file, title } of charts.filter((chart) => chart.scenario === scenario)) {
      lines.push(`![${cell(title)}](${encodeURI(file)})`, '');
    }
    for (const result of cases.filter(({ spec }) => spec.scenario === scenario)) {
      lines.push(...caseTable(summarize(result)));
    }
  }
  lines.push(...problems(report));
  return `${lines.join('\n').trimEnd()}\n`;
}

function machineTable({ machines }: Report): string[] {
  const facts = machines.map((machine) => new Map(machineFacts(machine)));
  const labels = [...new Set(facts.flatMap((each) => [...each.keys()]))];
  return tableOf(
    ['', ...machines.map(({ place }) => place)],
    labels.map((label) => [label, ...facts.map((each) => cell(each.get(label) ?? '–'))]),
  );
}

const number = (value: number | undefined) => (value === undefined ? '' : three(value));

function caseTable(summary: CaseSummary): string[] {
  const { spec, place, unit, rounds, contenders, error, baseline } = summary;
  const lines = [`### ${cell(spec.title)} (${place})`, ''];
  const times = rounds > 0 ? `, ${rounds} rounds, baseline ${cell(baseline)}` : '';
  lines.push(`\`${spec.id}\`${times}`, '');
  const measured = contenders.filter(({ outcome }) => outcome === 'measured');
  if (measured.length > 0) {
    const header = ['contender', 'wall ms', '95 %', 'spread', 'GPU ms', 'host ms', `${unit}s/s`, 'GFLOP/s', 'GB/s'];
    header.push('of copy', 'dispatches', 'ratio', '95 %', 'remarks');
    lines.push(
      ...tableOf(
        header,
        measured.map((contender) => cells(contender, unit)),
      ),
      '',
    );
  }
  for (const { outcome, names, reason } of reasonsOf(summary)) {
    lines.push(`- ${outcome}: ${names.map(cell).join(', ')}: ${cell(reason)}`);
  }
  if (error) lines.push(`- **broke off**: ${cell(error.message)} ${cell(error.fix)} (\`${error.code}\`)`);
  return lines.at(-1) === '' ? lines : [...lines, ''];
}

function cells(contender: ContenderSummary, unit: string): string[] {
  const { name, ours, ms, spread, gpuMs, hostMs, rate, gflops, gbs, ofCopy, counts, ratio, facts, note } = contender;
  return [
    ours ? `**${cell(name)}**` : cell(name),
    number(ms?.value),
    ms ? bounds(ms) : '',
    spread === undefined ? '' : percent(spread),
    number(gpuMs),
    number(hostMs),
    unit.includes(' ') ? '' : number(rate),
    number(gflops),
    number(gbs),
    ofCopy === undefined ? '' : percent(ofCopy),
    counts ? plain(counts.dispatches) : '',
    ratio ? (ratio.value === 1 ? '1' : three(ratio.value)) : '',
    ratio ? bounds(ratio) : '',
    cell([...facts.map(factText), ...(note ? [note] : [])].join(', ')),
  ];
}

/** All that failed or broke off in one place: in a long report it would be overlooked. */
function problems({ cases }: Report): string[] {
  const lines: string[] = [];
  for (const result of cases) {
    const { spec, place, error } = result;
    const where = `\`${spec.id}\`, ${place}`;
    for (const { outcome, names, reason } of reasonsOf(summarize(result))) {
      if (outcome === 'failed') lines.push(`- ${where}: ${names.map(cell).join(', ')}: ${cell(reason)}`);
    }
    if (error) lines.push(`- ${where}: broke off: ${cell(error.message)} (\`${error.code}\`)`);
  }
  return lines.length > 0 ? ['## What failed', '', ...lines, ''] : [];
}
