import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { type Served, serve } from '../../harness/pages/server.js';
import { builtPages } from './built-pages.js';

/*
 * The page, as a person uses it: built, served with the runner's strict headers, and driven through its controls in a real
 * browser. `const { open } = pages()` at the top of a test file; then in a test
 *
 *     const { page, textOf, complaints } = await open(SMALL);
 */

/** A run of seconds, even on a CPU adapter. */
export const SMALL = { hidden: '32', samples: '1250', epochs: '6', batch: '50', 'optimizer.lr': '0.003' };
/** One that does not end while a test looks at it. */
export const LONG = { ...SMALL, epochs: '100000' };

export interface OpenOptions extends BrowserContextOptions {
  /** Done before the page loads: scripts that change what the browser offers. */
  readonly before?: (page: Page) => Promise<unknown>;
  /** Which page, such as 'bench.html'. */
  readonly path?: string;
}

/** A page that was opened, with what tests ask of it most. */
export class OpenPage {
  /** Everything the browser complained about: a refused script or style, an uncaught error. */
  readonly complaints: string[] = [];

  constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
  }

  textOf = async (id: string): Promise<string> => (await this.page.textContent(`#${id}`)) ?? '';

  /** The first number in an element: '1,200 / 2,400' is 1200. */
  numberOf = async (id: string): Promise<number> => Number.parseFloat((await this.textOf(id)).replaceAll(',', ''));

  /** Waits for a phase of the Train view; in vain, it says what the page says instead. */
  phase = async (name: string): Promise<void> => {
    try {
      await this.page.waitForSelector(`#status[data-phase="${name}"]`, { timeout: 120_000 });
    } catch (error) {
      const said = await Promise.all(['status', 'step', 'start-note', 'problem'].map(this.textOf));
      throw new Error(`No phase '${name}': ${JSON.stringify({ said, complaints: this.complaints })}`, { cause: error });
    }
  };

  /** Waits until an element's number is no less than `value`. */
  atLeast = (id: string, value: number) =>
    this.page.waitForFunction(
      ([element, least]) =>
        Number.parseFloat(document.getElementById(element)!.textContent!.replaceAll(',', '')) >= least,
      [id, value] as const,
      { timeout: 120_000 },
    );

  /** Waits until an element's text is this. */
  says = (id: string, text: string) =>
    this.page.waitForFunction(
      ([element, wanted]) => document.getElementById(element)!.textContent === wanted,
      [id, text] as const,
      { timeout: 120_000 },
    );

  /** Presses Start, and waits until it trains. */
  start = async (): Promise<void> => {
    await this.#pressStart();
    await this.phase('running');
  };

  /** Not by way of 'running': a fast GPU is through with a small run before anyone looks. */
  runToEnd = async (): Promise<void> => {
    await this.#pressStart();
    await this.phase('done');
  };

  #pressStart = async (): Promise<void> => {
    await this.page.click('#primary:not(:disabled):not([aria-disabled="true"])');
  };
}

/** Registers what a test file needs to open pages: one build, one server, one browser; a test's pages end with it. */
export function pages() {
  let site: Served;
  let browser: Browser;
  const opened: OpenPage[] = [];

  beforeAll(async () => {
    site = await serve(await builtPages());
    ({ browser } = await launchBrowser());
  });

  afterEach(async () => {
    for (const { page } of opened.splice(0)) await page.context().close();
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  return {
    /** @param settings of the link, or the link's part from '#' on */
    async open(settings: Readonly<Record<string, string>> | string, options: OpenOptions = {}): Promise<OpenPage> {
      const { before, path = '', ...context } = options;
      const fresh = new OpenPage(await (await browser.newContext(context)).newPage());
      opened.push(fresh);
      await before?.(fresh.page);
      const hash = typeof settings === 'string' ? settings : `#${new URLSearchParams(settings)}`;
      await fresh.page.goto(`${site.url}${path}${hash}`);
      return fresh;
    },
    get url() {
      return site.url;
    },
  };
}

/** For `before`: a browser without WebGPU. */
export const withoutGpu = (page: Page) =>
  page.addInitScript(() => void Reflect.deleteProperty(Navigator.prototype, 'gpu'));

/** For `before`: `loseDevice(page)` then loses the device that the page asked for last. */
export const losable = (page: Page) =>
  page.addInitScript(() => {
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...args) {
      const device = await request.apply(this, args);
      Object.assign(window, { loseDevice: () => device.destroy() });
      return device;
    };
  });

export const loseDevice = (page: Page) =>
  page.evaluate(() => (window as unknown as { loseDevice(): void }).loseDevice());
