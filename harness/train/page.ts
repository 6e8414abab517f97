/**
 * The page's side of `--in chrome`: app/train.html loads it, chrome.ts calls it. It answers with plain JSON, because an
 * exception loses its code on the way to Node.
 */
import { DownhillError, requestDevice } from '../../src/index.js';
import type { TrainConfig } from './config.js';
import { buildData, type JobFiles } from './data.js';
import type { JobEvent } from './events.js';
import { runJob } from './job.js';

export interface PageFailure {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** What the page offers to Node. */
export interface PageJob {
  /** Resolves after the last event has arrived; with the error where there was one of ours. */
  run(config: TrainConfig, files?: JobFiles): Promise<PageFailure | null>;
  abort(): void;
}

declare global {
  var downhillJob: PageJob | undefined;
  /** Set by Node before the page loads. */
  var downhillEmit: ((event: JobEvent) => Promise<void>) | undefined;
}

const controller = new AbortController();

async function run(config: TrainConfig, files?: JobFiles): Promise<PageFailure | null> {
  let sent = Promise.resolve();
  const emit = (event: JobEvent) => {
    const arrived = globalThis.downhillEmit!(event);
    sent = sent.then(() => arrived);
  };
  try {
    const data = await buildData(config, files);
    const device = await requestDevice({ label: 'downhill:train' });
    try {
      await runJob(device, config, data, emit, controller.signal);
    } finally {
      device.destroy();
    }
    return null;
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    const { code, message, fix } = error;
    return { code, message: message.replace(` [${code}] ${fix}`, ''), fix };
  } finally {
    await sent;
  }
}

globalThis.downhillJob = { run, abort: () => controller.abort() };
