import { DIGITS } from '../harness/common/settings.js';
import { type Dataset, DownhillError, describeAdapter, requestDevice, tensorsOf } from '../src/index.js';
import { LossChart } from './chart.js';
import { SettingsForm } from './controls.js';
import { drawDigits, prepare, sampleDigits } from './data.js';
import { byId, setText } from './dom.js';
import { FileChooser } from './files.js';
import { count } from './format.js';
import { LossHistory } from './history.js';
import { fromHash, modelOf, parse, type Settings, toHash } from './settings.js';
import { Training } from './training.js';
import {
  announce,
  clearRun,
  type Figures,
  hideProblem,
  showAdapter,
  showFigures,
  showPhase,
  showPlan,
  showPreview,
  showProblem,
  showTest,
} from './view.js';

/* The wiring: form -> run -> chart and figures. What a run does is in training.ts, what stands in the form in settings.ts. */

// ----------------------------------------------------------------------------------------------------------- device

let device: Promise<GPUDevice> | undefined;

/** The device, asked for once; after it was lost, the next call asks for another. */
function getDevice(): Promise<GPUDevice> {
  device ??= openDevice().catch((error: unknown) => {
    device = undefined;
    throw error;
  });
  return device;
}

async function openDevice(): Promise<GPUDevice> {
  const opened = await requestDevice({ label: 'page' });
  showAdapter(describeAdapter(opened));
  opened.lost.then(({ message }) => {
    device = undefined;
    if (training.phase === 'idle' || training.phase === 'done') return; // the next start asks for another
    training.fail(
      new DownhillError(
        'DEVICE-LOST',
        `The GPU device was lost. ${message}`.trim(),
        'Start again: a new device will be asked for.',
      ),
    );
  });
  opened.addEventListener('uncapturederror', ({ error }) => training.fail(error));
  return opened;
}

let usable = false;

async function lookForDevice(): Promise<void> {
  try {
    await getDevice();
    usable = true;
    hideProblem();
  } catch (error) {
    usable = false;
    showAdapter(undefined);
    showProblem(error, 'This page needs WebGPU', 'Try again');
  }
  refresh();
}

// -------------------------------------------------------------------------------------------------------------- run

let history = new LossHistory();
let figures: Figures = { step: 0, epoch: 0, loss: null, lr: undefined };
let plannedFor: string | undefined;

const chart = new LossChart(byId('chart'), history, (text) => setText(byId('hover'), text));

const training = new Training({
  changed: refresh,
  planned: (plan) => {
    plannedFor = toHash(form.texts);
    showPlan(plan, undefined, training.totalSteps / training.epochs);
  },
  stepped: ({ step, epoch, loss, lr }) => {
    history.push(step, loss);
    figures = { step, epoch, loss: history.smooth, lr };
    drawSoon();
  },
  evaluated: (evaluation, epoch) => {
    history.test(evaluation.step, evaluation.loss);
    showTest(evaluation, epoch, history.smooth);
    drawSoon();
  },
  failed: (error) => showProblem(error, 'The run has stopped', usable ? 'Start again' : 'Try again'),
});

let frame = 0;

/** Figures and curve follow at the next frame, however many steps come in before it. */
function drawSoon(): void {
  chart.update();
  if (frame !== 0) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    showFigures(figures, training);
    announce(training, figures);
    const { stride } = history;
    setText(byId('stride'), stride === 1 ? 'Each step' : `Range of ${stride} steps`);
  });
}

function refresh(): void {
  const obstacle = !usable ? 'No WebGPU yet' : form.settings ? '' : 'A setting needs a change';
  showPhase(training, obstacle, figures.step);
  form.disabled = training.busy;
  drawSoon();
}

function clear(): void {
  history = new LossHistory();
  figures = { step: 0, epoch: 0, loss: null, lr: undefined };
  clearRun();
  hideProblem();
  chart.show(history);
}

function start(): void {
  const { settings } = form;
  if (!settings) {
    form.focusProblem();
    return;
  }
  clear();
  training.start({
    device: getDevice,
    data: async () =>
      prepare(settings.source === 'files' ? await files.data() : await drawDigits(settings.samples), settings.scaling),
    options: (train) => ({
      model: modelOf(settings, train.features, classesOf(train)),
      rule: settings.rule,
      batchSize: settings.sampling === 'full' ? undefined : settings.batchSize,
      sampling: settings.sampling,
      seed: settings.seed,
      label: 'page',
    }),
    epochs: settings.epochs,
  });
}

