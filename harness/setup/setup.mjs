// Makes a fresh clone ready: packages, a build, a WebGPU adapter and, with --browser, a browser; with --packages only the
// packages, with --peers only the libraries that benchmarks compare with, installed and built, with --peer-packages only
// installed. Says in one line each what it does and why; when all is there already, it only names the adapter.
//
//   node harness/setup/setup.mjs [--browser | --packages | --peers | --peer-packages]
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuild } from './build.mjs';
import { installChromium } from './chromium.mjs';
import { ensurePackages } from './packages.mjs';
import { ensurePeerPackages, ensurePeers } from './peers.mjs';
import { has, mayUseApt, ROOT, run, SetupError, say, sayFailure } from './system.mjs';

/** The built program that looks for an adapter and a browser (harness/probe.ts). */
const PROBE = 'dist/cli/probe.js';

/**
 * @typedef {object} Probe
 * @property {{ name: string, driver: string } | null} adapter
 * @property {{ code: string, message: string, fix: string } | null} error why there is no adapter
 * @property {{ name: string } | null} browser
 */

/**
 * Makes dist/, which can then say what a command line needs.
 * @throws SetupError when it cannot go on; print it with sayFailure
 */
export function setupBuild() {
  ensureTools();
  ensureBuild();
}

/**
 * @param {{ adapter?: boolean, browser?: boolean, peers?: boolean }} [needs] what must be there at the end; by default an
 *   adapter
 * @param {{ names?: boolean }} [say] whether to name the adapter: a command does that itself
 * @throws SetupError when it cannot go on; print it with sayFailure
 */
export function setup({ adapter = true, browser = false, peers = false } = {}, { names = true } = {}) {
  setupBuild();
  if (peers) ensurePeers();
  if (!adapter && !browser) return;

  let found = probe();
  // A driver that the user chose and that does not work is theirs to mend; another one would not be asked.
  const chosen = process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES;
  const lacksAdapter = adapter && found.error?.code === 'NO-ADAPTER' && !chosen;
  const namedBrowser = process.env.DOWNHILL_BROWSER;
  const lacksBrowser = browser && !found.browser && !namedBrowser;
  if (lacksAdapter || lacksBrowser) {
    installChromium(
      lacksAdapter
        ? 'no WebGPU adapter was found, and it brings one'
        : 'this runs in a browser, and no Chrome, Chromium or Edge was found',
    );
    found = probe();
  }
  if (adapter) sayAdapter(found, names);
  if (!browser || found.browser) return;
  if (namedBrowser) {
    throw new SetupError(`DOWNHILL_BROWSER names ${namedBrowser}, which is not there.`, [
      'Set it to the path of a Chrome or Chromium, or unset it.',
    ]);
  }
  throw new SetupError('No Chrome or Chromium was found, and none could be installed.', [
    'Install Chrome, Chromium or Edge, or run: npx playwright-core install --with-deps chromium',
    'One that is not found is named by its path in DOWNHILL_BROWSER.',
  ]);
}

/** The npm packages, after a look at the Node that runs them. */
function ensureTools() {
  checkNode(process.versions.node);
  ensurePackages();
}

/** Node as Vite takes it: ^20.19 || >=22.12. @param {string} version @throws SetupError for another one */
export function checkNode(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Node ${version} does not run what builds this (Vite).`, [
    'Install Node 22.12 or later, or 20.19 or later of the 20 line.',
  ]);
}

/** Looks in a process of its own: a graphics driver that crashes takes only that one along. @returns {Probe} */
function probe() {
  const result = run(process.execPath, [PROBE], { cwd: ROOT, timeout: 60_000 });
  try {
    return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '');
  } catch {
    const message = 'The search for an adapter did not end well; a graphics driver may have crashed.';
    throw new SetupError(message, [
      ...result.tail,
      'Name a driver that works in VK_DRIVER_FILES, or update the driver.',
    ]);
  }
}

/** @param {Probe} found @param {boolean} names */
function sayAdapter({ adapter, error }, names) {
  if (!adapter) {
    // Our errors read "what [CODE] fix": the fix goes on a line of its own.
    throw new SetupError(
      error?.message.split(' [')[0] ?? 'There is no WebGPU adapter.',
      (error?.fix ?? '').split('; '),
    );
  }
  if (names) say('adapter', adapter.name);
  if (adapter.driver === 'swiftshader' && process.platform === 'linux' && mayUseApt()) {
    say('hint', '`npx downhill doctor --install-lavapipe` installs a CPU driver that trains several times faster');
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href && has('src')) {
  try {
    const only = { '--packages': () => {}, '--peers': ensurePeers, '--peer-packages': ensurePeerPackages };
    const asked = Object.entries(only).filter(([flag]) => process.argv.includes(flag));
    if (asked.length > 0) {
      ensureTools();
      for (const [, ensure] of asked) ensure();
    } else setup({ browser: process.argv.includes('--browser') });
  } catch (error) {
    sayFailure(error);
    process.exitCode = 1;
  }
}

export { ROOT, SetupError, sayFailure };
