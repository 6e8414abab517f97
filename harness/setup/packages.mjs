// The npm packages, as package-lock.json has them.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { npm, ROOT, SetupError, say } from './system.mjs';

/** Written after an install that could not follow the lockfile: the hash of the lockfile it stands in for. */
const UNLOCKED = 'node_modules/.downhill-unlocked';

/** @param {string} file */
const readIfThere = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

/** @param {string} text */
const hash = (text) => createHash('sha256').update(text).digest('hex');

/**
 * Whether node_modules has what the lockfile asks for. Versions are compared, not dates: a checkout touches the lockfile
 * without changing it, and `npm ci` deletes node_modules before it starts.
 * @param {string} [root]
 * @returns {string | undefined} why not; undefined when all is there
 */
export function packagesMissing(root = ROOT) {
  const installed = readIfThere(path.join(root, 'node_modules/.package-lock.json'));
  const unlocked = readIfThere(path.join(root, UNLOCKED));
  const lock = readIfThere(path.join(root, 'package-lock.json'));
  if (!existsSync(path.join(root, 'node_modules'))) return 'there are none yet';
  if (!lock || unlocked === hash(lock)) return undefined;
  if (!installed) return 'there are none yet';

  const wanted = Object.entries(JSON.parse(lock).packages);
  const present = JSON.parse(installed).packages;
  const outdated = wanted.filter(([where, { version, optional }]) => {
    if (where === '') return false;
    return present[where] ? present[where].version !== version : !optional; // other platforms' builds stay away
  });
  return outdated.length > 0
    ? `package-lock.json changed (${outdated[0]?.[0].replace(/^.*node_modules\//, '')})`
    : undefined;
}

/**
 * Installs the packages of a folder when they are absent or older than its lockfile.
 * @param {string} [root] with a package.json
 * @param {string} [topic] the word before the lines that say so
 */
export function ensurePackages(root = ROOT, topic = 'packages') {
  const why = packagesMissing(root);
  if (!why) return;
  say(topic, `installing (npm ci), because ${why}`);
  // `--include=dev`: with NODE_ENV=production npm would leave out the very tools that build and test.
  const options = ['--no-audit', '--no-fund', '--include=dev'];
  if (existsSync(path.join(root, 'package-lock.json')) && npm(['ci', ...options], root).ok) return;

  say(topic, 'installing without the lockfile (npm install), because npm ci failed');
  const install = npm(['install', '--no-package-lock', ...options], root);
  if (!install.ok) {
    throw new SetupError('The npm packages could not be installed.', [
      ...install.tail,
      'Check the network and the npm registry (npm config get registry), then run the command again.',
    ]);
  }
  writeFileSync(path.join(root, UNLOCKED), hash(readIfThere(path.join(root, 'package-lock.json')) ?? ''));
}
