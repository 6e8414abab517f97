// Chromium: a browser for the tests, and SwiftShader, a CPU adapter that Node can use as well.
import path from 'node:path';
import { aptInstall, asRoot, mayUseApt, ROOT, run, say } from './system.mjs';

const PLAYWRIGHT = path.join(ROOT, 'node_modules/playwright/cli.js');

/**
 * Gets a Chromium: Playwright's, else the system's package. Says why, where neither can be had.
 * @param {string} why
 */
export function installChromium(why) {
  say('chromium', `downloading Playwright's (playwright install chromium), because ${why}`);
  // The download comes before the system libraries it needs, so that a failed download costs seconds, not minutes.
  // `--no-shell`: the headless shell has no WebGPU.
  const download = run(process.execPath, [PLAYWRIGHT, 'install', '--no-shell', 'chromium']);
  if (download.ok) {
    if (mayUseApt()) {
      say('chromium', 'installing the system libraries it needs (playwright install-deps chromium)');
      const libraries = asRoot(process.execPath, [PLAYWRIGHT, 'install-deps', 'chromium']);
      if (!libraries.ok) say('chromium', `it may not start, because they could not be installed: ${reason(libraries)}`);
    }
    return;
  }
  say('chromium', `the download failed: ${reason(download)}`);
  if (!mayUseApt()) return;
  say('chromium', "installing the system's instead (apt-get install chromium)");
  const install = aptInstall(['chromium']);
  if (!install.ok) say('chromium', `could not be installed: ${reason(install)}`);
}

/** The line that says why a program failed. @param {{ lines: string[] }} attempt */
function reason({ lines }) {
  return lines.findLast((line) => /^(E:|error|failed)/i.test(line)) ?? lines.at(-1) ?? 'no reason given';
}
