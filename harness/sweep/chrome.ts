/** Jobs of a sweep in a page of a headless browser: it trains, its results and checkpoints come back as they do in Node. */
import { DownhillError } from '../../src/index.js';
import { errorParts, type Io } from '../common/io.js';
import type { PageFailure } from '../pages/failure.js';
import { callPage, openPage } from '../pages/job.js';
import { PIECE } from '../pages/pieces.js';
import { configOf } from '../search/spec.js';
import { shareFiles } from '../train/chrome.js';
import { filesOf } from '../train/command.js';
import type { TrainConfig } from '../train/config.js';
import { JobDataCache, type PackHost, type Prepared } from './host.js';
import type { KeptState, PackEvent, PagePack } from './page.js';
import type { PackJob } from './spec.js';

type Browser = Awaited<ReturnType<typeof openPage>> & { readonly files: ReturnType<typeof shareFiles>['files'] };
type Options = Parameters<PackHost['run']>[1];

/** Keeps its browser from job to job; each job has a page, and so a device, of its own. */
class ChromeHost implements PackHost {
  readonly #data: JobDataCache;
  #open: { readonly data: string; readonly browser: Browser } | undefined;
  #adapter: string | undefined;

  constructor(
    readonly io: Io,
    readonly connect: string | undefined,
    readonly onReady: (adapter: string) => void,
  ) {
    this.#data = new JobDataCache(io);
  }

  async run(job: PackJob, options: Options): Promise<void> {
    const { signal } = options;
    const prepared = await this.#data.of(job, signal);
    const { page: first, url, files } = await this.#browser(prepared, signal);
    const page = await first.context().browser()!.newPage();
    try {
      const work = packOf(job, prepared, options);
      await callPage<null>(page, url, { signal, args: [work, files], ...this.#calls(options) });
      signal.throwIfAborted();
    } finally {
      await page.close().catch(() => {}); // of a browser that is gone
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.browser.close();
  }

  /** The browser that serves the data of this job. */
  async #browser({ config }: Prepared, signal: AbortSignal): Promise<Browser> {
    const data = JSON.stringify(config.data);
    if (this.#open?.data !== data || !this.#open.browser.page.context().browser()?.isConnected()) {
      await this.close();
      const { served, files } = shareFiles(await filesOf(config.data, { io: this.io, json: true, signal }));
      this.#open = {
        data,
        browser: { ...(await openPage('sweep.html', served, { connect: this.connect, signal })), files },
      };
    }
    return this.#open.browser;
  }

  #calls({ tasks, seeds, onState, onLoss, onOutcome }: Options) {
    const taskOf = (trial: number) => tasks.find(({ task }) => task.trial === trial)!.task;
    const pieces: Buffer[] = [];
    const told = {
      downhillPack: async (event: PackEvent) => {
        if (event.type === 'loss') onLoss?.(taskOf(event.trial), event.seed, event.step, event.loss);
        else if (event.type === 'outcome') await onOutcome(taskOf(event.trial), event.outcome);
        else if (this.#adapter !== event.adapter) {
          this.#adapter = event.adapter;
          this.onReady(event.adapter);
        }
      },
      downhillKeep: async (base64: string, last: KeptState | null) => {
        pieces.push(Buffer.from(base64, 'base64'));
        if (!last) return;
        const bytes = Buffer.concat(pieces.splice(0));
        const task = taskOf(last.trial);
        await onState?.(task, last.seed, { step: last.step, bytes, params: task.params });
      },
    };
    const asked = {
      downhillKept: async (trial: number, seed: number, piece: number) => {
        const { states = [] } = tasks.find(({ task }) => task.trial === trial)!;
        const bytes = states[seeds.indexOf(seed)]!.subarray(piece * PIECE, (piece + 1) * PIECE);
        return Buffer.from(bytes).toString('base64');
      },
    };
    return { told, asked };
  }
}

/** What the page is sent: it reads no flags, so every task has its configuration with it. */
function packOf(
  { train, metric, seeds, every }: PackJob,
  prepared: Prepared,
  { tasks, everyMs = 0 }: Options,
): PagePack {
  const { config, open, steps } = prepared;
  const own = (params: Parameters<typeof configOf>[1]): TrainConfig | PageFailure => {
    try {
      return configOf(train, params, prepared);
    } catch (error) {
      if (error instanceof DownhillError) return errorParts(error);
      throw error;
    }
  };
  const pageTasks = tasks.map(({ task, states = [] }) => ({
    task,
    config: own(task.params),
    kept: seeds.filter((_, i) => states[i] !== undefined),
  }));
  return { config, open, metric, steps, seeds, every, everyMs, tasks: pageTasks };
}

/** @param connect address of a browser elsewhere @param onReady told of the adapter when the first page has one */
export const chromeHost = (io: Io, connect: string | undefined, onReady: (adapter: string) => void): PackHost =>
  new ChromeHost(io, connect, onReady);
