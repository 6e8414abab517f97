import type { Evaluation, PlanReport } from '../../src/index.js';
import { byId, make, setOff, setText } from '../shell/dom.js';
import { bytes, count, loss, percent, perSecond, rate } from '../shell/format.js';
import type { Phase, Training } from './training.js';

/*
 * What the page shows of a run. Everything goes in as text; file names, messages and labels may hold anything.
 */

/** Rows of the table of tests that are kept. */
const MAX_TESTS = 200;

export interface Figures {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number | null;
  readonly lr: number | undefined;
}

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

const PHASES: Record<Phase, string> = {
  idle: 'Ready',
  preparing: 'Preparing',
  running: 'Training',
  paused: 'Paused',
  done: 'Finished',
  diverged: 'Diverged',
  failed: 'Stopped by an error',
};

const PRIMARY: Record<Phase, string> = {
  idle: 'Start',
  preparing: 'Start',
  running: 'Pause',
  paused: 'Resume',
  done: 'Start again',
  diverged: 'Start again',
  failed: 'Start again',
};

/**
 * What stands beside the buttons: `prepared` is false for a run that has no trainer yet, or did not get one; `shown` where there are
 * figures of a run, maybe of the one before.
 */
export interface Reached {
  readonly step: number;
  readonly prepared: boolean;
  readonly shown: boolean;
}

function statusLine(training: Training, { step, prepared }: Reached): string {
  const { phase, activity, totalSteps, divergence } = training;
  if (phase === 'preparing') return `${activity} …`;
  const early = phase === 'done' && step < totalSteps;
  const stopped = training.trainer?.stopped ? 'Stopped early after' : 'Stopped after';
  const line = early ? `${stopped} ${count(step)} steps` : PHASES[phase];
  const unstarted = phase === 'failed' && !prepared;
  const why = divergence !== undefined && (phase === 'diverged' || phase === 'running' || phase === 'paused');
  return [
    unstarted ? 'Did not start' : line,
    ...(why ? [divergence] : []),
    ...(activity === '' ? [] : [`${activity.toLowerCase()} …`]),
  ].join(' · ');
}

/** `obstacle`: why a run cannot start; empty when it can. */
export function showPhase(training: Training, obstacle: string, reached: Reached): void {
  const { phase, activity, busy } = training;
  const status = byId('status');
  status.dataset.phase = phase;
  setText(status, statusLine(training, reached));
  setText(byId('start-note'), busy ? '' : obstacle);

  const stopping = activity === 'Stopping';
  const [primary, secondary] = [byId('primary'), byId('secondary')];
  setText(primary, PRIMARY[phase]);
  setOff(primary, (!busy && obstacle !== '') || phase === 'preparing' || stopping);
  setText(secondary, busy ? 'Stop' : 'Reset');
  setOff(secondary, (phase === 'idle' && !reached.shown) || stopping);
  byId('chart').dataset.phase = phase;
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
