// Chromium: a browser for the tests, and SwiftShader, a CPU adapter that Node can use as well.
import path from 'node:path';
import { aptInstall, asRoot, mayUseApt, ROOT, run, say } from './system.mjs';

const PLAYWRIGHT = path.join(ROOT, 'node_modules/playwright-core/cli.js');

/**
 * Gets a Chromium: Playwright's, else the system's package. Says why, where neither can be had.
 * @param {string} why
 */
export function installChromium(why) {
  say('chromium', `downloading Playwright's (playwright install chromium), because ${why}`);
  // The download comes before the system libraries it needs, so that a refused download costs seconds, not minutes.
  // `--no-shell`: the headless shell has no WebGPU.
  const download = run(process.execPath, [PLAYWRIGHT, 'install', '--no-shell', 'chromium']);
  if (download.ok) {
    if (process.platform === 'linux' && mayUseApt()) {
      say('chromium', 'installing the system libraries it needs (playwright install-deps chromium)');
      asRoot(process.execPath, [PLAYWRIGHT, 'install-deps', 'chromium']);
    }
    return;
  }
  if (!mayUseApt()) return sayRefused(download);
  say('chromium', "installing the system's (apt-get install chromium), because that download was refused");
  const install = aptInstall(['chromium']);
  if (!install.ok) sayRefused(install);
}

/** @param {{ lines: string[] }} attempt */
function sayRefused({ lines }) {
  const reason = lines.findLast((line) => /^(E:|error|failed)/i.test(line)) ?? lines.at(-1);
  say('chromium', `could not be installed: ${reason ?? 'no reason given'}`);
}
