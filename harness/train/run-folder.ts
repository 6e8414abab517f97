/**
 * What a run leaves behind: config.json, metrics.jsonl and loss.svg in a folder of its own; with --profile also
 * profile.json and trace.json.
 */
import { appendFileSync, existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DownhillError, rules } from '../../src/index.js';
import { count, lossText, percent, plural } from '../common/format.js';
import { lockFolder } from '../common/lock.js';
import { outputError } from '../common/output.js';
import { lossSvg } from './chart.js';
import type { TrainConfig } from './config.js';
import { divergence } from './divergence.js';
import type { JobEvent, JobResult } from './events.js';
import { traceOf } from './trace.js';

/**
 * The folder is made and tried before any GPU work. Steps are appended as they come, so that a run which breaks off keeps
 * what it reached.
 */
export class RunFolder {
  readonly #path: string;
  /** The first folder made, with those in it; undefined when all were there. */
  readonly #made: string | undefined;
  /** Lets other runs write here. */
  readonly #unlock: () => void;
  readonly #losses: number[] = [];
  readonly #start = new Date();
  #versions: Readonly<Record<string, string>> = {};
  #adapter: object = {};
  #adapterName = '';
  #plan: object | undefined;

  /**
   * @param path As given, for messages.
   * @throws DownhillError OUTPUT-UNWRITABLE when files cannot be written there, another run writes there, or a run
   *   is there and `force` is not set.
   */
  constructor(
    readonly path: string,
    readonly config: TrainConfig,
    force = false,
  ) {
    this.#path = resolve(path);
    this.#made = this.#try(() => mkdirSync(this.#path, { recursive: true }));
    this.#unlock = this.#try(() => lockFolder(this.#path, path));
    if (!force && ['config.json', 'metrics.jsonl'].some((file) => existsSync(join(this.#path, file)))) {
      this.#unlock();
      throw new DownhillError(
        'OUTPUT-UNWRITABLE',
        `The folder ${path} has a run in it already.`,
        'Name another folder, or add --force.',
      );
    }
  }

  event(event: JobEvent): void {
    if (event.type === 'runtime') this.#versions = event.versions;
    else if (event.type === 'adapter') {
      this.#adapter = event.adapter;
      this.#adapterName = event.adapter.name;
    } else if (event.type === 'plan') {
      const { type: _, ...plan } = event;
      this.#plan = plan;
      // Of a run that --force overwrites.
      for (const file of ['loss.svg', 'profile.json', 'trace.json'])
        this.#try(() => rmSync(join(this.#path, file), { force: true }));
      this.#write('metrics.jsonl', '');
      this.#writeConfig();
    } else if (event.type === 'steps') {
      // No times: two runs of the same seed must leave the same bytes.
      const lines = event.steps.map(({ step, epoch, loss, lr }) => `${JSON.stringify({ step, epoch, loss, lr })}\n`);
      this.#try(() => appendFileSync(join(this.#path, 'metrics.jsonl'), lines.join('')));
      for (const { loss } of event.steps) this.#losses.push(loss);
    } else if (event.type === 'profile') {
      this.#write('profile.json', `${JSON.stringify(event.profile, null, 2)}\n`);
      this.#write('trace.json', `${JSON.stringify(traceOf(event.profile, this.#adapterName))}\n`);
    }
  }

  /** @returns in words how the training diverged; undefined where it did not */
  finish(result: JobResult): string | undefined {
    const { step, loss: testLoss, accuracy: testAccuracy } = result;
    const line = JSON.stringify({ step, testLoss, testAccuracy });
    this.#try(() => appendFileSync(join(this.#path, 'metrics.jsonl'), `${line}\n`));
    this.#writeConfig(result);
    const verdict = testAccuracy === undefined ? '' : `test accuracy ${percent(testAccuracy)}, `;
    this.#chart(`${verdict}test loss ${lossText(testLoss)} after ${plural(step, 'step')}`);
    this.#unlock();
    return divergence(this.#losses, this.config.batchSize ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Ends a run that broke off: draws what there is, or takes an empty folder away again. Never throws: there is an error
   * already, and it is the one to report.
   *
   * @returns whether the run's files are there
   */
  abandon(): boolean {
    try {
      this.#unlock();
      if (this.#plan) this.#chart(`broke off after ${plural(this.#losses.length, 'step')}`);
      else this.#removeEmpty();
      return this.#plan !== undefined;
    } catch {
      return false; // a full disk, or somebody put something into the folder meanwhile
    }
  }

  #removeEmpty(): void {
    if (this.#made === undefined) return;
    for (let folder = this.#path; folder.startsWith(this.#made); folder = dirname(folder)) rmdirSync(folder);
  }

  #chart(outcome: string): void {
    const { model, optimizer, batchSize, schedule } = this.config;
    const name = Object.entries(rules).find(([key]) => key === optimizer.name)?.[1].row.title ?? optimizer.name;
    const title = `${name}, ${model.sizes.join('-')} ${model.activation}`;
    const batch = batchSize === undefined ? 'full batch' : `batch ${count(batchSize)}`;
    const lr = [`lr ${optimizer.hyper.lr}`, schedule?.name, schedule?.warmup && `warm-up ${count(schedule.warmup)}`];
    const subtitle = `${outcome}\n${[batch, ...lr].filter(Boolean).join(', ')}, on ${this.#adapterName}`;
    this.#write('loss.svg', lossSvg({ title, subtitle, losses: this.#losses }));
  }

  #writeConfig(result?: JobResult): void {
    const started = this.#start.toISOString();
    const { config } = this;
    const all = { config, adapter: this.#adapter, ...this.#plan, versions: this.#versions, started, result };
    this.#write('config.json', `${JSON.stringify(all, null, 2)}\n`);
  }

  #write(file: string, text: string): void {
    this.#try(() => writeFileSync(join(this.#path, file), text));
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      if (cause instanceof DownhillError) throw cause;
      throw outputError(this.path, cause, this.#plan ? 'it is no longer there' : undefined);
    }
  }
}
