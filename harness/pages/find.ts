/**
 * The browser that runs our pages: Playwright's own Chromium where it is installed, else the system's Chrome, Chromium
 * or Edge. playwright-core is an optional peer, imported only when a browser is asked for.
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { DownhillError } from '../../src/index.js';
import { endProcesses, scratchFolder, withTemporary } from '../common/scratch.js';
import { unlessAborted, within } from '../common/waiting.js';

export interface FoundBrowser {
  readonly name: string;
  /** Where it is; undefined for Playwright's own, which Playwright finds by its channel. */
  readonly executablePath?: string;
  /** 'chromium': Playwright's full Chromium. Its headless shell has no WebGPU. */
  readonly channel?: 'chromium';
}

export interface LaunchedBrowser extends FoundBrowser {
  readonly browser: Browser;
  readonly version: string;
  /** What it was started with, besides Playwright's own; empty where somebody else started it. */
  readonly flags: readonly string[];
  /** Ends it within CLOSE_MS, also when it hangs. */
  close(): Promise<void>;
}

/** A browser that hangs would take for ever to close. */
const CLOSE_MS = 2000;
/** A browser that starts has this long; half a minute was not enough on a machine whose cores all had work. */
const LAUNCH_MS = 90_000;

const INSTALL =
  'Install Chrome or Chromium, name one in DOWNHILL_BROWSER, or run: npx playwright-core install --with-deps chromium';

/** Names under which Linux packages put the browsers into PATH. */
const LINUX_COMMANDS: Record<string, string> = {
  'google-chrome-stable': 'Google Chrome',
  'google-chrome': 'Google Chrome',
  chromium: 'Chromium',
  'chromium-browser': 'Chromium',
  'microsoft-edge-stable': 'Microsoft Edge',
  'microsoft-edge': 'Microsoft Edge',
};
const MAC_APPS = ['Google Chrome', 'Chromium', 'Microsoft Edge'];
const WINDOWS_PROGRAMS: Record<string, string> = {
  'Google/Chrome/Application/chrome.exe': 'Google Chrome',
  'Chromium/Application/chrome.exe': 'Chromium',
  'Microsoft/Edge/Application/msedge.exe': 'Microsoft Edge',
};

