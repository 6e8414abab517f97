/**
 * Runs a job in a page of a headless browser: dist/pages is served on the loopback address, the page trains, its events
 * come back through a function that Playwright puts into the page.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { DownhillError, type ErrorCode, type MeasuredPlan } from '../../src/index.js';
import { scratchFolder } from '../common/scratch.js';
import { packageRoot, versionOf } from '../common/versions.js';
import { launchBrowser } from '../pages/find.js';
import { serve } from '../pages/server.js';
import type { TrainConfig } from './config.js';
import type { JobFiles } from './data.js';
import type { Emit, JobCheckpoints, JobEvent, JobResult } from './events.js';
import type { JobBytes } from './node.js';
import type { PageJob, SavedPart } from './page.js';

/** A page that tells nothing for so long will not any more: its graphics process, or the browser itself, hangs. */
const SILENCE_MS = 60_000;
/** A profile or an evaluation tells nothing until it is done. */
const PHASE_MS = 600_000;

export async function runInChrome(
  config: TrainConfig,
  files: JobBytes | undefined,
  emit: Emit,
  signal: AbortSignal,
  { silenceMs = SILENCE_MS, from, goOn = false, save, plans }: JobCheckpoints & { readonly silenceMs?: number } = {},
): Promise<JobResult> {
  const pages = join(packageRoot(), 'dist/pages');
  if (!existsSync(join(pages, 'train.html'))) {
    throw new DownhillError('INTERNAL', `The pages are not built: ${pages} has no train.html.`, 'Run: npm run build');
  }
  const shared = { ...shareFiles(files, from), goOn };
  const closing: (() => unknown)[] = [];
  try {
    const server = await serve(pages, { files: shared.served });
    closing.push(() => server.close());
    const { browser, close, name, version } = await launchBrowser();
    closing.push(close);
    const versions = {
      downhill: versionOf('downhill') ?? 'unknown',
      node: process.versions.node,
      [name]: version,
      'playwright-core': versionOf('playwright-core') ?? 'unknown',
    };
    emit({ type: 'runtime', versions });
    const job = async (told: Emit) =>
      runPage(await browser.newPage(), `${server.url}train.html`, config, shared, told, signal, { save, plans });
    return await unlessSilent(silenceMs, emit, job);
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Runs `job`, and gives it up when it emits nothing for `ms`; for PHASE_MS where it said that it enters a phase. */
export function unlessSilent<T>(ms: number, emit: Emit, job: (emit: Emit) => Promise<T>): Promise<T> {
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
    const heard: Emit = (event) => {
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

async function runPage(
  page: Page,
  url: string,
  config: TrainConfig,
  shared: Shared & { readonly goOn: boolean },
  emit: Emit,
  signal: AbortSignal,
  { save, plans }: Pick<JobCheckpoints, 'save' | 'plans'>,
): Promise<JobResult> {
  const complaints = listen(page);
  let result: JobResult | undefined;
  let refused: unknown; // an error of `emit` belongs to us, not to the page that called it
  await page.exposeFunction('downhillEmit', (event: JobEvent) => {
    if (event.type === 'result') result = event.result;
    try {
      emit(event);
    } catch (error) {
      refused ??= error;
      abort();
    }
  });
  // Of nothing a page gets null, which is no plan.
  await page.exposeFunction('downhillPlan', async (key: string) => plans?.load(key));
  await page.exposeFunction('downhillKeepPlan', async (key: string, plan: MeasuredPlan) => plans?.save(key, plan));
  const pieces: Buffer[] = [];
  await page.exposeFunction('downhillSave', async (base64: string, last: SavedPart | null) => {
    pieces.push(Buffer.from(base64, 'base64'));
    if (!last) return;
    const bytes = Buffer.concat(pieces.splice(0));
    try {
      await save?.(bytes, last.kind, last.step);
    } catch (error) {
      refused ??= error;
      abort();
    }
  });
  const abort = () => void page.evaluate(() => globalThis.downhillJob?.abort()).catch(() => {});
  try {
    await page.goto(url, { timeout: 0 }); // the silence ends it
    await page.waitForFunction(() => globalThis.downhillJob !== undefined, undefined, { timeout: 0 });
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    const failure = await page.evaluate(
      ([job, files, checkpoint, goOn]) => (globalThis.downhillJob as PageJob).run(job, files, checkpoint, goOn),
      [config, shared.files, shared.checkpoint, shared.goOn] as const,
    );
    if (refused) throw refused;
    if (failure) throw new DownhillError(failure.code as ErrorCode, failure.message, failure.fix);
  } catch (error) {
    if (error instanceof DownhillError || error === refused) throw error;
    throw pageFailed(error, page, complaints);
  } finally {
    signal.removeEventListener('abort', abort);
  }
  if (!result) throw pageFailed(new Error('it gave no result'), page, complaints);
  return result;
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

/** What the page reads, by its addresses. */
interface Shared {
  /** Path in the URL to path on the disk. */
  readonly served: Readonly<Record<string, string>>;
  readonly files: JobFiles | undefined;
  readonly checkpoint: string | undefined;
}

/** Puts the bytes where the server can serve them from: a folder of their own, and nothing else of the disk. */
function shareFiles(files: JobBytes | undefined, checkpoint: Uint8Array | undefined): Shared {
  const served: Record<string, string> = {};
  let folder: string | undefined;
  const share = (name: string, bytes: Uint8Array) => {
    folder ??= scratchFolder();
    served[`/data/${name}`] = join(folder, name);
    writeFileSync(join(folder, name), bytes);
    return `/data/${name}`;
  };
  const pair = (part: string, { images, labels }: { images: Uint8Array; labels: Uint8Array }) => ({
    images: share(`${part}-images`, images),
    labels: share(`${part}-labels`, labels),
  });
  const addresses = (all: JobBytes): JobFiles =>
    'files' in all
      ? { files: all.files.map((bytes, i) => share(`file-${i}`, bytes)) }
      : { train: pair('train', all.train), ...(all.test ? { test: pair('test', all.test) } : {}) };
  return { served, files: files && addresses(files), checkpoint: checkpoint && share('checkpoint', checkpoint) };
}
