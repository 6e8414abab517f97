/** The page's side of `sweep work --in chrome`: app/sweep.html loads it, chrome.ts calls it. */
import { DownhillError, describeAdapter, type ErrorCode, requestDevice } from '../../src/index.js';
import {
  type MemberState,
  type Outcome,
  type PackTask,
  runPack,
  type Task,
  type TrainingMetric,
} from '../../src/search/index.js';
import { answered, type PageFailure } from '../pages/failure.js';
import { base64Of, PIECE } from '../pages/pieces.js';
import { objectiveFrom } from '../search/objective.js';
import type { TrainConfig } from '../train/config.js';
import { buildData, type JobFiles, type Open } from '../train/data.js';

/** A task, with the configuration that its parameters make, or why they make none. */
export interface PageTask {
  readonly task: Task;
  readonly config: TrainConfig | PageFailure;
  /** Seeds that there is a checkpoint of. */
  readonly kept: readonly number[];
}

export interface PagePack {
  readonly config: TrainConfig;
  readonly open: Open;
  readonly metric: TrainingMetric;
  readonly steps: number;
  readonly seeds: readonly number[];
  readonly every: number;
  readonly everyMs: number;
  readonly tasks: readonly PageTask[];
}

export type PackEvent =
  | { readonly type: 'ready'; readonly adapter: string }
  | {
      readonly type: 'loss';
      readonly trial: number;
      readonly seed: number;
      readonly step: number;
      readonly loss: number;
    }
  | { readonly type: 'outcome'; readonly trial: number; readonly outcome: Outcome };

/** Which checkpoint the pieces before were of. */
export interface KeptState {
  readonly trial: number;
  readonly seed: number;
  readonly step: number;
}

declare global {
  /** Set by Node before the page loads. */
  var downhillPack: ((event: PackEvent) => Promise<void>) | undefined;
  /** The same; takes a checkpoint piece by piece as base64. */
  var downhillKeep: ((base64: string, last: KeptState | null) => Promise<void>) | undefined;
  /** The same; gives a piece of one, '' after the last. */
  var downhillKept: ((trial: number, seed: number, piece: number) => Promise<string>) | undefined;
}

/** Between two losses of a trial. */
const LOSS_MS = 250;

const controller = new AbortController();

function run(pack: PagePack, files?: JobFiles) {
  let sent = Promise.resolve();
  const tell = (event: PackEvent): Promise<void> => {
    const arrived = globalThis.downhillPack!(event);
    sent = sent.then(() => arrived);
    return arrived;
  };
  return answered(
    () => train(pack, files, tell),
    () => sent,
  );
}

async function train(pack: PagePack, files: JobFiles | undefined, tell: (event: PackEvent) => Promise<void>) {
  const { signal } = controller;
  const { config, open, metric, steps, seeds, every, everyMs } = pack;
  const data = await buildData(config, files, open);
  const configs = new Map(pack.tasks.map(({ task, config: own }) => [JSON.stringify(task.params), own]));
  const of = (params: Task['params']): TrainConfig => {
    const own = configs.get(JSON.stringify(params))!;
    if ('code' in own) throw new DownhillError(own.code as ErrorCode, own.message, own.fix);
    return own;
  };
  const tasks: PackTask[] = [];
  for (const { task, kept } of pack.tasks) {
    const states = seeds.map((seed) => (kept.includes(seed) ? load(task.trial, seed) : undefined));
    tasks.push({ task, states: await Promise.all(states) });
  }
  const device = await requestDevice({ label: 'downhill:sweep' });
  const told = new Map<number, number>();
  try {
    void tell({ type: 'ready', adapter: describeAdapter(device).name });
    await runPack(device, objectiveFrom({ config, data, metric, steps, of }), {
      ...{ tasks, seeds, every, everyMs, signal },
      onState: ({ trial }, seed, state) => save(trial, seed, state),
      onLoss: ({ trial }, seed, step, loss) => {
        if (performance.now() - (told.get(trial) ?? Number.NEGATIVE_INFINITY) < LOSS_MS) return;
        told.set(trial, performance.now());
        void tell({ type: 'loss', trial, seed, step, loss });
      },
      onOutcome: ({ trial }, outcome) => tell({ type: 'outcome', trial, outcome }),
    });
  } catch (error) {
    if (!(signal.aborted && error === signal.reason)) throw error;
  } finally {
    device.destroy();
  }
  return null;
}

async function load(trial: number, seed: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const base64 = await globalThis.downhillKept!(trial, seed, pieces.length);
    if (base64 === '') break;
    pieces.push(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
  }
  return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
}

async function save(trial: number, seed: number, { step, bytes }: MemberState): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    const last = at + PIECE >= bytes.length ? { trial, seed, step } : null;
    await globalThis.downhillKeep!(await base64Of(bytes.subarray(at, at + PIECE)), last);
  }
}

globalThis.downhillJob = { run, abort: () => controller.abort() };
