import type { TrainConfig } from '../../harness/train/config.js';
import type { Evaluation } from '../../src/index.js';
import type { Texts } from '../experiment/settings.js';
import type { ViewName } from '../shell/view-names.js';
import { LIMIT, LossHistory, lastOf } from './history.js';

/** Bytes of weights that are kept with a run in the browser's store; of larger ones those of the latest run stay in memory. */
export const MOST_WEIGHTS = 16 * 2 ** 20;

/** What a run is, from its start on: whatever stands in the form later, this stays. */
export interface About {
  readonly view: ViewName;
  /** Short: 'Adam', 'Adam, lr 0.01'. */
  readonly name: string;
  /** One line: rule, its settings, network, data, seed, adapter. */
  readonly caption: string;
  /** Every setting of it, as the form had it. */
  readonly settings: Texts;
  /** The link that opens these settings. */
  readonly link: string;
  /** The command line's configuration of it; absent where no command does the same. */
  readonly config?: TrainConfig;
  readonly adapter: string;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
}

export type RunStatus = 'running' | 'paused' | 'done' | 'stopped' | 'diverged' | 'failed';

/** The loss and accuracy on the test data of a run's parameters after `step` steps. */
export interface Tested extends Pick<Evaluation, 'step' | 'loss' | 'accuracy'> {
  readonly seconds: number;
}

/** A change of a setting while the run went on. */
export interface Mark {
  readonly step: number;
  readonly text: string;
}

/** One run with what it measured; it is added to the shelf as soon as it starts. */
export class Run {
  readonly id: string;
  readonly started: string;
  status: RunStatus = 'running';
  /** Seconds of training so far, without pauses and tests. */
  seconds = 0;
  /** Steps done. */
  step = 0;
  readonly history: LossHistory;
  readonly tests: Tested[] = [];
  /** The same on the part that is held out, where there is one. */
  readonly validations: Tested[] = [];
  readonly marks: Mark[] = [];
  /** What a person calls it. */
  name: string;
  /** It does not make room for newer ones. */
  pinned = false;
  /** Its line is in the chart of runs. */
  shown = false;
  /** Which of the eight looks its line has. */
  look = 0;
  /** The network as the run ended with it, as safetensors; absent before, and where nobody kept it. */
  weights?: Blob;

  constructor(
    readonly about: About,
    {
      id = crypto.randomUUID() as string,
      started = new Date().toISOString(),
      history = new LossHistory(lastOf(about.stepsPerEpoch)),
    }: Partial<Pick<Run, 'id' | 'started' | 'history'>> = {},
  ) {
    this.id = id;
    this.started = started;
    this.history = history;
    this.name = about.name;
  }

  /** Whether it may still grow. */
  get going(): boolean {
    return this.status === 'running' || this.status === 'paused';
  }

  push(step: number, loss: number, seconds = this.seconds): void {
    this.step = step;
    this.seconds = seconds;
    delete this.weights; // kept at a pause: those of an earlier step
    this.history.push(step, loss, seconds);
  }

  test(tested: Tested): void {
    append(this.tests, tested);
  }

  validate(tested: Tested): void {
    append(this.validations, tested);
  }

  mark(step: number, text: string): void {
    append(this.marks, { step, text });
  }
}

/** However long a run goes, it holds no more than can be drawn: every second goes where there are too many. */
function append<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length <= LIMIT) return;
  const kept = list.filter((_, i) => i % 2 === 0 || i === list.length - 1);
  list.splice(0, list.length, ...kept);
}
