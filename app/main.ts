import { DIGITS } from '../harness/common/settings.js';
import { FileChooser } from './experiment/files.js';
import { SettingsForm } from './experiment/form.js';
import { Overview } from './experiment/overview.js';
import { complete, type Texts } from './experiment/settings.js';
import { RunBook } from './runs/book.js';
import { PageDevice, showAdapter } from './shell/device.js';
import { byId } from './shell/dom.js';
import { listenToKeys } from './shell/keys.js';
import { fromLink, linkProblems, toLink } from './shell/link.js';
import { hideProblem, showLinkNotice, showProblem } from './shell/notice.js';
import { copyLink } from './shell/share.js';
import { turn } from './shell/turn.js';
import { VIEWS, type ViewName } from './shell/view-names.js';
import type { Lab, OpenView, View } from './shell/views.js';
import { painted } from './toy/painted.js';

/* The page around its views: the device, the experiment's form, the address, the shelf of runs. What a view does is in its
 * folder; how they know of each other in shell/views.ts. */

const MODULES: Partial<Record<ViewName, () => Promise<{ readonly open: OpenView }>>> = {
  train: () => import('./train/view.js'),
  compare: () => import('./compare/view.js'),
  landscape: () => import('./landscape/view.js'),
  search: () => import('./search/view.js'),
};

const opened = new Map<ViewName, View>();
/** Those that are being opened: a tab pressed twice before its view is there has one view, not two. */
const opening = new Map<ViewName, Promise<void>>();
let current: ViewName = 'train';

// ----------------------------------------------------------------------------------------------------------- device

const page = new PageDevice();
page.onDevice((device, error) => {
  if (device && error === undefined) showAdapter(page.adapter);
});

/** These do what they can without WebGPU, and say so themselves. */
const VIEWS_WITHOUT_GPU: ReadonlySet<ViewName> = new Set(['landscape']);

/** Why there is no WebGPU. */
let missing: unknown;
let unsayMissing: (() => void) | undefined;

async function lookForDevice(): Promise<void> {
  try {
    await page.get();
    missing = undefined;
  } catch (error) {
    missing = error;
    showAdapter(undefined);
  }
  sayMissing();
}

/** Says in the views that need it that there is no WebGPU. */
function sayMissing(): void {
  unsayMissing?.();
  unsayMissing = undefined;
  if (missing === undefined || VIEWS_WITHOUT_GPU.has(current)) return;
  unsayMissing = lab.problem(missing, 'Training needs WebGPU', {
    label: 'Try again',
    retry: () => void lookForDevice(),
  });
}

// -------------------------------------------------------------------------------------------------------- experiment

const settingsListeners: (() => void)[] = [];

const files = new FileChooser(
  () => form.settings?.classes ?? DIGITS.classes,
  () => settingsChanged(),
  () => {
    form.texts = { ...form.texts, data: 'files' };
    settingsChanged();
  },
);
const form = new SettingsForm(settingsChanged);
const overview = new Overview(form, files);
painted.listen(settingsChanged);

function settingsChanged(): void {
  writeAddress();
  showSettings();
}

function showSettings(): void {
  overview.show();
  for (const listener of settingsListeners) listener();
}

// ------------------------------------------------------------------------------------------------------------- views

let again = (): void => {};
const shares = new Map<ViewName, number>();
const TITLE = document.title;

const lab: Lab = {
  device: () => page.get(),
  get adapter() {
    return page.adapter;
  },
  get gpu() {
    return page.state;
  },
  onDevice: (listener) => page.onDevice(listener),
  form,
  files,
  onSettings: (listener) => void settingsListeners.push(listener),
  runs: new RunBook(),
  changed: writeAddress,
  async open(view, { experiment, state = {} } = {}) {
    if (experiment) form.texts = experiment;
    await showView(view);
    opened.get(view)?.take(state);
    settingsChanged();
  },
  problem(error, title, retry) {
    again = retry?.retry ?? (() => {});
    return showProblem(error, title, retry?.label);
  },
  solved: hideProblem,
  progress(view, share) {
    if (share === undefined) shares.delete(view);
    else shares.set(view, share);
    const [first] = shares.values();
    const title = first === undefined ? TITLE : `${Math.floor(100 * first)} % · downhill`;
    if (document.title !== title) document.title = title;
    if (share === undefined && waiting !== undefined) setTimeout(takeWaiting);
  },
};

async function openView(name: ViewName): Promise<void> {
  // Its modules and its elements are tasks of their own: together they would hold the page up.
  await turn();
  const open = await MODULES[name]?.();
  if (!open) return;
  await turn();
  opened.set(name, await open.open(lab));
}

