/**
 * `npx downhill doctor`: what this machine has, and whether the kernels compute on it what they should.
 * Ends with 1 when something is broken: no adapter, a failed self-test, a browser that is there but has no WebGPU.
 */
import type { Browser } from 'playwright-core';
import { DownhillError, describeAdapter } from '../../src/index.js';
import { type Driver, requestDevice } from '../../src/node/index.js';
import { entry, type Flags, flagHelp, HELP, readFlags } from '../common/flags.js';
import { type ErrorParts, errorParts, type Io, processIo } from '../common/io.js';
import { findGpu } from '../common/quiet.js';
import { versionOf } from '../common/versions.js';
import { within } from '../common/waiting.js';
import { findBrowser, launchBrowser } from '../pages/find.js';
import { installLavapipe } from '../setup/lavapipe.mjs';
import { type BrowserReport, type DoctorReport, printReport } from './report.js';
import { type SelfTestResult, selfTest } from './self-test.js';

const FLAGS: Flags = {
  json: { help: 'one JSON object instead of text' },
  'install-lavapipe': {
    help: "first install Mesa's CPU driver (Debian, Ubuntu; as root or with passwordless sudo)",
  },
  ...HELP,
};

/** A page has this long to get an adapter, on a machine whose cores all have work. */
const ASK_MS = 60_000;

const help = () =>
  [
    'npx downhill doctor [flags]',
    '',
    '  Shows the adapter, its limits and the browser found, and tests the kernels.',
    '',
    ...flagHelp(FLAGS),
    '',
    ...entry('VK_DRIVER_FILES', 'the only graphics driver to ask, by its Vulkan manifest'),
    ...entry('DOWNHILL_BROWSER', 'the Chrome or Chromium to use, by its path, instead of the one found'),
    '',
  ].join('\n');

/** @returns the exit code */
export async function doctor(args: readonly string[], io: Io = processIo()): Promise<number> {
  const { flags } = readFlags('doctor', args, FLAGS);
  if (flags.has('help')) {
    io.stdout.write(help());
    return 0;
  }
  if (flags.has('install-lavapipe')) {
    const { ok, lines } = installLavapipe();
    // With --json stdout is for the report alone.
    (flags.has('json') ? io.stderr : io.stdout).write(`${lines.join('\n')}\n`);
    if (!ok) return 1;
  }
  const report = await examine();
  if (flags.has('json')) io.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else printReport(report, io);
  return report.problems.length > 0 ? 1 : 0;
}

async function examine(): Promise<DoctorReport> {
  const problems: ErrorParts[] = [];
  const note = (error: unknown) => {
    if (!(error instanceof DownhillError)) throw error;
    problems.push(errorParts(error));
  };

  let adapter: DoctorReport['adapter'] = null;
  let driver: Driver | null = null;
  let tests: readonly SelfTestResult[] = [];
  try {
    driver = (await findGpu()).driver;
    const device = await requestDevice({ label: 'downhill:doctor' });
    adapter = describeAdapter(device);
    tests = await selfTest(device);
    device.destroy();
    const failed = tests.filter(({ ok }) => !ok).length;
    if (failed > 0 || tests.length === 0) {
      problems.push({
        code: 'SELF-TEST',
        message:
          tests.length === 0
            ? 'The self-test tested nothing.' // "everything works" would be a claim without a check
            : `${failed} of ${tests.length} trainings do not agree with the reference on this adapter.`,
        fix: 'Update the graphics driver; if that does not help, report it with the output of `npx downhill doctor --json`.',
      });
    }
  } catch (error) {
    note(error);
  }

  const browser = await examineBrowser(problems);
  const versions = {
    node: process.versions.node,
    downhill: versionOf('downhill') ?? null,
    webgpu: versionOf('webgpu') ?? null,
    'playwright-core': versionOf('playwright-core') ?? null,
  };
  return { adapter, driver, browser, versions, selfTest: tests, problems };
}

/** Finds the browser, starts it, and asks a page in it for an adapter. */
async function examineBrowser(problems: ErrorParts[]): Promise<BrowserReport | null> {
  try {
    await findBrowser();
  } catch (error) {
    if (error instanceof DownhillError) return null; // none is no fault
    throw error;
  }
  let launched: Awaited<ReturnType<typeof launchBrowser>>;
  try {
    launched = await launchBrowser();
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    problems.push(errorParts(error));
    return null;
  }
  const { browser, close, name, version, executablePath } = launched;
  try {
    const adapter = await within(ASK_MS, askAdapter(browser), () => {
      const message = `${name} ${version} starts, but its page tells nothing within ${ASK_MS / 1000} s.`;
      return new DownhillError('BROWSER-LOST', message, 'End what else uses the GPU, and try again.');
    });
    if (!adapter) {
      problems.push({
        code: 'NO-ADAPTER',
        message: `${name} ${version} starts, but its pages get no WebGPU adapter.`,
        fix: 'Update the browser and the graphics driver.',
      });
    }
    return { name, version, path: executablePath ?? null, adapter };
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    problems.push(errorParts(error));
    return { name, version, path: executablePath ?? null, adapter: null };
  } finally {
    await close();
  }
}

/** The adapter that a page gets, in words; null where it gets none. */
async function askAdapter(browser: Browser): Promise<string | null> {
  const page = await browser.newPage();
  // WebGPU exists in secure contexts only; a page of localhost is one, and this one needs no server.
  await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await page.goto('http://localhost/');
  return page.evaluate(async () => {
    const info = (await navigator.gpu?.requestAdapter())?.info;
    if (!info) return null;
    const words = info.description || [info.vendor, info.architecture].filter(Boolean).join(' ') || 'unnamed adapter';
    return info.isFallbackAdapter ? `${words} (CPU adapter)` : words;
  });
}
