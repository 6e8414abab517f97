import './search.css';
import { DownhillError } from '../../src/index.js';
import type { Params, SearchEvent, Trial } from '../../src/search/index.js';
import { outlineOf } from '../experiment/config.js';
import { parse } from '../experiment/settings.js';
import { byId, isOff, make, onEnter, setOff, setText } from '../shell/dom.js';
import { count } from '../shell/format.js';
import { PageError } from '../shell/problem.js';
import { viewCard } from '../shell/view-card.js';
import type { Lab, View } from '../shell/views.js';
import type { SearchCharts } from './charts.js';
import { commandOf } from './command.js';
import { type Cost, costOf, duration, Speed, stepFlops } from './cost.js';
import { readJournal, saveJournal } from './journal.js';
import { SearchPanel } from './panel.js';
import { RangeFinder } from './range.js';
import { experimentFor, judgedTexts, Searching, type SearchOf } from './searching.js';
import { trialTexts } from './space.js';
import { BestTable } from './table.js';

/* The wiring: panel -> search -> pictures and table. A search that was stopped goes on from its log. */

type Phase = 'idle' | 'preparing' | 'running' | 'stopped' | 'done' | 'failed';

export function open(lab: Lab): View {
  const parts = buildView();
  const speed = new Speed();
  const panel = new SearchPanel(
    () => lab.form.texts,
    () => lab.adapter?.cpu ?? false,
    () => {
      estimateSoon();
      lab.changed();
      refresh();
    },
  );
  const range = new RangeFinder(lab);
  byId('search-panel').append(
    panel.element,
    make('fieldset', { className: 'card' }, make('legend', { textContent: 'Range test' }), range.element),
  );
  const table = new BestTable((trial) => {
    if (searching) void lab.open('train', { experiment: trialTexts(searching.of.texts, trial.params) });
  });
  parts.figures.append(table.element);

  let phase: Phase = 'idle';
  let activity = '';
  let searching: Searching | undefined;
  let trials: readonly Trial[] = [];
  let notes: readonly string[] = [];
  let abort = new AbortController();
  let charts: Promise<SearchCharts> | undefined;
  /** Of the plan that stands in the panel, and of the one that runs. */
  let cost: Cost | undefined;
  let running = { cost: undefined as Cost | undefined, done: 0, since: 0, before: 0 };

  // ---------------------------------------------------------------------------------------------------------- the search

  const busy = () => phase === 'preparing' || phase === 'running';
  /** Whether Start would go on with what was stopped: nothing was changed since. */
  const goesOn = () => {
    const ready = panel.ready;
    return searching !== undefined && !searching.ended && ready !== undefined && sameSearch(searching.of, ready);
  };

  async function start(): Promise<void> {
    if (busy()) return;
    let wanted: SearchOf;
    try {
      if (!lab.form.settings) {
        lab.form.focusProblem();
        return;
      }
      wanted = panel.wanted;
    } catch (error) {
      lab.problem(error, 'The search did not start');
      return;
    }
    lab.solved();
    if (!searching || !goesOn()) {
      searching = new Searching(wanted);
      trials = [];
    }
    notes = [];
    abort = new AbortController();
    await drive(searching, abort.signal);
  }

  async function drive(own: Searching, signal: AbortSignal): Promise<void> {
    const current = () => own === searching;
    try {
      set('preparing', 'Asking for a GPU');
      const device = await lab.device();
      set('preparing', 'Preparing the data');
      const experiment = await experimentFor(own.of, lab.files);
      signal.throwIfAborted();
      running = { cost: await estimate(own.of), done: 0, since: performance.now(), before: 0 };
      set('preparing', 'Compiling the kernels');
      const result = await own.run(device, experiment, signal, (event) => {
        if (current()) take(event, own);
      });
      if (!current()) return;
      ({ trials, notes } = result);
      finish(own);
      set('done', '');
    } catch (error) {
      if (!current()) return;
      trials = own.trials;
      if (trials.length > 0) finish(own);
      // A lost device ends it by the same signal, and is no stop.
      if (signal.aborted && error === signal.reason && !(error instanceof DownhillError))
        return set(own.log.text === '' ? 'idle' : 'stopped', '');
      set('failed', '');
      const kept = trials.some(({ step }) => step > 0) ? '; what was measured stays' : '';
      lab.problem(error, `The search has stopped${kept}`, { label: 'Go on', retry: () => void start() });
    }
  }

  function take(event: SearchEvent, own: Searching): void {
    if (event.type === 'begin') running.before = event.trials.reduce((sum, { step }) => sum + step, 0);
    else if (event.type === 'steps') running.done += event.steps;
    else if (event.type === 'result') {
      trials = own.trials;
      finish(own);
    }
    if (phase !== 'running') set('running', '');
    drawSoon();
  }

  /** Shows what there is. */
  function finish(own: Searching): void {
    table.show(own.of, trials);
    const { space, metric } = own.of;
    const direction = metric === 'accuracy' ? 'maximize' : 'minimize';
    charts ??= import('./charts.js').then(({ SearchCharts }) => new SearchCharts(parts.parallel, parts.heat));
    const shown = trials;
    void charts.then((ready) => {
      if (own !== searching) return;
      parts.figures.hidden = false;
      ready.show({ trials: shown, space, direction, metric });
    });
  }

  function set(next: Phase, doing: string): void {
    phase = next;
    activity = doing;
    if (phase === 'done' && running.cost && running.before === 0)
      speed.measure(running.cost, (performance.now() - running.since) / 1000, lab.adapter?.cpu ?? false);
    refresh();
    if (phase === 'done') estimateSoon();
  }

  function clear(): void {
    if (busy()) return;
    searching = undefined;
    trials = [];
    notes = [];
    table.element.hidden = true;
    parts.figures.hidden = true;
    set('idle', '');
  }

  // ------------------------------------------------------------------------------------------------------------- its cost

  function flopsOf(of: SearchOf, params: Params): number | undefined {
    const { settings } = parse(trialTexts(judgedTexts(of.texts), params));
    const known = settings && settings.source !== 'files' ? outlineOf(settings, undefined) : undefined;
    if (!known) return undefined;
    const { config, shape } = known;
    return stepFlops(config.model.sizes, config.batchSize ?? shape.train);
  }

  const estimate = (of: SearchOf): Promise<Cost> => costOf(of, (params) => flopsOf(of, params));

  let asked = 0;
  /** Not at each key: the whole plan of the search is made for it. */
  function estimateSoon(): void {
    const ask = ++asked;
    setTimeout(async () => {
      if (ask !== asked) return;
      const of = lab.form.settings && panel.ready;
      cost = of ? await estimate(of).catch(() => undefined) : undefined;
      if (ask === asked) sayCost(of);
    }, 150);
  }

  function sayCost(of: SearchOf | undefined): void {
    panel.command = of ? commandOf(of) : 'A setting needs a change.';
    if (!of || !cost) {
      panel.cost = of ? 'This plan does not fit: a grid needs as many trials as it has points.' : '';
      return;
    }
    const whole = of.trials * of.steps;
    const share =
      cost.steps < whole ? `, ${Math.round((100 * cost.steps) / whole)} % of training every trial to its end` : '';
    const { seconds, measured } = speed.estimate(cost, lab.adapter?.cpu ?? false);
    const time = Number.isFinite(seconds)
      ? ` About ${duration(seconds)} here, ${measured ? 'by the last search' : 'roughly: nothing was measured yet'}.`
      : '';
    panel.cost = `${count(cost.steps)} steps of training${share}.${time}`;
  }

  // ------------------------------------------------------------------------------------------------------------- on screen

  let frame = 0;
  function drawSoon(): void {
    if (frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      refresh();
    });
  }

  function statusText(): string {
    if (phase === 'idle') return 'Ready';
    if (phase === 'preparing') return activity;
    const done = trials.filter(({ state, step }) => state !== 'running' || step > 0).length;
    const of = searching ? ` of ${count(searching.of.trials)} trials` : '';
    if (phase === 'failed') return `Stopped by an error: ${count(done)}${of} measured`;
    if (phase === 'stopped') return `Stopped: ${count(done)}${of} measured`;
    if (phase === 'done') return `Done: ${count(done)} trials. ${notes.join(' ')}`;
    const left = timeLeft();
    return `Searching: ${count(done)}${of} measured${left === undefined ? '' : `, about ${duration(left)} left`}`;
  }

  function share(): number {
    const { cost, done, before } = running;
    return cost ? Math.min(1, (before + done) / cost.steps) : 0;
  }

  function timeLeft(): number | undefined {
    const { cost, done, since, before } = running;
    const seconds = (performance.now() - since) / 1000;
    if (!cost || done === 0 || seconds < 1) return undefined;
    return Math.max(0, cost.steps - before - done) * (seconds / done);
  }

  function refresh(): void {
    setText(parts.status, statusText());
    parts.status.dataset.phase = phase === 'stopped' ? 'paused' : phase;
    parts.progress.value = phase === 'done' ? 1 : phase === 'idle' ? 0 : share();
    setText(parts.primary, busy() ? 'Stop' : goesOn() && searching?.log.text ? 'Go on' : 'Start');
    setOff(parts.primary, lab.adapter === undefined);
    setOff(parts.secondary, busy() || searching === undefined);
    setOff(parts.save, searching === undefined || trials.length === 0);
    setOff(parts.load, busy());
    panel.disabled = busy();
    lab.progress('search', phase === 'running' ? share() : undefined);
  }

  const press = (): void => {
    if (!busy() && !isOff(parts.primary)) void start();
  };
  const toggle = (): void => (busy() ? abort.abort() : press());
  onEnter(panel.element, press);
  parts.primary.addEventListener('click', toggle);
  parts.secondary.addEventListener('click', () => {
    if (!isOff(parts.secondary)) clear();
  });
  parts.save.addEventListener('click', () => {
    if (searching && !isOff(parts.save)) saveJournal(searching, lab.adapter?.name);
  });
  parts.load.addEventListener('click', () => {
    if (!isOff(parts.load)) parts.file.click();
  });
  parts.file.addEventListener('change', async () => {
    const [file] = parts.file.files ?? [];
    parts.file.value = '';
    if (!file) return;
    try {
      const { found, state } = await readJournal(file);
      if (busy()) throw new PageError('A search was started meanwhile.', 'Open the log when it has ended.');
      await lab.open('search', { experiment: found.of.texts, state });
      searching = found;
      ({ trials } = found);
      notes = [];
      running = { cost: undefined, done: 0, since: 0, before: 0 };
      lab.solved();
      finish(found);
      set(found.ended ? 'done' : 'stopped', '');
    } catch (error) {
      lab.problem(error, 'The file was not opened');
    }
  });
  lab.onDevice((_device, error) => {
    // The search itself ends with what the device's queue says; this only wakes it where it waits for nothing.
    if (error !== undefined && phase === 'preparing') abort.abort(error);
    panel.follow();
    estimateSoon();
    refresh();
  });
  lab.onSettings(() => {
    panel.follow();
    estimateSoon();
    refresh();
  });
  panel.follow();
  estimateSoon();
  refresh();

  return {
    get doing() {
      return busy() ? 'A search is under way' : range.busy ? 'A range test is under way' : '';
    },
    state: () => panel.state(),
    take: (state) => {
      const wrong = panel.take(state);
      estimateSoon();
      refresh();
      return wrong;
    },
    shown() {},
    start: press,
    toggle,
    stop: () => {
      if (busy()) abort.abort();
      range.stop();
    },
  };
}

