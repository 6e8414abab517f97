import type { Run } from '../runs/run.js';
import { setText } from '../shell/dom.js';
import { count, loss, percent } from '../shell/format.js';
import type { Figures } from './figures.js';
import type { Phase, Training } from './training.js';

/** Milestones of a run for a screen reader: its start, every tenth of it, pauses, and its end with loss and accuracy. */
export class Announcer {
  #phase: Phase = 'idle';
  #tenth = 0;

  /** @param region a live region */
  constructor(private readonly region: HTMLElement) {}

  say(text: string): void {
    setText(this.region, text);
  }

  progress({ step, loss: mean }: Figures, { totalSteps }: Training): void {
    const tenth = Math.floor((10 * step) / totalSteps);
    if (tenth === this.#tenth || tenth >= 10) return; // the end says more
    this.#tenth = tenth;
    this.say(`${tenth}0 %: step ${count(step)} of ${count(totalSteps)}, loss ${loss(mean)}`);
  }

  phase({ step, loss: mean }: Figures, { phase, totalSteps, divergence }: Training, run: Run | undefined): void {
    const before = this.#phase;
    if (phase === before) return;
    this.#phase = phase;
    const accuracy = run?.tests.at(-1)?.accuracy;
    const reached = `loss ${loss(mean)}${accuracy === undefined ? '' : `, test accuracy ${percent(accuracy)}`}`;
    if (phase === 'preparing') this.#tenth = 0;
    if (phase === 'running') {
      if (before === 'preparing') this.say(`Training started: ${count(totalSteps)} steps`);
      else this.say('Training goes on');
    } else if (phase === 'paused') this.say(`Paused at step ${count(step)}, loss ${loss(mean)}`);
    else if (phase === 'done') {
      const end = step < totalSteps ? `Stopped after ${count(step)} steps` : `Finished after ${count(step)} steps`;
      this.say(`${end}: ${reached}`);
    } else if (phase === 'diverged') this.say(`Diverged after ${count(step)} steps: ${divergence}`);
    else if (phase === 'idle' && before !== 'preparing') this.say('Reset');
  }
}