/** Brings a view on the screen, and loads it where it is the first time. */
async function showView(name: ViewName): Promise<View | undefined> {
  current = name;
  document.body.dataset.view = name;
  for (const tab of document.querySelectorAll<HTMLElement>('.pages [data-view]')) {
    if (tab.dataset.view === name) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  // What belongs to some views only: `data-views="train compare"`.
  for (const part of document.querySelectorAll<HTMLElement>('[data-views]')) {
    part.hidden = !part.dataset.views!.split(' ').includes(name);
  }
  try {
    if (!opening.has(name)) opening.set(name, openView(name));
    await opening.get(name);
  } catch (error) {
    opening.delete(name); // the next press tries again
    lab.problem(error, `The view ${VIEWS[name]} did not open`);
  }
  if (current === name) {
    sayMissing();
    opened.get(name)?.shown();
  }
  return opened.get(name);
}

// ----------------------------------------------------------------------------------------------------------- address

let late: ReturnType<typeof setTimeout> | undefined;
/** A browser that was told too many addresses takes the latest after so long. */
const LATE_MS = 1000;

function writeAddress(): void {
  const state: Texts = opened.get(current)?.state() ?? {};
  const link = toLink({ view: current, experiment: form.texts, state });
  if (link === location.hash) return;
  try {
    window.history.replaceState(null, '', link);
  } catch {
    // Safari refuses more than a hundred in half a minute: a start that is dragged over a landscape has those in seconds.
    clearTimeout(late);
    late = setTimeout(writeAddress, LATE_MS);
  }
}

/** Links taken so far. */
let taken = 0;

/** A link that came while its view was at work. */
let waiting: string | undefined;

const busyView = (name: ViewName) => (opened.get(name)?.doing ?? '') !== '';

/** Takes the settings of a link. What it says wrongly is said and stays said; the rest is used. Nothing starts by it. */
async function takeLink(hash: string): Promise<void> {
  const link = fromLink(hash);
  const { view, experiment, state } = link;
  if (busyView(view)) {
    waiting = hash;
    showLinkNotice('The link waits', [
      `${opened.get(view)!.doing}. The settings of the link are taken when it has ended.`,
    ]);
    return;
  }
  waiting = undefined;
  const mine = ++taken;
  form.texts = complete(experiment);
  const shown = await showView(view);
  if (mine !== taken) return; // another link came while the view was loading: what is said is of that one
  const lines = linkProblems(link, shown?.take(state) ?? []);
  showLinkNotice('Not all of the link was taken', lines);
  showSettings();
}

function takeWaiting(): void {
  if (waiting !== undefined && !busyView(fromLink(waiting).view)) void takeLink(waiting);
}

// ------------------------------------------------------------------------------------------------------------ events

// The focus would be lost with the button.
const closing = (id: string, action: () => void) =>
  byId(id).addEventListener('click', () => {
    action();
    byId('main').focus();
  });
closing('problem-retry', () => again());
closing('problem-close', hideProblem);
closing('link-close', () => {
  byId('link-notice').hidden = true;
});
for (const tab of document.querySelectorAll<HTMLAnchorElement>('.pages a[data-view]')) {
  tab.addEventListener('click', (event) => {
    event.preventDefault();
    void showView(tab.dataset.view as ViewName).then(writeAddress);
  });
}
byId('share').addEventListener('click', () => {
  settingsChanged();
  void copyLink(location.hash, form.texts, byId('share-note'));
});
const openLessons = () => void import('./lessons/dialog.js').then(({ showLessons }) => showLessons());
byId('lessons').addEventListener('click', openLessons);
/** `#lessons` is no link of settings: the list, over what the page shows. */
const LESSONS = '#lessons';
listenToKeys(() => opened.get(current));
window.addEventListener('hashchange', () => {
  if (location.hash === LESSONS) openLessons();
  else void takeLink(location.hash);
});
window.addEventListener('beforeunload', (event) => {
  if ([...opened.values()].some(({ doing }) => doing !== '')) event.preventDefault();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showSettings);
// What nobody caught is an error as well, and is better read than guessed.
window.addEventListener('error', (event) => showProblem(event.error ?? event.message, 'Something went wrong'));
window.addEventListener('unhandledrejection', (event) => showProblem(event.reason, 'Something went wrong'));

// Safari reaches a scrolling region by keyboard only if it is told to.
for (const region of document.querySelectorAll<HTMLElement>('.scroll')) region.tabIndex = 0;
// Behind the first paint: there is nothing on it yet.
void import('./runs/shelf.js').then(({ Shelf }) => new Shelf(byId('shelf'), lab));
if (location.hash === LESSONS) openLessons();
void takeLink(location.hash === LESSONS ? '' : location.hash);
void lookForDevice();
