import { type Experiment, obstacleOf, readExperiment } from '../experiment/config.js';
import { LABEL, optionsOf } from '../experiment/options.js';
import type { Texts } from '../experiment/settings.js';
import { LossHistory } from '../runs/history.js';
import { MOST_WEIGHTS, type Run } from '../runs/run.js';
import { concerns } from '../shell/device.js';
import { byId, isOff, setText } from '../shell/dom.js';
import { toLink } from '../shell/link.js';
import { PageError } from '../shell/problem.js';
import { copyLink } from '../shell/share.js';
import type { Lab, View } from '../shell/views.js';
import { Announcer } from './announce.js';
import { captionOf, nameOf } from './caption.js';
import { LossChart } from './chart.js';
import { clearRun, type Figures, showFigures, showPhase, showPlan, showTest } from './figures.js';
import { limitOf } from './limits.js';
import type { Part, Started, TrainView } from './part.js';
import { PARTS } from './parts.js';
import { Training } from './training.js';

/* The wiring: form -> run -> chart and figures. What a run does is in training.ts, what stands in the form in experiment/. */

const NOTHING: Figures = { step: 0, epoch: 0, loss: null, lr: undefined };

export async function open(lab: Lab): Promise<View> {
  let figures = NOTHING;
  let run: Run | undefined;
  /** What `run` was started with. */
  let started: Started | undefined;
  /** What the run that prepares is started with; what is shown is the one before. */
  let starting: (Omit<Started, 'experiment'> & { experiment?: Experiment }) | undefined;
  /** The last start came to no run. */
  let refused = false;
  /** Takes away what kept the last start from succeeding. */
  let forgive: (() => void) | undefined;
  let plannedFor: string | undefined;
  let history = new LossHistory();
  const nothing = () => ({ history, tests: [], validations: [], marks: [] });
  const chart = new LossChart(byId('chart'), nothing());
  const training = new Training();
  const announcer = new Announcer(byId('announcement'));

  training.listen({
    changed: refresh,
    began: (trainer) => {
      begin();
      plannedFor = JSON.stringify(started!.texts);
      showPlan(trainer.describe(), undefined, trainer.stepsPerEpoch);
    },
    stepped: ({ step, epoch, loss, lr }) => {
      run?.push(step, loss, training.seconds);
      figures = { step, epoch, loss: history.loss, lr };
      announcer.progress(figures, training);
      lab.progress('train', step / training.totalSteps);
      drawSoon();
    },
    evaluated: ({ step, loss, accuracy }, epoch) => {
      run?.test({ step, loss, accuracy, seconds: training.seconds });
      showTest({ step, loss, accuracy }, epoch, history.loss);
      lab.runs.changed();
      drawSoon();
    },
    rested: () => {
      const { divergence, phase } = training;
      void keepWeights();
      if (phase !== 'diverged' || divergence === undefined) return;
      lab.problem(diverged(divergence), 'The training diverged', { label: 'Start again', retry: start });
    },
    failed: (error) => {
      const title = starting ? 'The run did not start' : 'The run has stopped';
      const forget = lab.problem(error, title, { label: 'Start again', retry: start });
      if (starting) forgive = forget;
      refused = starting !== undefined;
      starting = undefined;
      refresh();
    },
  });

  /** A run is on the shelf as soon as it has its trainer; until then the one before stays in sight. */
  function begin(): void {
    const { settings, texts, experiment } = starting as Started;
    const { adapter } = lab;
    clear();
    started = { settings, texts, experiment };
    starting = undefined;
    run = lab.runs.add({
      view: 'train',
      name: nameOf(settings),
      caption: captionOf(settings, texts, adapter),
      settings: texts,
      link: toLink({ view: 'train', experiment: texts, state: {} }),
      ...(experiment.repeatable && { config: experiment.config }),
      adapter: adapter?.name ?? '',
      batchSize: training.batchSize,
      stepsPerEpoch: training.totalSteps / training.epochs,
      totalSteps: training.totalSteps,
    });
    history = run.history;
    chart.show(run);
    setText(byId('loss-of'), history.last === 1 ? 'of this step' : `mean of ${history.last} steps`);
    showCaption();
  }

  /** What the run came to, for as long as the shelf has it: the trainer goes with the next run. */
  async function keepWeights(): Promise<void> {
    const ended = run;
    const bytes = await training.whenIdle((trainer) => trainer.checkpoint({ state: false })).catch(() => undefined);
    if (!ended || !bytes) return; // the next run, or a lost device, was quicker
    ended.weights = new Blob([bytes as Uint8Array<ArrayBuffer>]);
    // Large ones are in memory alone: those of one run, not of forty.
    if (ended.weights.size > MOST_WEIGHTS)
      for (const other of lab.runs.runs)
        if (other !== ended && other.weights && other.weights.size > MOST_WEIGHTS) delete other.weights;
    lab.runs.changed();
  }

  function showCaption(): void {
    setText(byId('run-caption'), run?.about.caption ?? '');
    byId('run-about').hidden = run === undefined;
  }

  let frame = 0;
  /** Figures and curve follow at the next frame, however many steps come in before it. */
  function drawSoon(): void {
    chart.update();
    if (frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      showFigures(figures, training);
      const { stride } = history;
      setText(byId('stride'), stride === 1 ? 'Each step' : `Range of ${stride} steps`);
    });
  }

  /** All of the view is there: what comes in later would push the button away under the pointer. */
  let loaded = false;
  /** Why no run can start now; '' where one can. */
  function obstacle(): string {
    // Where there was a device once, the next start asks for another.
    if (lab.adapter === undefined) {
      return lab.gpu === 'none' ? 'Training needs WebGPU, and there is none.' : 'Looking for a GPU …';
    }
    if (!loaded) return 'Loading …';
    const { settings } = lab.form;
    if (!settings) return 'A setting needs a change.';
    const unread = obstacleOf(settings, lab.files);
    return unread || limitOf(settings, lab.files, lab.adapter);
  }

  function refresh(): void {
    if (training.phase === 'idle') starting = undefined; // it was stopped before it began
    const reached = { step: figures.step, prepared: !starting && !refused, shown: run !== undefined };
    showPhase(training, obstacle(), reached);
    announcer.phase(figures, training, run);
    setText(byId('form-note'), training.busy ? 'A run is under way: these settings are for the next one.' : '');
    if (!training.busy) lab.progress('train', undefined);
    const status = statusOf(training, figures.step);
    if (run && !starting && !refused && training.phase !== 'idle' && run.status !== status) {
      run.status = status;
      lab.runs.changed();
    }
    drawSoon();
  }

  function clear(): void {
    run = undefined;
    started = undefined;
    history = new LossHistory();
    figures = NOTHING;
    clearRun();
    lab.solved();
    chart.show(nothing());
    showCaption();
  }

  function start(pauseAfter?: number): void {
    if (training.busy) return;
    const { settings, texts } = lab.form;
    if (!settings || obstacle() !== '') {
      announcer.say(obstacle());
      if (!settings) lab.form.focusProblem();
      return;
    }
    const mine: NonNullable<typeof starting> = { settings, texts };
    starting = mine;
    refused = false;
    training.start({
      device: () => lab.device(),
      data: async () => {
        mine.experiment = await readExperiment(settings, lab.files);
        return mine.experiment.data;
      },
      options: () => optionsOf(mine.experiment!),
      epochs: settings.epochs,
      pauseAfter,
    });
  }

  const toggle = (): void => {
    if (training.phase === 'running') training.pause();
    else if (training.phase === 'paused') training.resume();
    else start();
  };

  byId('primary').addEventListener('click', ({ currentTarget }) => {
    if (!isOff(currentTarget)) toggle();
    else announcer.say(obstacle());
  });
  byId('secondary').addEventListener('click', ({ currentTarget }) => {
    if (isOff(currentTarget)) return;
    if (training.busy) return training.stop();
    training.reset();
    clear();
    refresh();
  });
  byId('run-link').addEventListener('click', () => {
    if (run) void copyLink(run.about.link, run.about.settings, byId('run-link-note'));
  });
  byId<HTMLInputElement>('log').addEventListener('change', (event) => {
    chart.log = (event.target as HTMLInputElement).checked;
  });
  lab.onDevice((device, error) => {
    if (error !== undefined && training.busy && concerns(error, LABEL)) training.fail(error);
    // Between runs it is no error: the next start asks for another device. But what was trained is gone with this one.
    else if (device === undefined) training.release();
    refresh();
  });
  lab.onSettings(() => {
    forgive?.(); // it may be mended
    forgive = undefined;
    // The plan of the last run stays in sight as long as the settings are the ones it was made for.
    if (JSON.stringify(lab.form.texts) !== plannedFor && !training.busy) {
      plannedFor = undefined;
      showPlan(undefined, undefined);
    }
    refresh();
  });
  refresh();

  const view: TrainView = {
    lab,
    training,
    get run() {
      return run;
    },
    get started() {
      return started;
    },
    start,
  };
  const parts = (await Promise.all(PARTS.map(async (load) => (await load()).attach(view)))).filter((part) => !!part);
  loaded = true;
  refresh();

  return {
    get doing() {
      return training.busy ? 'A run is under way' : '';
    },
    state: () => Object.assign({}, ...parts.map((part) => part.state?.())),
    take: (state) => takeParts(parts, state),
    shown: () => {
      chart.update();
      for (const part of parts) part.shown?.();
    },
    start,
    toggle,
    stop: () => training.stop(),
  };
}

/** @returns the keys that no part knows, or whose value it does not understand */
function takeParts(parts: readonly Part[], state: Texts): string[] {
  const known = new Map(parts.flatMap((part) => [...(part.take?.(state) ?? [])]));
  return Object.keys(state).filter((key) => known.get(key) !== true);
}

/** In words, with what helps. */
const diverged = (what: string) =>
  new PageError(`${what[0]!.toUpperCase()}${what.slice(1)}.`, 'Lower the learning rate, then start again.');

function statusOf({ phase, totalSteps }: Training, step: number): Run['status'] {
  if (phase === 'paused' || phase === 'failed' || phase === 'diverged') return phase;
  if (phase !== 'done') return 'running';
  return step < totalSteps ? 'stopped' : 'done';
}
