/**
 * The page's side of `--in chrome`: app/train.html loads it, chrome.ts calls it. It answers with plain JSON, because an
 * exception loses its code on the way to Node.
 */
import { DownhillError, requestDevice } from '../../src/index.js';
import type { TrainConfig } from './config.js';
import { buildData, type JobFiles } from './data.js';
import type { JobEvent, SavedKind } from './events.js';
import { runJob } from './job.js';

export interface PageFailure {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** What the page offers to Node. */
export interface PageJob {
  /**
   * Resolves after the last event has arrived; with the error where there was one of ours.
   *
   * @param checkpoint address of the one to go on from
   */
  run(config: TrainConfig, files?: JobFiles, checkpoint?: string): Promise<PageFailure | null>;
  abort(): void;
}

declare global {
  var downhillJob: PageJob | undefined;
  /** Set by Node before the page loads. */
  var downhillEmit: ((event: JobEvent) => Promise<void>) | undefined;
  /** The same; takes a file's bytes as base64, since a call carries text. */
  var downhillSave: ((base64: string, kind: SavedKind, step: number) => Promise<void>) | undefined;
}

const controller = new AbortController();

async function run(config: TrainConfig, files?: JobFiles, checkpoint?: string): Promise<PageFailure | null> {
  let sent = Promise.resolve();
  const emit = (event: JobEvent) => {
    const arrived = globalThis.downhillEmit!(event);
    sent = sent.then(() => arrived);
  };
  try {
    const data = await buildData(config, files);
    const from = checkpoint && new Uint8Array(await (await fetch(checkpoint)).arrayBuffer());
    const device = await requestDevice({ label: 'downhill:train' });
    try {
      await runJob(device, config, data, emit, controller.signal, { ...(from && { from }), save });
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

async function save(bytes: Uint8Array, kind: SavedKind, step: number): Promise<void> {
  const reader = new FileReader();
  const read = new Promise<string>((resolve, reject) => {
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
  });
  reader.readAsDataURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  const address = await read; // 'data:…;base64,…'
  await globalThis.downhillSave!(address.slice(address.indexOf(',') + 1), kind, step);
}

globalThis.downhillJob = { run, abort: () => controller.abort() };
