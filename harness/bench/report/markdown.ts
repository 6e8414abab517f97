/** A report as a Markdown document: report.md, and the tables of docs/benchmarks.md. */
import { duration } from '../../common/format.js';
import { type Column, escaped, markdownTable } from '../../common/table.js';
import { PEERS } from '../peers.js';
import { contenderColumns, LEGEND } from './columns.js';
import type { Report } from './read.js';
import {
  type CaseSummary,
  headline,
  METHOD,
  machineFacts,
  remarksOf,
  remarkText,
  summarize,
  tallyText,
  warnings,
} from './summary.js';
import { verdictOf } from './verdict.js';

/**
 * @param charts File names of charts, shown at the head of a scenario's tables.
 */
export function markdown(report: Report, charts: readonly { scenario: string; file: string; title: string }[] = []) {
  const { config, seconds, cases, versions } = report;
  const lines = [
    '# downhill: benchmarks',
    '',
    `${headline(report)}, ${config.quick ? 'quick run' : 'full run'} of ${duration(seconds)}, seed ${config.seed}: ` +
      `${tallyText(report)}.`,
    '',
  ];
  for (const [title, text] of warnings(report)) lines.push(`> **${title}.** ${text}`, '');
  lines.push('## Machine', '', ...machineTable(report), '');
  const known = Object.entries(versions).map(([name, version]) => `${escaped(name)} ${version}`);
  lines.push(`Versions: ${known.join(', ')}.`, '', '## Method', '', `${METHOD.join(' ')} Columns: ${LEGEND}`, '');
  const peers = config.peers.flatMap((name) => PEERS[name] ?? []);
  if (peers.length > 0)
    lines.push('Peers:', '', ...peers.map(({ name, title, mode }) => `- \`${name}\`: ${title}; ${mode}`), '');

  lines.push(...verdicts(report));
  for (const scenario of new Set(cases.map(({ spec }) => spec.scenario))) {
    lines.push(`## ${scenario}`, '');
    for (const { file, title } of charts.filter((chart) => chart.scenario === scenario)) {
      lines.push(`![${escaped(title)}](${encodeURI(file)})`, '');
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
  const columns: Column<string>[] = machines.map(({ place }, i) => ({
    title: place,
    align: 'left',
    text: (label) => facts[i]!.get(label) ?? '–',
  }));
  const labels = [...new Set(facts.flatMap((each) => [...each.keys()]))];
  return markdownTable([{ title: '', align: 'left', text: (label) => label }, ...columns], labels);
}

/** A line per case: what to read where there is time for one page. */
function verdicts({ cases }: Report): string[] {
  const lines = cases.map(summarize).flatMap((summary) => {
    const verdict = verdictOf(summary);
    const { title } = summary.spec;
    return verdict ? [`- **${escaped(title)}** (${summary.place}): ${escaped(verdict)}`] : [];
  });
  return lines.length > 0 ? ['## Verdicts', '', ...lines, ''] : [];
}

function caseTable(summary: CaseSummary): string[] {
  const { spec, place, unit, streams, rounds, contenders, baseline } = summary;
  const timed = contenders.filter(({ ms }) => ms);
  const verdict = verdictOf(summary);
  const times = rounds > 0 ? `, ${rounds} rounds, baseline ${escaped(baseline)}` : '';
  return [
    `### ${escaped(spec.title)} (${place})`,
    '',
    `\`${spec.id}\`${times}`,
    '',
    ...(timed.length > 0 ? [...markdownTable(contenderColumns(unit, streams), timed), ''] : []),
    ...(verdict ? [`**${escaped(verdict)}**`, ''] : []),
    ...remarksOf(summary).map((remark) => {
      const { kind } = remark;
      const start = kind === 'remark' ? '-' : kind === 'broke off' ? '- **broke off**:' : `- ${kind}:`;
      return `${start} ${remarkText(remark, escaped)}`;
    }),
    '',
  ];
}

/** All that failed or broke off in one place: in a long report it would be overlooked. */
function problems({ cases }: Report): string[] {
  const lines = cases.flatMap((result) =>
    remarksOf(summarize(result))
      .filter(({ kind }) => kind === 'failed' || kind === 'broke off')
      .map((remark) => {
        const broke = remark.kind === 'failed' ? '' : `${remark.kind}: `;
        return `- \`${result.spec.id}\`, ${result.place}: ${broke}${remarkText(remark, escaped)}`;
      }),
  );
  return lines.length > 0 ? ['## What failed', '', ...lines, ''] : [];
}
