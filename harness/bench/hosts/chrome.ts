/** Cases in a page of a headless browser, here or at the far end of a Playwright connection. */
import type { Page } from 'playwright-core';
import { DownhillError } from '../../../src/index.js';
import { connectBrowser, type LaunchedBrowser, launchBrowser } from '../../pages/find.js';
import type { Served } from '../../pages/server.js';
import type { BenchConfig, CaseResult, CaseSpec, Machine } from '../contract.js';
import type { Progress } from '../measure.js';
import { type Answer, caseLimitMs, Died, type Host, unpacked } from './host.js';
import { hardware } from './machine.js';
import { serveBench } from './pages.js';

const START_MS = 60_000;
/** Lets a page collect its garbage between samples. */
const FLAGS = ['--js-flags=--expose-gc'];

export class ChromeHost implements Host {
  readonly place = 'chrome';
  /** Aborted where it is closed. */
  readonly #end = new AbortController();
  #server: Served | undefined;
  #launched: LaunchedBrowser | undefined;

  /** @param connect a `ws://` address where Playwright serves a browser; else one is started here. */
  constructor(private readonly connect?: string) {}

  async machine(): Promise<Machine> {
    const { name, version, flags } = await this.#browser(await this.#url());
    const { adapter, userAgent, cores, os } = await this.#onPage('', START_MS, (page) =>
      page.evaluate(() => globalThis.downhillBench!.machine()),
    );
    return {
      place: 'chrome',
      adapter,
      driver: null,
      browser: { name, version, flags },
      userAgent,
      ...(this.connect ? { cores, cpu: 'CPU of a remote machine', os } : hardware()),
    };
  }

  run(spec: CaseSpec, config: BenchConfig, progress: Progress): Promise<CaseResult> {
    return this.#onPage(
      '',
      caseLimitMs(config),
      (page) => page.evaluate(([a, b]) => globalThis.downhillBench!.run(a, b), [spec, config] as const),
      progress,
    );
  }

  async start(name: string, config: BenchConfig) {
    await this.#quit(); // a new browser has compiled nothing yet
    const query = `?start=${encodeURIComponent(name)}&config=${encodeURIComponent(JSON.stringify(config))}`;
    return this.#onPage(query, START_MS, async (page) => {
      const take = () => page.evaluate(() => globalThis.downhillBench!.started!);
      const first = await take();
      if (!first.value) return { error: first.error };
      await page.reload({ timeout: START_MS });
      await page.waitForFunction(() => globalThis.downhillBench !== undefined, undefined, { timeout: START_MS });
      const again = await take();
      return again.value ? { value: { first: first.value, again: again.value } } : { error: again.error };
    });
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#quit();
    await this.#server?.close();
  }

  async #quit(): Promise<void> {
    const launched = this.#launched;
    this.#launched = undefined;
    await launched?.close();
  }

  async #browser(url: string): Promise<LaunchedBrowser> {
    if (this.#launched?.browser.isConnected()) return this.#launched;
    this.#launched = this.connect
      ? await connectBrowser(this.connect, new URL(url).host)
      : await launchBrowser({ args: FLAGS, signal: this.#end.signal });
    return this.#launched;
  }

  async #url(): Promise<string> {
    this.#server ??= await serveBench();
    return `${this.#server.url}bench-case.html`;
  }

  /** Loads a fresh page, lets `work` at it, and closes it. */
  async #onPage<T>(
    query: string,
    limitMs: number,
    work: (page: Page) => Promise<Answer<T>>,
    progress: Progress = () => {},
  ): Promise<T> {
    if (this.#end.signal.aborted) throw new Died('the run was stopped', undefined);
    const url = await this.#url();
    const { browser } = await this.#browser(url).catch((error) => {
      throw this.#end.signal.aborted ? new Died('the run was stopped', undefined) : error;
    });
    let contender: string | undefined;
    let opened: Page | undefined;
    let timer: NodeJS.Timeout | undefined;
    const complaints = new Set<string>();
    try {
      let fail: (error: Died) => void = () => {};
      const die = (how: string) => () => fail(new Died(how, contender));
      const ended = new Promise<never>((_, reject) => {
        fail = reject;
      });
      browser.on('disconnected', die('the browser closed'));
      timer = setTimeout(die(`the page did not end within ${Math.round(limitMs / 1000)} s`), limitMs);
      ended.catch(() => {}); // also where nobody waits any more
      const result = (async () => {
        const page = await browser.newPage();
        opened = page;
        page.on('pageerror', (error) => complaints.add(error.message));
        page.on('crash', die('the page crashed'));
        await page.exposeFunction('downhillProgress', (share: number, name: string) => {
          contender = name;
          progress(share, name);
        });
        await page.goto(url + query, { timeout: START_MS });
        await page.waitForFunction(() => globalThis.downhillBench !== undefined, undefined, { timeout: START_MS });
        return work(page);
      })();
      result.catch(() => {});
      const answered = await Promise.race([result, ended]);
      await opened?.close().catch(() => {});
      return unpacked(answered);
    } catch (error) {
      if (error instanceof DownhillError) throw error;
      // Whatever state it is in, the next case gets another one.
      await this.#quit();
      if (error instanceof Died) throw error;
      const message = (error as Error).message.split('\n', 1)[0]!;
      if (/closed|crashed|disconnected/i.test(message)) throw new Died('the browser closed', contender);
      throw new Error([message, ...complaints].join('; ').slice(0, 400));
    } finally {
      clearTimeout(timer);
    }
  }
}
