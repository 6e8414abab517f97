/**
 * What a run leaves behind: config.json, metrics.jsonl, loss.svg and model.safetensors in a folder of its own, and
 * checkpoints in a folder of theirs; with --profile also profile.json and trace.json.
 */
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DownhillError, type StepReport, type ValidationReport } from '../../src/index.js';
import { readPlainText } from '../../src/node/index.js';
import { count, lossText, percent, plural } from '../common/format.js';
import { errorParts } from '../common/io.js';
import { OutFolder } from '../common/out-folder.js';
import { outputError } from '../common/output.js';
import { COMMAND_RULES } from '../common/settings.js';
import { isFull, writeWhole } from '../common/whole-file.js';
import { lossSvg } from './chart.js';
import type { TrainConfig } from './config.js';
import { divergence } from './divergence.js';
import type { JobEvent, JobResult } from './events.js';
import { Metrics } from './metrics.js';
import { traceOf } from './trace.js';

/** The network alone, as the run ended with it. */
export const MODEL = 'model.safetensors';
/** The same of its best validation. */
export const BEST = 'best.safetensors';
/** All that the training goes on from, by steps. */
export const CHECKPOINTS = 'checkpoints';
/** What is of ours in that folder, whole or not; of other trainings there may be more. */
const CHECKPOINT = /^(\.?step-\d+\.safetensors(\.[\da-f-]+\.tmp)?|\.downhill-lock.*)$/;
const GONE = 'it is no longer there';

/** What a run writes, by what its configuration has. */
const filesOf = ({ validation, profile }: { readonly validation?: unknown; readonly profile?: unknown }) => [
  ...['config.json', 'metrics.jsonl', 'loss.svg', MODEL, CHECKPOINTS],
  ...(validation ? [BEST] : []),
  ...(profile ? ['profile.json', 'trace.json'] : []),
];

/** The lines of a step in metrics.jsonl: its own, and that of the validation behind it. */
function metricLines({ step, epoch, loss, lr, validation }: StepReport): string[] {
  const lines: object[] = [{ step, epoch, loss, lr }];
  if (validation) {
    const { loss: validationLoss, accuracy: validationAccuracy, mse: validationMse, best } = validation;
    lines.push({ step, validationLoss, validationAccuracy, validationMse, best });
  }
  return lines.map((line) => `${JSON.stringify(line)}\n`);
}

/** What ended runs tell. */
export interface Finished {
  /** In words how the training diverged; absent where it did not. */
  readonly diverged?: string;
  /** Why files could not be written; absent where they all are there. */
  readonly unwritten?: DownhillError;
}

/**
 * The folder is made and tried before any GPU work. Steps are appended as they come, so that a run which breaks off keeps
 * what it reached.
 */
export class RunFolder {
  readonly #path: string;
  readonly #out: OutFolder;
  readonly #force: boolean;
  readonly #metrics: Metrics;
  /** Of the run's own config.json, where it goes on. */
  readonly #before: { readonly started?: string; readonly resumed?: readonly object[] } | undefined;
  #losses: number[] = [];
  #validations: ValidationReport[] = [];
  readonly #start = new Date();
  /** Steps of the checkpoint that it goes on from. */
  #resumedAt: number | undefined;
  /** Files that found no room yet, by name. */
  readonly #waiting = new Map<string, string | Uint8Array>();
  /** Nothing is drawn any more. */
  #ended = false;
  #versions: Readonly<Record<string, string>> = {};
  #adapter: object = {};
  #adapterName = '';
  #plan: object | undefined;

