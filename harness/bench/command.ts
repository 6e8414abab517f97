/** `downhill bench`: flags, an older report and the folder are checked, then part after part is measured and written down. */
import { readFileSync } from 'node:fs';
import { DownhillError } from '../../src/index.js';
import { duration, plural } from '../common/format.js';
import type { Io } from '../common/io.js';
import { defaultFolder } from '../common/output.js';
import type { CaseResult, ContenderResult, Report } from './contract.js';
import { servePage } from './hosts/pages.js';
import { type BenchCommand, benchHelp, parseBench } from './options.js';
import { type Item, planOf } from './plan.js';
import { BenchProgress } from './progress.js';
import { compare } from './report/compare.js';
import { comparisonMarkdown, printComparison } from './report/compare-text.js';
import { INSTALL } from './report/layout.js';
import { readReport } from './report/read.js';
import { isOurs } from './report/summary.js';
import { printReport } from './report/text.js';
import { prepareFolder, writeComparison, writeJson, writeReport } from './report/write.js';
import { openHosts, Run } from './run.js';

/**
 * @returns the exit code: 1 where something of downhill's failed, or became slower than in the older report
 * @throws DownhillError for flags, folders and old reports that cannot be used, and where there is no adapter or browser
 */
export async function bench(args: readonly string[], io: Io): Promise<number> {
  const command = parseBench(args);
  if (command === 'help') {
    io.stdout.write(benchHelp());
    return 0;
  }
  return command.page ? servePage(io) : measureAll(command, io);
}

async function measureAll(command: BenchCommand, io: Io): Promise<number> {
  const { config, places, connect, json } = command;
  // Everything that can be wrong is looked at before anything is measured.
  const old = command.compare === undefined ? undefined : readOld(command.compare);
  const out = command.out ?? defaultFolder('bench');
  prepareFolder(out);
  const hosts = openHosts(places, connect);
  /** The exit code that tells of the signal. */
  let stopped: number | undefined;
  const stopping = () => stopped !== undefined;
  const stop = io.onInterrupt((code) => {
    if (stopping()) return io.exit(code);
    stopped = code;
    io.stderr.write('\n  Stopping; what was measured is written down. Ctrl+C again to leave at once.\n');
    for (const host of Object.values(hosts)) void host.close(); // ends the case at work
  });
  try {
    const run = new Run(config, hosts);
    const machines = await run.look();
    for (const { place, adapter } of machines)
      io.stderr.write(`  ${place.padEnd(7)} ${adapter?.name ?? 'no adapter'}\n`);
    await runParts(run, planOf(config, places), io, out, stopping);
    const report = run.report();
    // Said before it is drawn: a disk that is full takes no pictures, but the tables are worth having.
    if (json) io.stdout.write(`${JSON.stringify(report)}\n`);
    else printReport(report, io);
    const comparison = old && compare(report, old);
    if (comparison) printComparison(comparison, json ? { ...io, stdout: io.stderr } : io);
    const files = await writeReport(out, report);
    if (comparison) files.push(writeComparison(out, comparisonMarkdown(comparison)));
    io.stderr.write(`  ${out}: ${summary(files)}\n\n`);
    if (stopped !== undefined) return stopped;
    const failed = report.cases.some(({ error, contenders }) => error || contenders.some(oursFailed));
    return failed || (comparison?.regressions ?? 0) > 0 ? 1 : 0;
  } finally {
    stop();
    for (const host of Object.values(hosts)) await host.close();
  }
}

/** A peer that fails is in the report, and no failure of the run. */
const oursFailed = ({ name, outcome }: ContenderResult): boolean => outcome === 'failed' && isOurs(name);

async function runParts(run: Run, items: readonly Item[], io: Io, out: string, stopping: () => boolean): Promise<void> {
  const progress = new BenchProgress(io, items);
  progress.announce();
  for (const [i, item] of items.entries()) {
    if (stopping()) return;
    progress.begin(item, i);
    const results = await run.part(item, (share, contender) => progress.update(share, contender), stopping);
    if (stopping()) return progress.clear();
    progress.end(...outcomeOf(results));
    writeJson(out, run.report());
  }
}

/** A part in a few words, and whether all went well. */
function outcomeOf(results: readonly CaseResult[]): [string, boolean] {
  const error = results.find((result) => result.error)?.error;
  if (error) return [error.message, false];
  const failed = results.flatMap(({ contenders }) => contenders.filter(({ outcome }) => outcome === 'failed'));
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  if (failed.length > 0) return [`${[...new Set(failed.map(({ name }) => name))].join(', ')} failed`, false];
  return [duration(seconds), true];
}

function readOld(path: string): Report {
  try {
    return readReport(readFileSync(path, 'utf8'), path);
  } catch (cause) {
    if (cause instanceof DownhillError) throw cause;
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The report ${path} cannot be read: ${(cause as Error).message}.`,
      'Name a report.json that an earlier run wrote.',
      cause,
    );
  }
}

function summary(files: readonly string[]): string {
  const charts = files.filter((file) => file.endsWith('.svg')).length;
  const others = files.filter((file) => !/\.(svg|png)$/.test(file));
  const kinds = files.some((file) => file.endsWith('.png')) ? 'svg, png' : `svg; png too after: ${INSTALL}`;
  return [...others, ...(charts > 0 ? [`${plural(charts, 'chart')} (${kinds})`] : [])].join(', ');
}
