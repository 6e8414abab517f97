/**
 * The page's side of `--in chrome`: app/train.html loads it, chrome.ts calls it. It answers with plain JSON, because an
 * exception loses its code on the way to Node.
 */
import { DownhillError, type PlanStore, requestDevice } from '../../src/index.js';
import type { TrainConfig } from './config.js';
import { buildData, type JobFiles } from './data.js';
import type { JobEvent, SavedKind } from './events.js';
import { runJob } from './job.js';

export interface PageFailure {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** What a file is. */
export interface SavedPart {
  readonly kind: SavedKind;
  readonly step: number;
}

/** What the page offers to Node. */
export interface PageJob {
  /**
   * Resolves after the last event has arrived; with the error where there was one of ours.
   *
   * @param checkpoint address of the one to go on from
   * @param goOn where that had stopped early
   */
  run(config: TrainConfig, files?: JobFiles, checkpoint?: string, goOn?: boolean): Promise<PageFailure | null>;
  abort(): void;
}

declare global {
  var downhillJob: PageJob | undefined;
  /** Set by Node before the page loads. */
  var downhillEmit: ((event: JobEvent) => Promise<void>) | undefined;
  /** The same: measured plans, in Node's folder. */
  var downhillPlan: PlanStore['load'] | undefined;
  var downhillKeepPlan: PlanStore['save'] | undefined;
  /** The same; takes a file's bytes piece by piece as base64, since a call carries text. With the last comes what it is. */
  var downhillSave: ((base64: string, last: SavedPart | null) => Promise<void>) | undefined;
}

const controller = new AbortController();

async function run(
  config: TrainConfig,
  files?: JobFiles,
  checkpoint?: string,
  goOn = false,
): Promise<PageFailure | null> {
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
      const plans = { load: globalThis.downhillPlan!, save: globalThis.downhillKeepPlan! };
      await runJob(device, config, data, emit, controller.signal, { ...(from && { from }), goOn, save, plans });
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

/** Bytes of a file that go to Node in one call: no text may be as long as a large file in base64. */
const PIECE = 3 * 2 ** 22;

async function save(bytes: Uint8Array, kind: SavedKind, step: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    const piece = await base64Of(bytes.subarray(at, at + PIECE));
    await globalThis.downhillSave!(piece, at + PIECE >= bytes.length ? { kind, step } : null);
  }
}

function base64Of(bytes: Uint8Array): Promise<string> {
  const reader = new FileReader();
  const read = new Promise<string>((resolve, reject) => {
    reader.onload = () => resolve((reader.result as string).replace(/^.*?,/, '')); // 'data:…;base64,…'
    reader.onerror = () => reject(reader.error);
  });
  reader.readAsDataURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  return read;
}

globalThis.downhillJob = { run, abort: () => controller.abort() };