const sameSearch = (a: SearchOf, b: SearchOf): boolean => JSON.stringify(a) === JSON.stringify(b);

function buildView() {
  const head = viewCard('search', 'Search', { id: 'clear', text: 'Clear' });
  const small = (id: string, textContent: string) =>
    make('button', { type: 'button', className: 'button quiet small', id, textContent });
  const [save, load] = [small('search-save', 'Save the log'), small('search-load', 'Open a log')];
  const file = make('input', { type: 'file', id: 'search-file', accept: '.json,application/json', hidden: true });
  const picture = (label: string) => {
    const box = make('div', { className: 'search-picture' });
    box.setAttribute('role', 'img');
    box.setAttribute('aria-label', `${label}. The best of them stand in the table below.`);
    return { box, figure: make('figure', {}, make('figcaption', { textContent: label }), box) };
  };
  const parallel = picture(
    'Every trial: a line through its settings to its result; the best is thick, failed ones are dashed',
  );
  const heat = picture(
    'The best trial in each cell; the dashed line is linear scaling, rate ∝ batch, through the best',
  );
  const figures = make('div', { className: 'search-figures', hidden: true }, parallel.figure, heat.figure);
  head.card.append(figures, make('p', { className: 'search-log' }, save, load, file));
  byId('search').append(head.card);
  return { ...head, save, load, file, figures, parallel: parallel.box, heat: heat.box };
}
