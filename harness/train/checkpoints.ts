/** The checkpoints of a run: kept in its folder, and found there again. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DownhillError } from '../../src/index.js';
import { type CheckpointStore, type FoundCheckpoint, folderStore, readPlainText } from '../../src/node/index.js';
import type { TrainConfig } from './config.js';
import type { Emit, JobResult } from './events.js';
import type { TrainCommand } from './options.js';
import { CHECKPOINTS } from './run-folder.js';

/** Saves checkpoints; what cannot be saved is told, and the training goes on. */
export class RunCheckpoints {
  #store: CheckpointStore | undefined;
  #busy: Promise<unknown> = Promise.resolve();

  /** @param folder of the run */
  constructor(
    readonly folder: string,
    readonly keep: number | undefined,
    readonly emit: Emit,
    readonly problem: (error: DownhillError) => void,
  ) {}

  /** The newest one that is whole, and damaged ones that were passed over. */
  async latest(): Promise<FoundCheckpoint | undefined> {
    return (await this.#open()).latest();
  }

  /** @returns the file's name; undefined where it could not be saved */
  save(bytes: Uint8Array, step: number): Promise<string | undefined> {
    const saving = this.#save(bytes, step);
    this.#busy = saving.catch(() => {});
    return saving;
  }

  async #save(bytes: Uint8Array, step: number): Promise<string | undefined> {
    const { saved, name, problem } = await this.#trying(async () => (await this.#open()).save(bytes, { step }));
    if (problem) this.problem(problem);
    if (saved) this.emit({ type: 'saved', step, file: join(CHECKPOINTS, name) });
    return saved ? name : undefined;
  }

  /** A folder that cannot be made, on a full disk, is no reason to end a training either. */
  async #trying(save: () => ReturnType<CheckpointStore['save']>) {
    try {
      return await save();
    } catch (error) {
      const { code } = error as DownhillError;
      if (code !== 'STORE-UNWRITABLE' && code !== 'STORE-UNREADABLE') throw error;
      return { saved: false, name: '', problem: error as DownhillError };
    }
  }

  /** Made when the first checkpoint is there: a run that is refused leaves no folder. */
  async #open(): Promise<CheckpointStore> {
    const { keep } = this;
    this.#store ??= await folderStore(join(this.folder, CHECKPOINTS), keep === undefined ? {} : { keep });
    return this.#store;
  }

  /** Resolves when nothing is being saved. */
  async idle(): Promise<void> {
    await this.#busy;
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }
}

/** What a command trains: what its flags say, or the run that it goes on with. @throws DownhillError as {@link readRun} */
export function configOf({ config, resume }: TrainCommand): TrainConfig {
  if (!resume) return config;
  const { run, steps } = readRun(resume.folder);
  const { changes } = resume;
  if (changes.steps === undefined && changes.epochs === undefined) return { ...run, ...changes };
  // One of the two says how long, and a new one stands for either. What was trained is trained: the schedule stays.
  const { steps: _, epochs: __, schedule, ...rest } = run;
  return { ...rest, ...(schedule && { schedule: { runSteps: steps, ...schedule } }), ...changes };
}

/** A run in a folder. */
export interface KeptRun {
  readonly run: TrainConfig;
  /** That it was to have. */
  readonly steps: number;
  /** There where it ended and all of its files are written. */
  readonly result?: Pick<JobResult, 'step' | 'stopped'>;
}

/**
 * The configuration of the run in a folder, and what it came to.
 *
 * @throws DownhillError DATA-NOT-FOUND where there is none, DATA-FORMAT where it is damaged
 */
export function readRun(folder: string): KeptRun {
  const file = join(resolve(folder), 'config.json');
  if (!existsSync(file)) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `There is no run in ${folder}: it has no config.json.`,
      'Name the folder of a run, as train says it at the end: runs/…',
    );
  }
  try {
    const kept = JSON.parse(readPlainText(file)) as (Partial<KeptRun> & { config?: TrainConfig }) | null;
    const { config, steps = 0, result } = kept ?? {};
    const whole = [config?.data, config?.model, config?.optimizer, config?.model?.sizes, config?.optimizer?.hyper];
    if (whole.every((part) => typeof part === 'object' && part !== null) && steps > 0)
      return { run: config!, steps, ...(result && { result }) };
    throw new Error('it does not say what was trained, on which data, for how long');
  } catch (cause) {
    throw new DownhillError(
      'DATA-FORMAT',
      `${file} is not the configuration of a run: ${(cause as Error).message}.`,
      'Train anew, with --out naming another folder.',
      cause,
    );
  }
}
