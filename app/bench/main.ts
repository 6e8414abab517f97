import type { BenchConfig, Machine, Report } from '../../harness/bench/contract.js';
import type { Item } from '../../harness/bench/plan.js';
import { showAdapter } from '../shell/device.js';
import { byId } from '../shell/dom.js';
import { hideProblem, showProblem } from '../shell/notice.js';
import { Choice, extentText } from './choice.js';
import { lookAtMachine } from './machine.js';
import { allowOutputs, offerFile, offerOutputs } from './output.js';
import { BenchRun } from './run.js';
import { ProgressView, showMachine, showMethod, showPhase, showReady } from './view.js';

/* The wiring: choice -> run -> progress and results. How a case is measured is in harness/bench, as for the command line. */

let machine: Machine | undefined;
let run: BenchRun | undefined;
/** What the page shows: the report of that run, or of a file. */
let shown: (() => Report) | undefined;
let busy = false;
/** Whether the choice was changed since that run: the status is then the choice's again. */
let changed = true;

/** The chart library is half of this page's code, and the first chart is seconds away. */
const drawing = import('./results.js').then(({ painted, Results }) => ({ results: new Results(), painted }));
drawing.catch(() => {}); // said when a run needs it

const choice = new Choice(() => {
  changed = true;
  refresh();
});
const start = byId<HTMLButtonElement>('start');
const stop = byId<HTMLButtonElement>('stop');

async function lookForMachine(): Promise<void> {
  try {
    machine = await lookAtMachine();
    showAdapter(machine.adapter ?? undefined);
    showMachine(machine);
    hideProblem();
  } catch (error) {
    machine = undefined;
    showAdapter(undefined);
    showProblem(error, 'This page needs WebGPU', 'Try again');
  }
  refresh();
}

function refresh(): void {
  const { items } = choice;
  start.disabled = busy || !machine || items.length === 0;
  stop.disabled = !busy;
  choice.disabled = busy;
  for (const id of ['report-file', 'compare-file']) byId<HTMLInputElement>(id).disabled = busy;
  if (busy || !changed) return;
  showReady(!machine ? 'No WebGPU yet' : items.length === 0 ? 'Choose a scenario' : `Ready: ${extentText(items)}`);
}

/** The schemas that check a stored report are of no use before there is one. */
const reading = () => import('../../harness/bench/report/read.js');

async function measure(): Promise<void> {
  const { config, items } = choice;
  if (!machine || items.length === 0) return;
  busy = true;
  changed = false;
  refresh();
  stop.focus(); // Start, which had it, is out of use now
  try {
    await drive(config, items, machine);
  } catch (error) {
    showProblem(error, 'The run has stopped');
    changed = true;
  } finally {
    busy = false;
    const focused = document.activeElement === stop;
    refresh();
    if (focused) start.focus();
  }
}

async function drive(config: BenchConfig, items: readonly Item[], machine: Machine): Promise<void> {
  const { results, painted } = await drawing;
  hideProblem();
  results.clear();
  allowOutputs(false);
  const progress = new ProgressView(items);
  const current = new BenchRun(config, items, machine, {
    phase: (phase) => showPhase(phase, current.report()),
    progress: (index, share, contender) => progress.update(index, share, contender),
    async result({ spec }) {
      results.show(current.report(), spec.scenario);
      allowOutputs(true);
      await painted();
    },
  });
  run = current;
  shown = () => current.report();
  await current.drive();
}

start.addEventListener('click', () => void measure());
stop.addEventListener('click', () => run?.stop());
offerOutputs(() => shown?.());
offerFile('report-file', async (text, name) => {
  const [{ readReport }, { fileCard }, { results }] = await Promise.all([reading(), import('./from-file.js'), drawing]);
  const report = readReport(text, name);
  results.clear();
  results.show(report);
  results.say(fileCard(report, name));
  shown = () => report;
  allowOutputs(true);
});
offerFile('compare-file', async (text, name) => {
  const [{ readReport }, { comparisonCard }, { results }] = await Promise.all([
    reading(),
    import('./from-file.js'),
    drawing,
  ]);
  const old = readReport(text, name);
  if (shown) results.say(comparisonCard(shown(), old));
});
byId('problem-retry').addEventListener('click', () => void lookForMachine());
byId('problem-close').addEventListener('click', () => {
  hideProblem();
  start.focus();
});
window.addEventListener('beforeunload', (event) => {
  if (busy) event.preventDefault();
});
// What nobody caught is an error as well: of a library measured, or of this page.
window.addEventListener('error', (event) => showProblem(event.error ?? event.message, 'Something went wrong'));
window.addEventListener('unhandledrejection', (event) => showProblem(event.reason, 'Something went wrong'));

showMethod();
void choice.lookForPeers();
void lookForMachine();
