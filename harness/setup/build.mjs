// dist/: the library and the programs, compiled. Rebuilt when a source is newer than the last build.
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { npm, ROOT, run, SetupError, say } from './system.mjs';

const SOURCES = ['src', 'harness', 'app', 'shaders', 'package.json', 'vite.config.ts'];
const STAMP = 'dist/.stamp';

/** The parts of dist/, as vite.config.ts names them. */
const MODES = ['lib', 'cli', 'pages'];

/** @param {string} mode */
const viteBuild = (mode) =>
  run(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--mode', mode], { cwd: ROOT });

/**
 * The time of the newest change at or below `file`; 0 where there is nothing. Folders count: their own time tells of
 * deleted files.
 * @param {string} file
 * @returns {number}
 */
function newest(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(file).reduce((latest, name) => Math.max(latest, newest(path.join(file, name))), stat.mtimeMs);
}

/**
 * @param {string} [root]
 * @returns {string | undefined} why dist/ must be built; undefined when it is fresh
 */
export function buildStale(root = ROOT) {
  const stamp = statSync(path.join(root, STAMP), { throwIfNoEntry: false });
  if (!stamp) return 'it is not there yet';
  const changed = SOURCES.find((source) => newest(path.join(root, source)) > stamp.mtimeMs);
  return changed ? `${changed} changed` : undefined;
}

/** Builds dist/ when it is stale. */
export function ensureBuild() {
  const why = buildStale();
  if (!why) return;
  say('build', `building dist/, because ${why}`);
  const started = new Date();
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const results = scripts?.['build:fast'] ? [npm(['run', '--silent', 'build:fast'])] : MODES.map(viteBuild);
  for (const { ok, lines } of results) if (!ok) throw new SetupError('The build failed.', lines.slice(0, 16));
  // Dated at the start: what changed during the build is built next time.
  writeFileSync(path.join(ROOT, STAMP), '');
  utimesSync(path.join(ROOT, STAMP), started, started);
}
