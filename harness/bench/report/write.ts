/** report.json, report.md and the charts of a report, in a folder. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { outputError } from '../../common/output.js';
import type { Report } from '../contract.js';
import { type BenchChart, benchCharts } from './layout.js';
import { markdown } from './markdown.js';
import { readReport } from './read.js';

const JSON_FILE = 'report.json';

/**
 * Makes the folder and tries it, before the better part of an hour is spent. What is in it stays until `writeReport`.
 *
 * @param path As given, for messages.
 * @throws DownhillError OUTPUT-UNWRITABLE when files cannot be written there.
 */
export function prepareFolder(path: string): void {
  const folder = resolve(path);
  const probe = join(folder, `.downhill-${process.pid}`);
  attempt(path, () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(probe, '');
    rmSync(probe, { force: true });
  });
}

/** Writes the JSON alone, while a run goes on: what is measured by then is not lost with the process. */
export function writeJson(path: string, report: Report): void {
  attempt(path, () => writeFileSync(join(resolve(path), JSON_FILE), jsonOf(report)), 'it is no longer there');
}

const jsonOf = (report: Report): string => `${JSON.stringify(report, null, 1)}\n`;

/** Writes what came of a comparison beside the report. */
export function writeComparison(path: string, text: string): string {
  attempt(path, () => writeFileSync(join(resolve(path), 'compare.md'), text), 'it is no longer there');
  return 'compare.md';
}

/**
 * Writes a report over what an older one left. The JSON comes first: it is what cannot be had again.
 *
 * @returns the names of the files, in the order of writing
 * @throws DownhillError OUTPUT-UNWRITABLE
 */
export async function writeReport(path: string, report: Report): Promise<string[]> {
  const folder = resolve(path);
  const charts = benchCharts(report);
  const stale = oldCharts(folder).filter((file) => !charts.some((chart) => chart.file === file));
  const files: string[] = [];
  const write = (file: string, bytes: string | Uint8Array) => {
    attempt(path, () => writeFileSync(join(folder, file), bytes), 'it is no longer there');
    files.push(file);
  };

  attempt(path, () => mkdirSync(folder, { recursive: true }));
  write(JSON_FILE, jsonOf(report));
  const pictures = charts.map(({ scenario, file, title }) => ({ scenario, title, file: `${file}.svg` }));
  write('report.md', markdown(report, pictures));
  const [{ chartSvg }, { canDraw, svgPng }] = await Promise.all([import('./draw.js'), import('../../common/png.js')]);
  for (const chart of charts) {
    const svg = chartSvg(chart);
    write(`${chart.file}.svg`, svg);
    if (canDraw()) write(`${chart.file}.png`, await svgPng(svg));
  }
  attempt(path, () => {
    for (const file of stale)
      for (const ending of ['svg', 'png']) rmSync(join(folder, `${file}.${ending}`), { force: true });
  });
  return files;
}

/** The charts that the report in this folder came with; other files there are not ours to touch. */
function oldCharts(folder: string): BenchChart['file'][] {
  try {
    const path = join(folder, JSON_FILE);
    return benchCharts(readReport(readFileSync(path, 'utf8'), path)).map(({ file }) => file);
  } catch {
    return []; // none, or none of ours
  }
}

function attempt(path: string, action: () => void, gone?: string): void {
  try {
    action();
  } catch (cause) {
    throw outputError(path, cause, gone);
  }
}
