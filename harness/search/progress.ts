/** What is said while a search goes on. */
import { methods, type SearchEvent, search, type Task, type Trial } from '../../src/search/index.js';
import { count, duration, plural, rateText } from '../common/format.js';
import type { Io } from '../common/io.js';
import { Progress } from '../common/progress.js';
import { type Metric, metricText, paramsText } from './lines.js';
import type { SearchSpec } from './spec.js';

/**
 * Steps that a search will have trained, of one seed: its method is run with values that say nothing. Exact but for 'asha', whose trials go on
 * as they come, and for trials that fail.
 */
export async function plannedSteps({ space, method, trials, seed }: SearchSpec, steps: number): Promise<number> {
  const made = methods[method.name](method.options);
  const { steps: planned } = await search('cpu', {
    ...{ space, method: made, seed, budget: { trials, steps } },
    objective: () => ({ value: 0, state: 0 }),
  });
  return planned;
}

export interface Planned {
  readonly metric: Metric;
  readonly seeds: number;
  readonly trials: number;
  /** Of one seed, of all trials. */
  readonly steps: number;
}

/** Text for people: a moving line, and a line that stays for each trial that is better than all before. */
export class SearchProgress {
  readonly #progress: Progress;
  readonly #begun = new Set<number>();
  #best: Trial | undefined;
  #done = 0;
  #trained = 0;
  #start: number;

  constructor(
    io: Io,
    readonly planned: Planned,
    readonly now: () => number = () => performance.now(),
  ) {
    this.#progress = new Progress(io.stderr, now);
    this.#start = now();
  }

  event(event: SearchEvent): void {
    if (event.type === 'begin') {
      for (const { trial, step } of event.trials) {
        this.#begun.add(trial);
        this.#done += step * this.planned.seeds;
      }
      const kept = event.trials.filter(({ step }) => step > 0).length;
      if (kept > 0) this.#progress.say(`goes on after ${plural(kept, 'trial')}`);
      for (const note of event.notes) this.#progress.say(note);
      this.#start = this.now();
    }
    if (event.type === 'tasks') this.#tasks(event.tasks);
    if (event.type === 'steps') this.#trained += event.steps;
    if (event.type === 'result') this.#result(event);
    this.#draw();
  }

  #tasks(tasks: readonly Task[]): void {
    for (const { trial } of tasks) this.#begun.add(trial);
  }

  #result({ task, best }: Extract<SearchEvent, { type: 'result' }>): void {
    this.#done += (task.to - task.from) * this.planned.seeds;
    const { metric } = this.planned;
    if (!best || (best.trial === this.#best?.trial && best.step === this.#best.step)) return;
    const better = !this.#best || best.step > this.#best.step || best.trial !== this.#best.trial;
    this.#best = best;
    if (better)
      this.#progress.say(
        `${this.#progress.paint('green', 'best so far')}  ${metric} ${metricText(metric, best.value)} after ${plural(best.step, 'step')}: trial ${best.trial}, ${paramsText(best.params)}`,
      );
  }

  #draw(): void {
    const { steps, seeds, trials, metric } = this.planned;
    const seconds = (this.now() - this.#start) / 1000;
    const rate = this.#trained / Math.max(seconds, 1e-3);
    const all = steps * seeds;
    // What was trained of tasks that are not done counts, too; but nothing twice after a resume.
    const share = Math.min(Math.max(this.#done, Math.min(this.#trained, all)) / all, 1);
    const left = rate > 0 ? ((1 - share) * all) / rate : Number.NaN;
    const best = this.#best ? [`best ${metricText(metric, this.#best.value)}`] : [];
    this.#progress.draw(
      [
        `${count(this.#begun.size)} of ${plural(trials, 'trial')}`,
        ...best,
        rateText(rate),
        ...(Number.isFinite(left) && seconds > 2 ? [`${duration(left)} left`] : []),
      ],
      share,
    );
  }

  end(): void {
    this.#progress.clear();
  }
}
