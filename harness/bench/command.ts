/** `downhill bench`: flags, an older report and the folder are checked, then part after part is measured and written down. */
import { DownhillError } from '../../src/index.js';
import { readPlainText } from '../../src/node/index.js';
import { duration, plural } from '../common/format.js';
import { interruptible, keeping } from '../common/interrupt.js';
import { errorParts, type Io } from '../common/io.js';
import type { OutFolder } from '../common/out-folder.js';
import { defaultFolder } from '../common/output.js';
import { isFull } from '../common/whole-file.js';
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
import { hasReport, openReport, PARTIAL, writePartial, writeReport } from './report/write.js';
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
  const { places, connect } = command;
  // Everything that can be wrong is looked at before anything is measured.
  const old = command.compare === undefined ? undefined : readOld(command.compare);
  const out = command.out ?? defaultFolder('bench');
  const folder = openReport(out, command.config.scenarios);
  const hosts = openHosts(places, connect);
  const close = async () => {
    await Promise.all(Object.values(hosts).map((host) => host.close()));
  };
  const ending = {
    ...keeping(io),
    onStop: () => {
      io.stderr.write('\n  Stopping; what was measured is written down. Ctrl+C again to leave at once.\n');
      void close(); // ends the case at work
    },
  };
  return interruptible(io, ending, (signal) =>
    measure(command, { hosts, old, out, folder, signal }, io).finally(() => {
      folder.close();
      return close();
    }),
  );
}

interface Place {
  readonly hosts: ReturnType<typeof openHosts>;
  readonly old: Report | undefined;
  /** Of the folder, as it is shown. */
  readonly out: string;
  readonly folder: OutFolder;
  readonly signal: AbortSignal;
}

async function measure(command: BenchCommand, { hosts, old, out, folder, signal }: Place, io: Io): Promise<number> {
  const { config, places, json } = command;
  const run = new Run(config, hosts);
  const machines = await run.look().catch((error) => {
    signal.throwIfAborted(); // what fails then was ended
    throw error;
  });
  for (const { place, adapter } of machines) io.stderr.write(`  ${place.padEnd(7)} ${adapter?.name ?? 'no adapter'}\n`);
  await runParts(run, planOf(config, places), io, folder, () => signal.aborted);
  const report = run.report();
  if (report.cases.length === 0) signal.throwIfAborted();
  // Said before it is drawn: a disk that is full takes no pictures, but the tables are worth having.
  if (json) io.stdout.write(`${JSON.stringify(report)}\n`);
  else printReport(report, io);
  const comparison = old && compare(report, old);
  if (comparison) printComparison(comparison, json ? { ...io, stdout: io.stderr } : io);
  // A part of a report does not take the place of one that is whole.
  if (signal.aborted && hasReport(out)) {
    io.stderr.write(`  ${out}: ${PARTIAL}; the report that is there stays\n\n`);
    throw signal.reason;
  }
  const files = await writeReport(folder, report, comparison && comparisonMarkdown(comparison));
  io.stderr.write(`  ${out}: ${summary(files)}\n\n`);
  signal.throwIfAborted();
  const failed = report.cases.some(({ error, contenders }) => error || contenders.some(oursFailed));
  return failed || (comparison?.regressions ?? 0) > 0 ? 1 : 0;
}

/** A peer that fails is in the report, and no failure of the run. */
const oursFailed = ({ name, outcome }: ContenderResult): boolean => outcome === 'failed' && isOurs(name);

async function runParts(
  run: Run,
  items: readonly Item[],
  io: Io,
  folder: OutFolder,
  stopping: () => boolean,
): Promise<void> {
  const progress = new BenchProgress(io, items);
  progress.announce();
  for (const [i, item] of items.entries()) {
    if (stopping()) return;
    progress.begin(item, i);
    const results = await run.part(item, (share, contender) => progress.update(share, contender), stopping);
    if (stopping()) return progress.clear();
    progress.end(...outcomeOf(results));
    keepPart(run, folder, io);
  }
}

/** A disk that is full takes no part of the report, and may have room at the end. */
function keepPart(run: Run, folder: OutFolder, io: Io): void {
  try {
    writePartial(folder, run.report());
  } catch (error) {
    if (!(error instanceof DownhillError && isFull(error.cause))) throw error;
    io.stderr.write(`  ${errorParts(error).message} What is measured is not kept yet.\n`);
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
    return readReport(readPlainText(path), path);
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
