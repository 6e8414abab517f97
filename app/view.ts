import type { AdapterReport, Dataset, Evaluation, PlanReport } from '../src/index.js';
import { byId, cssColor, make, setText } from './dom.js';
import { bytes, count, loss, percent, perSecond, rate } from './format.js';
import { problemOf } from './problem.js';
import type { Training } from './training.js';

/*
 * What the page shows of a run. Everything goes in as text; file names, messages and labels may hold anything.
 */

/** A screen reader gets the course of a run this often, and a change of state at once. */
const ANNOUNCE_MS = 10_000;

/** Rows of the table of tests that are kept. */
const MAX_TESTS = 200;

export interface Figures {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number | null;
  readonly lr: number | undefined;
}

export function showAdapter(report: AdapterReport | undefined): void {
  const element = byId('adapter');
  element.dataset.kind = report === undefined ? 'none' : report.cpu ? 'cpu' : 'gpu';
  setText(element, report?.name ?? 'No WebGPU');
  element.title = report?.cpu
    ? 'A CPU adapter: WebGPU runs as software on the processor. It trains correctly, but its speed says nothing about a GPU.'
    : '';
}

/** Shows an error above everything else. `retry`: the label of a button that may help. */
export function showProblem(error: unknown, title: string, retry?: string): void {
  const { message, fix, code } = problemOf(error);
  setText(byId('problem-title'), code ? `${title} (${code})` : title);
  setText(byId('problem-message'), message);
  setText(byId('problem-fix'), fix);
  byId('problem-retry').hidden = retry === undefined;
  if (retry !== undefined) setText(byId('problem-retry'), retry);
  byId('problem').hidden = false;
  byId('problem').scrollIntoView({ block: 'nearest' });
}

export const hideProblem = (): void => {
  byId('problem').hidden = true;
};

export function showFigures({ step, epoch, loss: smooth, lr }: Figures, training: Training): void {
  const { totalSteps, epochs, stepsPerSecond } = training;
  setText(byId('loss'), loss(smooth));
  setText(byId('step'), step === 0 ? '–' : totalSteps ? `${count(step)} / ${count(totalSteps)}` : count(step));
  setText(byId('epoch'), step === 0 ? '–' : `${epoch + 1} / ${epochs}`);
  setText(byId('speed'), perSecond(stepsPerSecond));
  setText(byId('lr'), rate(lr));
  if (totalSteps > 0) byId<HTMLProgressElement>('progress').value = step / totalSteps;
  else if (step === 0) byId<HTMLProgressElement>('progress').value = 0;
}

const PHASES: Record<Training['phase'], string> = {
  idle: 'Ready',
  preparing: 'Preparing',
  running: 'Training',
  paused: 'Paused',
  done: 'Finished',
  failed: 'Stopped by an error',
};

/** `obstacle`: why a run cannot start; empty when it can. */
export function showPhase(training: Training, obstacle: string, step: number): void {
  const { phase, activity, totalSteps } = training;
  const early = phase === 'done' && step < totalSteps;
  const idle = phase === 'idle' && obstacle !== '';
  const line = early ? `Stopped after ${count(step)} steps` : idle ? obstacle : PHASES[phase];
  const status = byId('status');
  status.dataset.phase = phase;
  setText(
    status,
    activity === '' ? line : phase === 'preparing' ? `${activity} …` : `${line} · ${activity.toLowerCase()} …`,
  );

  const primary = byId<HTMLButtonElement>('primary');
  const labels = {
    idle: 'Start',
    preparing: 'Start',
    running: 'Pause',
    paused: 'Resume',
    done: 'Start again',
    failed: 'Start again',
  };
  setText(primary, labels[phase]);
  const stopping = activity === 'Stopping';
  primary.disabled = (!training.busy && obstacle !== '') || phase === 'preparing' || stopping;
  const secondary = byId<HTMLButtonElement>('secondary');
  setText(secondary, training.busy ? 'Stop' : 'Reset');
  secondary.disabled = phase === 'idle' || stopping;
  byId('chart').dataset.phase = phase;
}