const classesOf = ({ targets }: Dataset): number => (targets.kind === 'values' ? targets.width : targets.classes);

// ------------------------------------------------------------------------------------------------------------- form

const files = new FileChooser(
  () => form.settings?.classes ?? DIGITS.classes,
  () => settingsChanged(),
  () => {
    form.texts = { ...form.texts, data: 'files' };
    settingsChanged();
  },
);
const form = new SettingsForm(settingsChanged);

/** Some digits to look at before a run draws them all. */
const preview = sampleDigits(20);

/** What follows from the settings alone: address, picture of the data, size of the network. */
function settingsChanged(): void {
  const hash = toHash(form.texts);
  window.history.replaceState(null, '', `#${hash}`);
  showSettings();
}

function showSettings(): void {
  const { settings } = form;
  const read = files.read;
  const own: Dataset | undefined = read && ('train' in read ? read.train : read);
  const data = (settings?.source ?? form.texts.data) === 'files' ? own : preview;
  showPreview(data);
  const note = settings && data ? describeNetwork(settings, data) : undefined;
  setText(byId('network-note'), note?.text ?? '');
  // The plan of the last run stays in sight as long as the settings are the ones it was made for.
  if (toHash(form.texts) !== plannedFor) {
    plannedFor = undefined;
    showPlan(undefined, note?.parameters);
  }
  refresh();
}

function describeNetwork(settings: Settings, data: Dataset): { text: string; parameters: number } {
  const model = modelOf(
    settings,
    data.features,
    settings.source === 'files' && !data.labels ? settings.classes : classesOf(data),
  );
  const sizes = tensorsOf(model).map(({ shape }) => shape.reduce((product, side) => product * side, 1));
  const parameters = sizes.reduce((sum, size) => sum + size, 0);
  return { text: `${model.sizes.join(' – ')}: ${count(parameters)} parameters`, parameters };
}

/** Takes the settings of the address. What it says wrongly is said, and the rest is used. */
function readAddress(): void {
  const { texts, unknown } = fromHash(location.hash);
  form.texts = texts;
  const wrong = [...parse(texts).problems.keys(), ...unknown];
  if (wrong.length > 0) {
    showProblem(
      new DownhillError(
        'OPTION-UNKNOWN',
        `The link holds settings that this page does not understand: ${wrong.join(', ')}.`,
        'Check the settings before you start.',
      ),
      'The link does not fit',
    );
  }
  showSettings();
}

// ----------------------------------------------------------------------------------------------------------- events

byId('primary').addEventListener('click', () => {
  if (training.phase === 'running') training.pause();
  else if (training.phase === 'paused') training.resume();
  else start();
});
byId('secondary').addEventListener('click', () => {
  if (training.busy) return training.stop();
  training.reset();
  clear();
  refresh();
});
byId('problem-retry').addEventListener('click', () => (usable ? start() : void lookForDevice()));
byId('problem-close').addEventListener('click', () => {
  hideProblem();
  byId('primary').focus();
});
byId<HTMLInputElement>('log').addEventListener('change', (event) => {
  chart.log = (event.target as HTMLInputElement).checked;
});
byId('settings').addEventListener('submit', (event) => {
  event.preventDefault(); // Enter in a field
  if (usable && !training.busy) start();
});
byId('share').addEventListener('click', async () => {
  settingsChanged();
  const note = byId('share-note');
  const copied = await navigator.clipboard?.writeText(location.href).then(
    () => true,
    () => false,
  );
  setText(note, copied ? 'Copied.' : 'Copy it from the address bar.');
  setTimeout(() => setText(note, ''), 4000);
});
window.addEventListener('hashchange', () => {
  if (!training.busy) readAddress();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showSettings);
// What nobody caught is an error as well, and is better read than guessed.
window.addEventListener('error', (event) => showProblem(event.error ?? event.message, 'Something went wrong'));
window.addEventListener('unhandledrejection', (event) => showProblem(event.reason, 'Something went wrong'));

// Safari reaches a scrolling region by keyboard only if it is told to.
for (const region of document.querySelectorAll<HTMLElement>('.scroll')) region.tabIndex = 0;
readAddress();
void lookForDevice();
