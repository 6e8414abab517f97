/** What `downhill train` says: as text for people, or as JSON lines for programs. */
import type { Profile, StepReport, Stopped, ValidationReport } from '../../src/index.js';
import { flagOf } from '../common/flag-names.js';
import { count, duration, lossText, percent, plural, rateText } from '../common/format.js';
import { type ErrorParts, type Io, painter } from '../common/io.js';
import { COMMAND_RULES } from '../common/settings.js';
import { labelled, wrap } from '../common/table.js';
import { type DataConfig, placeOf, showHyper, type TrainConfig } from './config.js';
import type { JobEvent, JobResult } from './events.js';
import { profileLines } from './profile-table.js';
import { TrainProgress } from './progress.js';
import { saidEvery, validationLine, validationText } from './validation.js';

/** Why a training ended before its time. */
const WHY: Readonly<Record<Stopped['reason'], string>> = {
  'early-stopping': 'early',
  gradient: 'at a gradient as small as was asked for',
  flat: 'where steps no longer change the loss in float32',
  linesearch: 'where no step lowers the loss, with the weights as they were',
  nonfinite: 'at once: the loss or its gradient is not finite',
};

export interface Reporter {
  /** Of the run; the data may still decide on some of it. */
  config: TrainConfig;
  event(event: JobEvent): void;
  /** The first Ctrl+C. */
  stopping(): void;
  /** `folder`: where all files are there. `diverged`: in words how, where it did. */
  done(result: JobResult, folder: string | undefined, diverged?: string): void;
  /** Before an error is printed; `folder` where something was saved. */
  failed(error: ErrorParts | undefined, folder: string | undefined): void;
}

export const RUN_FILES = 'config.json, metrics.jsonl, loss.svg';
export const SAVED_FILES = 'model.safetensors, checkpoints';
export const PROFILE_FILES = 'profile.json, trace.json (opens in ui.perfetto.dev)';

/** A name and its value stay in one line. */
const unbroken = (item: string): string => item.replaceAll(' ', '\u00a0');

/** What is beside network and loss. */
const additions = ({ lossOptions, penalty, augment, wrappers = [] }: TrainConfig): string[] => [
  ...wrappers.map(({ name, options }) => [name, ...Object.values(options)].join(' ')),
  ...(lossOptions ? [`label smoothing ${lossOptions.labelSmoothing}`] : []),
  ...(penalty?.l1 ? [`L1 ${penalty.l1}`] : []),
  ...(penalty?.l2 ? [`L2 ${penalty.l2}`] : []),
  ...(augment?.mixup ? [`mixup ${augment.mixup.alpha}`] : []),
  ...(augment?.cutout ? [`cutout ${augment.cutout.size}`] : []),
];

/** Where the data comes from. */
const sourceText = (data: DataConfig): string =>
  data.kind === 'digits' ? 'drawn digits' : data.kind === 'named' ? data.name : (placeOf(data) ?? data.kind);

export class TextReporter implements Reporter {
  readonly #paint;
  #progress: TrainProgress | undefined;
  /** First step whose loss was not finite. */
  #broken: number | undefined;
  #profiled = false;
  #resume: (JobEvent & { type: 'resume' }) | undefined;
  /** Whether a checkpoint was saved. */
  #kept = false;
  /** Validations after steps that this divides are said. */
  #saidEvery = 1;
  /** The best one so far, where that was passed over. */
  #unsaid: ValidationReport | undefined;

  constructor(
    readonly io: Io,
    public config: TrainConfig,
  ) {
    this.#paint = painter(io.stdout);
  }

  event(event: JobEvent): void {
    if (event.type === 'adapter') {
      this.#write('');
      this.#line('adapter', event.adapter.name);
    } else if (event.type === 'plan') {
      this.#plan(event);
      this.#progress = new TrainProgress(this.io, event.steps, undefined, event.schedule !== undefined);
    } else if (event.type === 'steps') {
      this.#progress?.add(event.steps);
      this.#watch(event.steps);
      this.#validations(event.steps);
    } else if (event.type === 'profile') {
      this.#sayBest();
      this.#progress?.end();
      this.#progress = undefined;
      this.#profile(event.profile);
    } else if (event.type === 'result') {
      this.#sayBest();
      this.#progress?.end();
    } else if (event.type === 'resume') {
      this.#resume = event;
    } else if (event.type === 'saved') {
      this.#kept = true;
    } else if (event.type === 'problem') {
      this.#progress?.clear();
      this.#say(`${this.#paint('yellow', event.message)} ${event.fix}`);
    }
  }