/** Every place where this system may have a browser, the preferred ones first. */
function systemBrowsers(): { name: string; path: string }[] {
  if (process.platform === 'darwin') {
    return MAC_APPS.flatMap((name) =>
      ['/Applications', join(homedir(), 'Applications')].map((folder) => ({
        name,
        path: join(folder, `${name}.app`, 'Contents/MacOS', name),
      })),
    );
  }
  const [found, folders] =
    process.platform === 'win32'
      ? [WINDOWS_PROGRAMS, [process.env.PROGRAMFILES, process.env['PROGRAMFILES(X86)'], process.env.LOCALAPPDATA]]
      : [LINUX_COMMANDS, [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/snap/bin']];
  return Object.entries(found).flatMap(([file, name]) =>
    folders
      .filter((folder) => folder !== undefined && folder !== '')
      .map((folder) => ({ name, path: join(folder!, file) })),
  );
}

async function loadPlaywright() {
  try {
    return await import('playwright-core');
  } catch (cause) {
    throw new DownhillError(
      'NO-BROWSER',
      "Running in Chrome needs the npm package 'playwright-core', which does not load.",
      'Run: npm install playwright-core',
      cause,
    );
  }
}

/**
 * Looks for a browser without starting one. DOWNHILL_BROWSER, the path of an executable, overrides the search.
 *
 * @throws DownhillError NO-BROWSER when there is none, or no playwright-core to drive it.
 */
export async function findBrowser(): Promise<FoundBrowser> {
  const { chromium } = await loadPlaywright();
  const chosen = process.env.DOWNHILL_BROWSER;
  if (chosen) {
    if (existsSync(chosen)) return { name: 'Chromium', executablePath: chosen }; // of whatever make, driven as one
    throw new DownhillError(
      'NO-BROWSER',
      `DOWNHILL_BROWSER names ${chosen}, which is not there.`,
      'Set it to the path of a Chrome or Chromium, or unset it.',
    );
  }
  if (existsSync(chromium.executablePath())) return { name: "Playwright's Chromium", channel: 'chromium' };
  const installed = systemBrowsers().find(({ path }) => existsSync(path));
  if (installed) return { name: installed.name, executablePath: installed.path };
  throw new DownhillError('NO-BROWSER', 'No Chrome, Chromium or Edge was found.', INSTALL);
}

/** Whether this Linux machine has a GPU that a driver has taken up; the manifests alone are there without one, too. */
function hasHardware(): boolean {
  if (existsSync('/dev/nvidiactl')) return true;
  try {
    return readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
  } catch {
    return false;
  }
}

/** What makes WebGPU work in a browser without a screen. */
function flags(): string[] {
  return [
    '--enable-unsafe-webgpu', // CPU adapters, and Linux, where Chrome still holds WebGPU back
    '--enable-webgpu-developer-features', // timestamps in nanoseconds instead of steps of 100 µs
    '--disable-background-networking',
    // Chrome on Linux reaches a GPU's WebGPU only through Vulkan. Without a GPU the flag would gain nothing.
    ...(process.platform === 'linux' && hasHardware() ? ['--enable-features=Vulkan'] : []),
  ];
}

export interface LaunchOptions {
  readonly headless?: boolean;
  readonly args?: readonly string[];
  /** Nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts the browser found, ready for WebGPU.
 *
 * @throws DownhillError NO-BROWSER when there is none, or it does not start; the signal's reason
 */
export async function launchBrowser(options: LaunchOptions = {}): Promise<LaunchedBrowser> {
  const { chromium } = await loadPlaywright();
  const found = await findBrowser();
  const { signal } = options;
  const args = [...flags(), ...(options.args ?? [])];
  const launch = (chromiumSandbox: boolean) =>
    chromium.launch({
      channel: found.channel,
      executablePath: found.executablePath,
      headless: options.headless ?? true,
      chromiumSandbox, // false adds --no-sandbox
      args,
      timeout: LAUNCH_MS,
      // The command ends the run itself, and then closes the browser.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  const start = async () => {
    // Chrome refuses to run as root with its sandbox, and containers often forbid what the sandbox is made of.
    if (process.getuid?.() === 0) return launch(false);
    return launch(true).catch((error: Error) => {
      if (/sandbox/i.test(error.message)) return launch(false);
      throw error;
    });
  };
  try {
    const folder = scratchFolder();
    const close = (launched: Browser) => closeWithin(launched, () => endProcesses(folder));
    const browser = await unlessAborted(signal, withTemporary(folder, start), close);
    return { ...found, browser, version: browser.version(), flags: args, close: () => close(browser) };
  } catch (cause) {
    if (signal?.aborted && cause === signal.reason) throw cause;
    const reason =
      (cause as Error).message.split('\n').find((line) => /error|cannot|missing|failed|exceeded/i.test(line)) ?? '';
    const where = found.executablePath ?? chromium.executablePath();
    throw new DownhillError(
      'NO-BROWSER',
      `${found.name} (${where}) does not start: ${reason.trim().slice(0, 200)}`,
      'Install the libraries it needs: npx playwright-core install-deps chromium',
      cause,
    );
  }
}

/** @param force ends it without its help; without that, one that hangs is left to itself. */
async function closeWithin(browser: Browser, force?: () => void): Promise<void> {
  const closed = browser.close().catch(() => {}); // of a connection that is gone
  const late = await within(CLOSE_MS, closed).then(
    () => false,
    () => true,
  );
  if (!late || !force) return;
  force();
  await closed;
}

/** A browser elsewhere has this long to answer. */
const CONNECT_MS = 30_000;

/**
 * Joins a browser that Playwright serves elsewhere (`npx playwright-core launch-server`). Its pages reach one
 * loopback address of this machine through the connection, and no other, so that nothing has to listen to the network.
 *
 * @param reachable host and port of that address
 *
 * @throws DownhillError NO-BROWSER when nothing answers there, or another version of Playwright.
 */
export async function connectBrowser(address: string, reachable: string): Promise<LaunchedBrowser> {
  const { chromium } = await loadPlaywright();
  try {
    const browser = await chromium.connect(address, { exposeNetwork: reachable, timeout: CONNECT_MS });
    const name = `Chromium at ${new URL(address).host}`;
    return { name, browser, version: browser.version(), flags: [], close: () => closeWithin(browser) };
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]!.slice(0, 200);
    throw new DownhillError(
      'NO-BROWSER',
      `No browser of Playwright's answers at ${address}: ${reason}`,
      'Start one there with the same version: npx playwright-core launch-server --browser chromium (docs/benchmarks.md).',
      cause,
    );
  }
}
