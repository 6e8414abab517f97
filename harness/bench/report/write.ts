/** report.json, report.md and the charts of a report, in a folder. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../../src/index.js';
import { readPlainText } from '../../../src/node/index.js';
import { errorParts } from '../../common/io.js';
import { OutFolder } from '../../common/out-folder.js';
import type { Report } from '../contract.js';
import { type BenchChart, benchCharts } from './layout.js';
import { markdown } from './markdown.js';
import { readReport } from './read.js';

const [JSON_FILE, TEXT, COMPARISON] = ['report.json', 'report.md', 'compare.md'];
/** What is measured by then, while a run goes on: a report that is there stays until the new one is whole. */
export const PARTIAL = 'report-partial.json';

/**
 * Opens the folder before the better part of an hour is spent. A report that is in it stays until `writeReport`.
 *
 * @param path as given, for messages
 * @param scenarios whose charts may come
 * @throws DownhillError OUTPUT-UNWRITABLE where files cannot be written there, or one of theirs is that no report came with
 */
export function openReport(path: string, scenarios: readonly string[] = []): OutFolder {
  const charts = chartsIn(path, scenarios);
  const own = oldCharts(path).flatMap((file) => [`${file}.svg`, `${file}.png`]);
  const files = hasReport(path)
    ? charts.filter((file) => own.length > 0 && !own.includes(file))
    : [JSON_FILE, TEXT, COMPARISON, ...charts];
  return new OutFolder(path, { what: 'a report', files, fix: 'Name another folder with --out.' });
}

/** Pictures in the folder that are called as charts of ours would be. */
function chartsIn(path: string, scenarios: readonly string[]): string[] {
  const ends = /^-(node|chrome)(-\d+)?\.(svg|png)$/;
  const isChart = (file: string) =>
    scenarios.some((scenario) => file.startsWith(scenario) && ends.test(file.slice(scenario.length)));
  try {
    return readdirSync(path).filter(isChart);
  } catch {
    return []; // it is made now
  }
}

/** Whether there is a report in the folder, of this version or another. */
export function hasReport(path: string): boolean {
  try {
    return JSON.parse(readPlainText(join(path, JSON_FILE))).format === 'downhill-bench';
  } catch {
    return false;
  }
}

/** Writes the JSON alone, while a run goes on: what is measured by then is not lost with the process. */
export const writePartial = (folder: OutFolder, report: Report): void => folder.write({ [PARTIAL]: jsonOf(report) });

const jsonOf = (report: Report): string => `${JSON.stringify(report, null, 1)}\n`;

/**
 * Writes a report in place of what an older one left: all of it, or nothing.
 *
 * @param comparison what came of a comparison, as Markdown
 * @returns the names of the files
 * @throws DownhillError OUTPUT-UNWRITABLE
 */
export async function writeReport(folder: OutFolder, report: Report, comparison?: string): Promise<string[]> {
  const charts = benchCharts(report);
  const stale = oldCharts(folder.path).filter((file) => !charts.some((chart) => chart.file === file));
  const pictures = charts.map(({ scenario, file, title }) => ({ scenario, title, file: `${file}.svg` }));
  const files: Record<string, string | Uint8Array> = {
    [JSON_FILE]: jsonOf(report),
    [TEXT]: markdown(report, pictures),
  };
  const [{ chartSvg }, { canDraw, svgPng }] = await Promise.all([import('./draw.js'), import('../../common/png.js')]);
  for (const chart of charts) {
    const svg = chartSvg(chart);
    files[`${chart.file}.svg`] = svg;
    if (canDraw()) files[`${chart.file}.png`] = await svgPng(svg);
  }
  if (comparison !== undefined) files[COMPARISON] = comparison;
  try {
    folder.write(files);
  } catch (error) {
    throw kept(folder, error as DownhillError);
  }
  folder.guard(() => {
    const old = stale.flatMap((file) => [`${file}.svg`, `${file}.png`]);
    for (const file of [...old, PARTIAL]) rmSync(join(folder.path, file), { force: true });
  });
  return Object.keys(files);
}

/** Says where what was measured is all the same. */
function kept(folder: OutFolder, error: DownhillError): DownhillError {
  if (!existsSync(join(folder.path, PARTIAL))) return error;
  const { message } = errorParts(error);
  return new DownhillError(error.code, message, `What was measured is in ${folder.shown(PARTIAL)}.`, error.cause);
}

/** The charts that the report in this folder came with; other files there are not ours to touch. */
function oldCharts(folder: string): BenchChart['file'][] {
  try {
    const path = join(folder, JSON_FILE);
    return benchCharts(readReport(readPlainText(path), path)).map(({ file }) => file);
  } catch {
    return []; // none, or none of ours
  }
}