  stopping(): void {
    this.#progress?.clear();
    this.#write('  Stopping; what was reached is saved and evaluated. Ctrl+C again quits at once.');
  }

  done(result: JobResult, folder: string | undefined, diverged?: string): void {
    const {
      accuracy,
      r2,
      rmse,
      loss,
      step,
      trainSeconds,
      stepsPerSecond,
      interrupted,
      profiled = 0,
      resumedAt = 0,
    } = result;
    const verdict = [
      ...(accuracy === undefined ? [] : [`accuracy ${this.#paint('bold', percent(accuracy))}, `]),
      ...(r2 === undefined ? [] : [`R² ${this.#paint('bold', r2.toFixed(4))}, `]),
      ...(rmse === undefined ? [] : [`RMSE ${lossText(rmse)}, `]),
    ].join('');
    this.#write('');
    this.#line('test', `${verdict}loss ${lossText(loss)}`);
    this.#outcome(result);
    const timed = plural(step - resumedAt - profiled, 'step');
    const steps = interrupted ? `stopped after ${timed}` : timed;
    const before = resumedAt > 0 ? ` (and ${count(resumedAt)} before)` : '';
    const rest = profiled > 0 ? `; and ${count(profiled)} for the profile` : '';
    this.#line('time', `${steps}${before} in ${duration(trainSeconds)}, ${rateText(stepsPerSecond)}${rest}`);
    if (folder !== undefined) this.#saved(folder, this.#kept);
    if (folder !== undefined && interrupted && this.#kept) this.#line('go on', `npx downhill train --resume ${folder}`);
    if (diverged)
      this.#write(`\n  ${this.#paint('yellow', `The training diverged: ${diverged}.`)} A smaller --lr may help.`);
    this.#write('');
  }

  failed(_error: ErrorParts | undefined, folder: string | undefined): void {
    this.#progress?.end();
    if (folder !== undefined) this.#saved(folder);
  }

  /** What validation came to: the best one, and whether it ended the run. */
  #outcome({ best, stopped }: JobResult): void {
    if (best) this.#line('best', `validation ${validationLine(best, '')}`);
    if (!stopped) return;
    const kept = stopped.best ? ', with the weights of the best' : '';
    this.#line('stopped', `${WHY[stopped.reason]}, after ${plural(stopped.step, 'step')}${kept}`);
  }

  /** What the best one was, where no line says it yet. */
  #sayBest(): void {
    if (!this.#unsaid) return;
    this.#progress?.clear();
    this.#line('validation', validationLine(this.#unsaid));
    this.#unsaid = undefined;
  }

