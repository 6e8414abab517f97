// dist/: the library and the programs, compiled, and the peers of benchmarks. Rebuilt when a source is newer than the
// last build.
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { npm, ROOT, run, SetupError, say } from './system.mjs';

const SOURCES = ['src', 'harness', 'app', 'shaders', 'package.json', 'vite.config.ts'];
const STAMP = 'dist/.stamp';

/** The parts of dist/, as vite.config.ts names them. */
const MODES = ['lib', 'cli', 'pages'];

// What the peers are built from. The package's own version counts through its lockfile.
const PEER_SOURCES = ['harness/peers', 'harness/bench/contract.ts', 'vite.config.ts'];
const PEER_STAMP = 'dist/peers/.stamp';
const PEER_MODES = ['peers-node', 'peers-web'];

/** @param {string} mode */
const viteBuild = (mode) =>
  run(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--mode', mode], { cwd: ROOT });

/**
 * The time of the newest change at or below `file`; 0 where there is nothing. Folders count: their own time tells of
 * deleted files. Installed packages do not: their lockfile speaks for them.
 * @param {string} file
 * @returns {number}
 */
function newest(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(file)
    .filter((name) => name !== 'node_modules')
    .reduce((latest, name) => Math.max(latest, newest(path.join(file, name))), stat.mtimeMs);
}

/**
 * @param {string} root @param {string} stamp @param {string[]} sources
 * @returns {string | undefined} why it must be built; undefined when it is fresh
 */
function stale(root, stamp, sources) {
  const built = statSync(path.join(root, stamp), { throwIfNoEntry: false });
  if (!built) return 'it is not there yet';
  const changed = sources.find((source) => newest(path.join(root, source)) > built.mtimeMs);
  return changed ? `${changed} changed` : undefined;
}

/** Why dist/ must be built; undefined when it is fresh. @param {string} [root] */
export const buildStale = (root = ROOT) => stale(root, STAMP, SOURCES);

/** The same of dist/peers. @param {string} [root] */
export const peersStale = (root = ROOT) => stale(root, PEER_STAMP, PEER_SOURCES);

/**
 * @param {string} where @param {string} why @param {string} stamp
 * @param {() => { ok: boolean, lines: string[] }[]} make
 */
function build(where, why, stamp, make) {
  say('build', `building ${where}, because ${why}`);
  const started = new Date();
  for (const { ok, lines } of make()) if (!ok) throw new SetupError('The build failed.', lines.slice(0, 16));
  // Dated at the start: what changed during the build is built next time.
  writeFileSync(path.join(ROOT, stamp), '');
  utimesSync(path.join(ROOT, stamp), started, started);
}

/** Builds dist/ when it is stale. */
export function ensureBuild() {
  const why = buildStale();
  if (!why) return;
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  build('dist/', why, STAMP, () =>
    scripts?.['build:fast'] ? [npm(['run', '--silent', 'build:fast'])] : MODES.map(viteBuild),
  );
}

/** Builds dist/peers when it is stale; their packages must be installed. */
export function ensurePeersBuild() {
  const why = peersStale();
  if (why) build('dist/peers/', why, PEER_STAMP, () => PEER_MODES.map(viteBuild));
}
