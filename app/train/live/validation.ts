import type { Evaluation, StepReport, Trainer, ValidationReport } from '../../../src/index.js';
import { byId, setText } from '../../shell/dom.js';
import { count, loss, percent } from '../../shell/format.js';
import type { Attach, TrainView } from '../part.js';

/* The part that is held out: its figure, its curve, and what the best weights are worth. */

class Validation {
  readonly #note = byId('best-note');

  constructor(private readonly view: TrainView) {
    view.training.listen({
      began: () => this.#clear(),
      stepped: (report) => this.#stepped(report),
      rested: (trainer) => void this.#rested(trainer),
      changed: () => view.training.phase === 'idle' && this.#clear(),
    });
  }

  #clear(): void {
    const held = this.view.run?.about.settings.validation;
    const there = this.view.training.phase !== 'idle' && held !== undefined && held !== '';
    for (const id of ['validation-figure', 'key-validation']) byId(id).hidden = !there;
    setText(byId('validation-loss'), '–');
    this.#note.hidden = true;
  }

  #stepped({ validation }: StepReport): void {
    const { run, training } = this.view;
    if (!validation || !run) return;
    const { step, loss: value, accuracy } = validation;
    run.validate({ step, loss: value, accuracy, seconds: training.seconds });
    setText(byId('validation-loss'), loss(value));
  }

  /** At a pause, and at the end: which weights were the best, and what they are worth on the test data. */
  async #rested(trainer: Trainer): Promise<void> {
    const { best, stopped } = trainer;
    const { data } = this.view.training;
    if (!best || !data) return;
    let test: Evaluation | undefined;
    try {
      test = await trainer.evaluate(data.test, { weights: 'best' });
    } catch {
      return; // the run was dropped meanwhile
    }
    if (this.view.training.trainer !== trainer) return;
    setText(this.#note, sentence(best, test, stopped !== undefined));
    this.#note.hidden = false;
  }
}

function sentence(best: ValidationReport, test: Evaluation, stopped: boolean): string {
  const accuracy = test.accuracy === undefined ? '' : ` and an accuracy of ${percent(test.accuracy)}`;
  const back = stopped ? 'Stopped early: the best weights are back. ' : '';
  return `${back}Best validation: loss ${loss(best.loss)} after ${count(best.step)} steps. Those weights have a test loss of ${loss(test.loss)}${accuracy}.`;
}

export const attach: Attach = (view) => {
  new Validation(view);
  return undefined;
};
