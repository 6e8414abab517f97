// Makes a fresh clone ready: packages, a build, a WebGPU adapter and, with --browser, a browser.
// Says in one line each what it does and why; when all is there already, it only names the adapter.
//
//   node harness/setup/setup.mjs [--browser]
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuild } from './build.mjs';
import { installChromium } from './chromium.mjs';
import { ensurePackages } from './packages.mjs';
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
 * @param {{ adapter?: boolean, browser?: boolean }} [options] what must be there at the end; by default an adapter
 * @returns {Promise<void>}
 * @throws SetupError when it cannot go on; print it with sayFailure
 */
export async function setup({ adapter = true, browser = false } = {}) {
  checkNode();
  ensurePackages();
  ensureBuild();
  if (!adapter && !browser) return;

  let found = probe();
  // A driver that the user chose and that does not work is theirs to mend; another one would not be asked.
  const chosen = process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES;
  const lacksAdapter = adapter && found.error?.code === 'NO-ADAPTER' && !chosen;
  if (lacksAdapter || (browser && !found.browser)) {
    installChromium(
      lacksAdapter ? 'no WebGPU adapter was found, and it brings one' : 'the browser tests need a browser',
    );
    found = probe();
  }
  if (adapter) sayAdapter(found);
  if (browser && !found.browser) {
    throw new SetupError('No Chrome or Chromium was found, and none could be installed.', [
      'Install Chrome, Chromium or Edge, or run: npx playwright-core install --with-deps chromium',
    ]);
  }
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Node ${process.versions.node} is too old.`, ['Install Node 20.19 or later.']);
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

/** @param {Probe} found */
function sayAdapter({ adapter, error }) {
  if (!adapter) {
    // Our errors read "what [CODE] fix": the fix goes on a line of its own.
    throw new SetupError(
      error?.message.split(' [')[0] ?? 'There is no WebGPU adapter.',
      (error?.fix ?? '').split('; '),
    );
  }
  say('adapter', adapter.name);
  if (adapter.driver === 'swiftshader' && process.platform === 'linux' && mayUseApt()) {
    say('hint', '`npx downhill doctor --install-lavapipe` installs a CPU driver that trains several times faster');
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href && has('src')) {
  try {
    await setup({ browser: process.argv.includes('--browser') });
  } catch (error) {
    sayFailure(error);
    process.exitCode = 1;
  }
}

export { ROOT, SetupError, sayFailure };
