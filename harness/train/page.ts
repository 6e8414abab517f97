/**
 * The page's side of `--in chrome`: app/train.html loads it, chrome.ts calls it.
 */
import { type PlanStore, requestDevice } from '../../src/index.js';
import { unlessAborted } from '../common/waiting.js';
import { answered } from '../pages/failure.js';
import { base64Of, PIECE } from '../pages/pieces.js';
import type { TrainConfig } from './config.js';
import { buildData, type JobFiles } from './data.js';
import type { JobEvent, SavedKind } from './events.js';
import { runJob } from './job.js';

/** What a file is. */
export interface SavedPart {
  readonly kind: SavedKind;
  readonly step: number;
}

declare global {
  /** Set by Node before the page loads. */
  var downhillEmit: ((event: JobEvent) => Promise<void>) | undefined;
  /** The same: measured plans, in Node's folder. */
  var downhillPlan: PlanStore['load'] | undefined;
  var downhillKeepPlan: PlanStore['save'] | undefined;
  /** The same; takes a file's bytes piece by piece as base64, since a call carries text. With the last comes what it is. */
  var downhillSave: ((base64: string, last: SavedPart | null) => Promise<void>) | undefined;
}

const controller = new AbortController();

/**
 * @param checkpoint address of the one to go on from
 * @param goOn where that had stopped early
 */
function run(config: TrainConfig, files?: JobFiles, checkpoint?: string, goOn = false) {
  let sent = Promise.resolve();
  const emit = (event: JobEvent) => {
    const arrived = globalThis.downhillEmit!(event);
    sent = sent.then(() => arrived);
  };
  const work = async () => {
    const { signal } = controller;
    const data = await unlessAborted(signal, buildData(config, files));
    const from = checkpoint && new Uint8Array(await (await fetch(checkpoint)).arrayBuffer());
    const device = await requestDevice({ label: 'downhill:train' });
    try {
      const plans = { load: globalThis.downhillPlan!, save: globalThis.downhillKeepPlan! };
      await runJob(device, config, data, emit, signal, { ...(from && { from }), goOn, save, plans });
      return null;
    } finally {
      device.destroy();
    }
  };
  return answered(work, () => sent);
}

async function save(bytes: Uint8Array, kind: SavedKind, step: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    const piece = await base64Of(bytes.subarray(at, at + PIECE));
    await globalThis.downhillSave!(piece, at + PIECE >= bytes.length ? { kind, step } : null);
  }
}

globalThis.downhillJob = { run, abort: () => controller.abort() };