  /** A line for each validation, or for every so many. */
  #validations(steps: readonly StepReport[]): void {
    for (const { validation } of steps) {
      if (!validation) continue;
      const said = validation.step % this.#saidEvery === 0;
      if (validation.best) this.#unsaid = said ? undefined : validation;
      if (!said) continue;
      this.#progress?.clear();
      this.#line('validation', validationLine(validation));
    }
  }

  #plan(event: JobEvent & { type: 'plan' }): void {
    const { plan, data, batchSize, steps, stepsPerEpoch, schedule } = event;
    const { config } = this;
    const { sizes, activation, norm, dropout, init, gain, loss } = config.model;
    this.#line(
      'network',
      `${sizes.join('-')}, ${count(plan.parameters)} parameters, ${plan.dispatches} dispatches per step`,
    );
    const between = [norm && `${norm} norm`, activation, dropout && `dropout ${dropout}`].filter(Boolean);
    this.#line(
      '',
      [...between, gain === undefined ? init : `${init}, gain ${gain}`, loss, ...additions(config)].join(', '),
    );
    const row = COMMAND_RULES[config.optimizer.name]?.row;
    // A switch that is off, or a choice as it always is, says nothing.
    const hyper = Object.entries(config.optimizer.hyper)
      .filter(([key, value]) => value !== false && !(typeof value === 'string' && value === row?.fields[key]?.default))
      .map(([key, value]) => {
        const name = flagOf(key, row?.fields[key]);
        return value === true ? name : `${name} ${showHyper(value)}`;
      });
    this.#line('optimizer', `${row?.title ?? config.optimizer.name}: ${hyper.map(unbroken).join(', ')}`);
    if (schedule !== undefined) this.#line('schedule', schedule.split(', ').map(unbroken).join(', '));
    const source = sourceText(config.data);
    const scale = config.scale === 'standard' ? 'standardised' : 'scaled to [0, 1]';
    const held = data.validation === undefined ? '' : `${count(data.validation)} to validate, `;
    this.#line('data', `${source}, ${count(data.train)} to train, ${held}${count(data.test)} to test, ${scale}`);
    const order = {
      shuffle: 'shuffled',
      sequential: 'in order',
      replacement: 'drawn with replacement',
      full: 'all samples',
    }[config.sampling];
    const epochs = Number((steps / stepsPerEpoch).toFixed(1));
    this.#line(
      'batches',
      `${count(batchSize)}, ${order}${config.dropLast ? ', short ones left out' : ''}; ${plural(stepsPerEpoch, 'iteration')} per epoch; ` +
        `${plural(steps, 'step')}, ${plural(epochs, 'epoch')}; seed ${config.seed}`,
    );
    if (config.validation) {
      this.#saidEvery = saidEvery(config.validation, steps, stepsPerEpoch);
      this.#line('validation', validationText(config.validation));
    }
    if (this.#resume) this.#resumed(this.#resume, event);
    this.#write('');
  }

  /** From where a run goes on. */
  #resumed(
    { step, file }: JobEvent & { type: 'resume' },
    { steps, otherForms = [] }: JobEvent & { type: 'plan' },
  ): void {
    const from =
      file === undefined
        ? 'from the beginning: there is no checkpoint yet'
        : `after step ${count(step)} of ${count(steps)}, from ${file}`;
    this.#line('goes on', from);
    if (otherForms.length > 0) {
      const passes = plural(otherForms.length, 'kernel has another form', 'kernels have another form');
      this.#line('', this.#paint('yellow', `${passes} on this adapter: not to the same bits as there`));
    }
  }

  /** Says once that the training broke, with what to do; it goes on, as was asked for. */
  #watch(steps: readonly { step: number; loss: number }[]): void {
    if (this.#broken !== undefined) return;
    this.#broken = steps.find(({ loss }) => !Number.isFinite(loss))?.step;
    if (this.#broken === undefined) return;
    this.#progress?.clear();
    this.#write(
      `  ${this.#paint('yellow', `The loss is not finite since step ${count(this.#broken)}.`)} A smaller --lr may help.`,
    );
  }

  #saved(folder: string, whole = false): void {
    this.#line('saved in', folder);
    const best = this.config.validation ? ['best.safetensors'] : [];
    const kept = whole ? [...best, SAVED_FILES] : this.#kept ? ['checkpoints'] : [];
    const files = [RUN_FILES, ...kept, ...(this.#profiled ? [PROFILE_FILES] : [])];
    this.#line('', this.#paint('gray', files.join(', ')));
  }

  #profile(profile: Profile): void {
    this.#profiled = true;
    const lines = profileLines(profile, this.#paint, this.io.stdout.columns ?? 100);
    this.#write(`\n${lines.join('\n')}`);
  }

  /** Goes on in the next line where it would leave the terminal. */
  #line(label: string, text: string): void {
    const room = Math.max(54, (this.io.stdout.columns ?? 100) - 1);
    this.#write(labelled(label.padEnd(10), text, { paint: this.#paint, room }).join('\n'));
  }

  /** Text in as many lines as it takes. */
  #say(text: string): void {
    const room = Math.max(60, (this.io.stdout.columns ?? 100) - 1);
    this.#write(
      wrap(text, room - 2)
        .map((line) => `  ${line}`)
        .join('\n'),
    );
  }

  #write(text: string): void {
    this.io.stdout.write(`${text}\n`);
  }
}

/** One JSON object per line; a step is an event of its own. Numbers that are not finite are null, as JSON has it. */
export class JsonReporter implements Reporter {
  constructor(
    readonly io: Io,
    public config: TrainConfig,
  ) {}

  event(event: JobEvent): void {
    if (event.type === 'steps') for (const step of event.steps) this.#write({ type: 'step', ...step });
    else if (event.type === 'plan') this.#write({ ...event, config: this.config });
    // The result comes with its folder; a phase is for whoever waits.
    else if (event.type !== 'result' && event.type !== 'phase') this.#write(event);
  }

  stopping(): void {
    this.#write({ type: 'stopping' });
  }

  done(result: JobResult, folder: string | undefined, diverged?: string): void {
    this.#write({ type: 'result', ...result, folder, ...(diverged && { diverged }) });
  }

  failed(error: ErrorParts | undefined, folder: string | undefined): void {
    if (error) this.#write({ type: 'error', ...error, folder });
  }

  #write(value: object): void {
    writeJson(this.io, value);
  }
}

/** One line of the output of `--json`. */
export function writeJson(io: Io, value: object): void {
  io.stdout.write(`${JSON.stringify(value)}\n`);
}
