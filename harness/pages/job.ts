/**
 * What a page of dist/pages is asked to do in a headless browser: it is served on the loopback address, does its work, and
 * tells of it through functions that Playwright puts into the page.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { DownhillError, type ErrorCode } from '../../src/index.js';
import { packageRoot, versionOf } from '../common/versions.js';
import { unlessAborted, within } from '../common/waiting.js';
import type { PageFailure, PageWork } from './failure.js';
import { connectBrowser, launchBrowser } from './find.js';
import { serve } from './server.js';

/** A page that tells nothing for so long will not any more: its graphics process, or the browser itself, hangs. */
export const SILENCE_MS = 60_000;
/** A phase, as a profile or an evaluation, tells nothing until it is done. */
const PHASE_MS = 600_000;

export interface OpenPage {
  readonly page: Page;
  readonly url: string;
  /** Of what runs the job, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Opens a built page in a browser of its own for as long as `work` takes.
 *
 * @param files what it reads: path in the URL to path on the disk
 * @param signal ends it where it is not open yet
 * @throws DownhillError NO-BROWSER, BROWSER-LOST; INTERNAL where the pages are not built; the signal's reason
 */
export async function withPage<R>(
  name: string,
  files: Readonly<Record<string, string>>,
  signal: AbortSignal,
  work: (open: OpenPage) => Promise<R>,
): Promise<R> {
  const { close, ...open } = await openPage(name, files, { signal });
  try {
    return await work(open);
  } finally {
    await close();
  }
}

/**
 * The same for as long as it is not closed.
 *
 * @param options.connect address of a browser that Playwright serves elsewhere, in place of one here
 */
export async function openPage(
  name: string,
  files: Readonly<Record<string, string>>,
  { connect, signal }: { readonly connect?: string | undefined; readonly signal?: AbortSignal },
): Promise<OpenPage & { close(): Promise<void> }> {
  const pages = join(packageRoot(), 'dist/pages');
  if (!existsSync(join(pages, name))) {
    throw new DownhillError('INTERNAL', `The pages are not built: ${pages} has no ${name}.`, 'Run: npm run build');
  }
  const closing: (() => unknown)[] = [];
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    const server = await serve(pages, { files });
    closing.push(() => server.close());
    const launched = await (connect ? connectBrowser(connect, new URL(server.url).host) : launchBrowser({ signal }));
    closing.push(launched.close);
    const versions = {
      downhill: versionOf('downhill') ?? 'unknown',
      node: process.versions.node,
      [launched.name]: launched.version,
      'playwright-core': versionOf('playwright-core') ?? 'unknown',
    };
    const page = await unlessAborted(
      signal,
      within(SILENCE_MS, launched.browser.newPage(), () => lost(SILENCE_MS)),
    );
    return { page, url: server.url + name, versions, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs `job`, and gives it up when it emits nothing for `ms`; for PHASE_MS where it said that it enters a phase. */
export function unlessSilent<T, E extends { readonly type: string }>(
  ms: number,
  emit: (event: E) => void,
  job: (emit: (event: E) => void) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (settle: () => void) => {
      over = true; // what comes now comes too late
      clearTimeout(timer);
      settle();
    };
    const wait = (silence: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => end(() => reject(lost(silence))), silence);
    };
    const heard = (event: E) => {
      if (over) return;
      wait(event.type === 'phase' ? Math.max(ms, PHASE_MS) : ms);
      emit(event);
    };
    wait(ms);
    job(heard).then(
      (result) => end(() => resolve(result)),
      (error) => end(() => reject(error)),
    );
  });
}

const lost = (ms: number) =>
  new DownhillError(
    'BROWSER-LOST',
    `The browser told nothing for ${ms / 1000} s: its page or its graphics process hangs.`,
    'Start again; where a step takes so long, use a smaller --batch or --in node.',
  );

export interface PageCall {
  /** What the page finds under these names. An error of one of `told` is ours: it ends the job, and is thrown here. */
  readonly told: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** The same, but an error is the page's to meet. */
  readonly asked?: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Of its `run`. */
  readonly args: readonly unknown[];
  readonly signal: AbortSignal;
}

/**
 * Lets the page's `downhillJob` run; the signal aborts it.
 *
 * @returns what it answered, which is no failure
 * @throws DownhillError the page's; BROWSER-LOST, INTERNAL where it ended in another way; the signal's reason where the page had
 *   nothing to answer by then
 */
export async function callPage<R>(page: Page, url: string, { told, asked = {}, args, signal }: PageCall): Promise<R> {
  const complaints = listen(page);
  let refused: unknown;
  const abort = () => void page.evaluate(() => globalThis.downhillJob?.abort()).catch(() => {});
  for (const [name, own] of Object.entries(asked))
    await page.exposeFunction(name, own as (...args: unknown[]) => unknown);
  for (const [name, own] of Object.entries(told)) {
    await page.exposeFunction(name, async (...given: unknown[]) => {
      try {
        await (own as (...args: unknown[]) => unknown)(...given);
      } catch (error) {
        refused ??= error;
        abort();
      }
    });
  }
  try {
    const load = async () => {
      await page.goto(url, { timeout: 0 }); // the silence ends it
      await page.waitForFunction(() => globalThis.downhillJob !== undefined, undefined, { timeout: 0 });
    };
    await unlessAborted(signal, load());
    signal.addEventListener('abort', abort);
    const answer = await page.evaluate(
      (given) => (globalThis.downhillJob as PageWork<R>).run(...(given as never[])),
      args as unknown[],
    );
    if (refused) throw refused;
    if (!answer || !Object.hasOwn(answer, 'failure')) return answer as R;
    const { code, message, fix } = (answer as { failure: PageFailure }).failure;
    throw new DownhillError(code as ErrorCode, message, fix);
  } catch (error) {
    if (error instanceof DownhillError || error === refused) throw error;
    if (signal.aborted) throw signal.reason; // broken off, or given up
    throw pageFailed(error, page, complaints);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What the page complains about, for the message when it fails. */
interface Complaints {
  readonly errors: Set<string>;
  crashed: boolean;
}

function listen(page: Page): Complaints {
  const complaints: Complaints = { errors: new Set(), crashed: false };
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.errors.add(message.text());
  });
  page.on('pageerror', (error) => complaints.errors.add(error.message));
  page.on('crash', () => {
    complaints.crashed = true;
  });
  return complaints;
}

/** The page ended in another way than by an error of ours: a crash, a closed browser, or a bug. */
function pageFailed(cause: unknown, page: Page, { errors, crashed }: Complaints): DownhillError {
  const message = cause instanceof Error ? cause.message.split('\n')[0]!.trim() : String(cause);
  const gone = crashed || page.isClosed() || /crashed|has been closed/i.test(message);
  const said = [...errors, ...(gone ? [] : [message])].join('; ').slice(0, 600);
  if (!gone) return new DownhillError('INTERNAL', `The page failed: ${said}.`, 'Report this with the message.', cause);
  const what = crashed ? 'The page crashed' : 'The browser closed';
  return new DownhillError(
    'BROWSER-LOST',
    `${what} before the training was done${said && `, after: ${said}`}.`,
    'Start again; where memory is short, use a smaller --batch or --in node.',
    cause,
  );
}