let announced = { phase: '', at: 0 };

/** For screen readers: the state when it changes, and now and then how far it is. */
export function announce(training: Training, { step, epoch, loss: smooth }: Figures): void {
  const now = performance.now();
  const { phase } = training;
  if (phase === announced.phase && (phase !== 'running' || now - announced.at < ANNOUNCE_MS)) return;
  announced = { phase, at: now };
  const far = step > 0 ? `: epoch ${epoch + 1} of ${training.epochs}, step ${count(step)}, loss ${loss(smooth)}` : '';
  setText(byId('announcement'), PHASES[phase] + far);
}

export function showTest(evaluation: Evaluation, epoch: number, trainingLoss: number | null): void {
  setText(byId('test-loss'), loss(evaluation.loss));
  setText(byId('accuracy'), percent(evaluation.accuracy));
  const cells = [
    Number.isInteger(epoch) ? String(epoch) : epoch.toFixed(2),
    count(evaluation.step),
    loss(trainingLoss),
    loss(evaluation.loss),
    percent(evaluation.accuracy),
  ];
  const body = byId('tests');
  body.prepend(make('tr', {}, ...cells.map((cell) => make('td', {}, cell))));
  while (body.childElementCount > MAX_TESTS) body.lastElementChild!.remove();
  byId('tests-box').hidden = false;
}

/** Everything a run has left behind. */
export function clearRun(): void {
  byId('tests').replaceChildren();
  byId('tests-box').hidden = true;
  for (const id of ['test-loss', 'accuracy']) setText(byId(id), '–');
}

/** @param iterations of an epoch, with a plan */
export function showPlan(plan: PlanReport | undefined, parameters: number | undefined, iterations?: number): void {
  const total = plan?.parameters ?? parameters;
  const line = [
    ...(total === undefined ? [] : [`${count(total)} parameters`]),
    ...(plan ? [`${plan.dispatches} dispatches per step`] : []),
    ...(iterations === undefined ? [] : [`${count(iterations)} iterations per epoch`]),
  ];
  setText(byId('plan-line'), line.join(', '));
  byId('plan-box').hidden = plan === undefined;
  if (!plan) {
    setText(byId('plan-memory'), 'What one step does on the GPU is fixed, and shown here, when a run starts.');
    return;
  }
  const memory = Object.entries(plan.bytes).map(([what, size]) => `${what} ${bytes(size)}`);
  setText(byId('plan-memory'), `On the GPU: ${memory.join(', ')}.`);
  byId('plan').replaceChildren(
    ...plan.passes.map(({ label, kernel, grid }) =>
      make('tr', {}, ...[label, kernel, grid.join(' × ')].map((cell) => make('td', {}, cell))),
    ),
  );
}

const PREVIEW = { columns: 10, rows: 2 } as const;

/** The first images of a data set: brightness becomes opacity, so that they read in light and dark. */
export function showPreview(dataset: Dataset | undefined): void {
  byId('preview-box').hidden = !dataset?.image;
  if (!dataset?.image) return;
  const [height, width] = dataset.image;
  const canvas = byId<HTMLCanvasElement>('preview');
  const shown = Math.min(PREVIEW.columns * PREVIEW.rows, dataset.samples);
  canvas.width = PREVIEW.columns * width;
  canvas.height = Math.ceil(shown / PREVIEW.columns) * height;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.fillStyle = cssColor('--text');
  for (let sample = 0; sample < shown; sample++) {
    const left = (sample % PREVIEW.columns) * width;
    const top = Math.floor(sample / PREVIEW.columns) * height;
    for (let pixel = 0; pixel < width * height; pixel++) {
      context.globalAlpha = dataset.x[sample * dataset.features + pixel]! / 255;
      context.fillRect(left + (pixel % width), top + Math.floor(pixel / width), 1, 1);
    }
  }
  const { targets } = dataset;
  const labels = targets.kind === 'classes' ? `, labelled ${[...targets.labels.subarray(0, shown)].join(', ')}` : '';
  canvas.setAttribute('aria-label', `The first ${shown} images${labels}`);
}