  /**
   * @param path As given, for messages.
   * @param mode 'force' writes over a run that is there, 'resume' goes on with it.
   * @param problem Told of what could not be written, where the run goes on without it.
   * @throws DownhillError OUTPUT-UNWRITABLE when files cannot be written there, another run writes there, or a file that
   *   the run would write is there and `mode` is 'new'.
   */
  constructor(
    readonly path: string,
    readonly config: TrainConfig,
    mode: 'new' | 'force' | 'resume' = 'new',
    readonly problem: (error: DownhillError) => void = () => {},
  ) {
    this.#path = resolve(path);
    this.#metrics = new Metrics(join(this.#path, 'metrics.jsonl'));
    if (mode === 'resume') this.#before = JSON.parse(readPlainText(join(this.#path, 'config.json')));
    this.#out = new OutFolder(path, { what: 'a run', files: filesOf(config), force: mode !== 'new' });
    this.#force = mode === 'force';
  }

  event(event: JobEvent): void {
    if (event.type === 'runtime') this.#versions = event.versions;
    else if (event.type === 'adapter') {
      this.#adapter = event.adapter;
      this.#adapterName = event.adapter.name;
    } else if (event.type === 'plan') {
      const { type: _, resumedAt, ...plan } = event;
      this.#plan = plan;
      this.#resumedAt = resumedAt;
      if (this.#force) this.#clear();
      this.#try(() => {
        if (!resumedAt) return this.#metrics.clear();
        const { losses, validations } = this.#metrics.keep(resumedAt);
        this.#losses = losses;
        this.#validations = validations;
      });
      this.#writeConfig();
    } else if (event.type === 'steps') {
      // No times: two runs of the same seed must leave the same bytes.
      const lines = event.steps.flatMap(metricLines);
      this.#append(lines.join(''));
      for (const { loss, validation } of event.steps) {
        this.#losses.push(loss);
        if (validation) this.#validations.push(validation);
      }
    } else if (event.type === 'profile') {
      this.#keep('profile.json', `${JSON.stringify(event.profile, null, 2)}\n`);
      this.#keep('trace.json', `${JSON.stringify(traceOf(event.profile, this.#adapterName))}\n`);
    }
  }

  /** Keeps the network alone, as the run ends with it. */
  model(bytes: Uint8Array, file = MODEL): void {
    this.#keep(file, bytes);
  }

  /** Where there is no room for it, `finish` tries again. */
  #keep(file: string, data: string | Uint8Array): void {
    try {
      writeWhole(join(this.#path, file), data);
      this.#waiting.delete(file);
    } catch (error) {
      if (!isFull(error)) throw outputError(this.path, error, GONE);
      this.#waiting.set(file, data);
      this.#full(error);
    }
  }

  /** Writes what the run came to. Never throws: a result that cannot be written is still to be told. */
  finish(result: JobResult): Finished {
    const { step, loss: testLoss, accuracy: testAccuracy, r2: testR2, rmse: testRmse, stopped } = result;
    const line = JSON.stringify({ step, testLoss, testAccuracy, testR2, testRmse });
    const verdict = testAccuracy === undefined ? '' : `test accuracy ${percent(testAccuracy)}, `;
    const after = `after ${plural(step, 'step')}${stopped ? ', stopped early' : ''}`;
    let unwritten: DownhillError | undefined;
    const attempt = (action: () => void) => {
      try {
        action();
      } catch (error) {
        unwritten ??= this.#unwritten(error instanceof DownhillError ? error.cause : error);
      }
    };
    attempt(() => this.#metrics.append(`${line}\n`));
    attempt(() => this.#metrics.flush()); // now it must be there
    for (const [file, data] of this.#waiting)
      attempt(() => {
        writeWhole(join(this.#path, file), data);
        this.#waiting.delete(file);
      });
    attempt(() => this.#chart(`${verdict}test loss ${lossText(testLoss)} ${after}`));
    // Last: --resume writes what is missing as long as there is no result.
    if (!unwritten) attempt(() => this.#writeConfig(result));
    this.#out.close();
    this.#ended = true;
    const diverged = divergence(this.#losses, this.config.batchSize ?? Number.POSITIVE_INFINITY);
    return { ...(diverged !== undefined && { diverged }), ...(unwritten && { unwritten }) };
  }

  /** Why what a run came to is not in its folder, and how it gets there. */
  #unwritten(cause: unknown): DownhillError {
    const error = outputError(this.path, cause, GONE);
    if (!isFull(cause)) return error;
    const { message } = errorParts(error);
    return new DownhillError(error.code, message, `Make room, then: npx downhill train --resume ${this.path}`, cause);
  }

  /**
   * Ends a run that broke off: draws what there is, or takes an empty folder away again. Never throws: there is an error
   * already, and it is the one to report.
   *
   * @returns whether the run's files are there
   */
  abandon(): boolean {
    if (this.#ended) return false;
    try {
      if (this.#plan) this.#chart(`broke off after ${plural(this.#losses.length, 'step')}`);
      return this.#plan !== undefined;
    } catch {
      return false; // a full disk
    } finally {
      this.#out.close();
    }
  }

  /** Takes away what --force overwrites: what this run writes, and all that is of the run that is there. */
  #clear(): void {
    const files = filesOf(isRun(this.#path) ? { validation: true, profile: true } : this.config);
    const [, , ...others] = files; // the first two are written now
    for (const file of others) {
      const path = join(this.#path, file);
      this.#try(() => (file === CHECKPOINTS ? removeCheckpoints(path) : rmSync(path, { force: true })));
    }
  }

  #append(lines: string): void {
    const written = this.#try(() => this.#metrics.append(lines));
    if (!written) this.#full(Object.assign(new Error('no room'), { code: 'ENOSPC' }));
  }

  #full(cause: unknown): void {
    const { code } = outputError(this.path, cause);
    const what = `The folder ${this.path} cannot be written: the disk is full. The training goes on.`;
    this.problem(new DownhillError(code, what, 'Make room; what waits is written with what comes next.', cause));
  }

  #chart(outcome: string): void {
    const { model, optimizer, batchSize, schedule } = this.config;
    const name = COMMAND_RULES[optimizer.name]?.row.title ?? optimizer.name;
    const title = `${name}, ${model.sizes.join('-')} ${model.activation}`;
    const batch = batchSize === undefined ? 'full batch' : `batch ${count(batchSize)}`;
    const lr = [`lr ${optimizer.hyper.lr}`, schedule?.name, schedule?.warmup && `warm-up ${count(schedule.warmup)}`];
    const subtitle = `${outcome}\n${[batch, ...lr].filter(Boolean).join(', ')}, on ${this.#adapterName}`;
    this.#write('loss.svg', lossSvg({ title, subtitle, losses: this.#losses, validations: this.#validations }));
  }

  #writeConfig(result?: JobResult): void {
    const now = this.#start.toISOString();
    const { started = now, resumed = [] } = this.#before ?? {};
    const { config } = this;
    const all = {
      config,
      adapter: this.#adapter,
      ...this.#plan,
      versions: this.#versions,
      started,
      ...(this.#before && { resumed: [...resumed, { at: now, step: this.#resumedAt ?? 0 }] }),
      result,
    };
    this.#write('config.json', `${JSON.stringify(all, null, 2)}\n`);
  }

  #write(file: string, text: string): void {
    this.#try(() => writeWhole(join(this.#path, file), text));
  }

  #try<T>(action: () => T): T {
    return this.#out.guard(action, GONE);
  }
}

/** Whether a run of ours is in the folder: others call their files so, too. */
function isRun(folder: string): boolean {
  try {
    return JSON.parse(readPlainText(join(folder, 'config.json'))).versions !== undefined;
  } catch {
    return false;
  }
}

function removeCheckpoints(folder: string): void {
  try {
    for (const name of readdirSync(folder)) if (CHECKPOINT.test(name)) rmSync(join(folder, name), { force: true });
    rmdirSync(folder);
  } catch (error) {
    // there is more in it, there is none, or what is there is no folder
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
  }
}
