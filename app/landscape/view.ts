import './landscape.css';
import { digits } from '../../harness/common/svg.js';
import type { Texts } from '../experiment/settings.js';
import { byId, make, setText } from '../shell/dom.js';
import { count } from '../shell/format.js';
import { turn } from '../shell/turn.js';
import type { Lab, View } from '../shell/views.js';
import type { Arrows } from './arrows.js';
import { CONTENDERS } from './contenders.js';
import { askArrows, askGround, askWays } from './engine.js';
import { savePicture } from './export.js';
import { FallChart } from './fall.js';
import { OWN, windowOf } from './functions.js';
import { Keys } from './keys.js';
import { NetworkPlane } from './network.js';
import { Panel } from './panel.js';
import { Player } from './player.js';
import { Plot } from './plot.js';
import { Pointer } from './pointer.js';
import { sceneOf } from './scene.js';
import { changed, DEFAULTS, isKey, type Parsed, parse, RATE } from './settings.js';
import { groundColours } from './style.js';
import { ContenderTable } from './table.js';
import { RATES, type Ways, type WaysJob } from './ways.js';
import { Choice, type What } from './what.js';

/* The landscape of functions: texts -> settings -> workers -> picture and table. */

export async function open(lab: Lab): Promise<View> {
  let texts: Texts = DEFAULTS;
  let parsed: Parsed = { wrong: new Map() };
  let ways: Ways | undefined;
  let arrows: Arrows | undefined;

  const canvas = make('canvas', { tabIndex: 0, id: 'land-canvas' });
  const plot = new Plot(canvas);
  const player = new Player(() => drawSoon());
  const status = make('p', { className: 'status land-status', role: 'status', id: 'land-status' });
  const formula = make('pre', { className: 'formula' });
  const facts = make('p', { className: 'hint', id: 'land-facts' });
  const keys = new Keys((key) => set({ arrows: key }));
  const fallBox = make('div', { id: 'land-fall' });
  const table = new ContenderTable({
    shown: (all) => set({ rules: all.join(',') }),
    rated: (key, text) => set({ [RATE + key]: text.trim() }),
  });
  const panel = new Panel(
    (key, text) => set(key === 'problem' ? { problem: text, x: '', y: '' } : { [key]: text }),
    () => set({ x: '', y: '' }),
  );
  const save = make('button', { type: 'button', className: 'button quiet small', textContent: 'Save the picture' });
  save.addEventListener('click', () => {
    savePicture(canvas, captionOf()).catch((error: unknown) => lab.problem(error, 'The picture was not saved'));
  });
  const functions = make(
    'section',
    { className: 'card run', ariaLabel: 'Picture' },
    make('div', { className: 'run-head' }, make('h2', { textContent: 'Landscape' }), status),
    make('div', { className: 'land-picture' }, canvas),
    player.element,
    keys.element,
    formula,
    facts,
    make('div', { className: 'land-save' }, save),
    fallBox,
    table.element,
  );
  // Thirty rows of a table, a form, a chart: each is a task of its own.
  await turn();
  const network = new NetworkPlane(lab, () => lab.changed());
  const what = new Choice((chosen) => {
    show(chosen);
    lab.changed();
  });
  byId('landscape').append(functions, network.element);
  byId('landscape-panel').append(what.element, panel.element, network.panel);

  /** Functions, or the network. */
  function show(chosen: What): void {
    what.value = chosen;
    for (const part of [functions, panel.element]) part.hidden = chosen !== 'functions';
    for (const part of [network.element, network.panel]) part.hidden = chosen !== 'network';
    if (chosen === 'network') player.pause();
    if (plot.fit()) repaint();
  }
  await turn();
  const fall = new FallChart(fallBox);

  /** Changes texts, and what follows from them. */
  function set(given: Texts): void {
    take({ ...texts, ...given });
    lab.changed();
  }

  function take(next: Texts): void {
    const before = parsed;
    texts = next;
    parsed = parse(texts);
    const { settings } = parsed;
    panel.show(texts, parsed);
    if (!same(parsed.function, before.function)) showFunction();
    if (settings) {
      table.choose(settings.shown, settings.selected, ratesTyped(texts));
      keys.choose(settings.selected);
      if (!same(jobOf(parsed), jobOf(before))) void compute();
      else if (settings.selected !== before.settings?.selected) void remember();
      if (ways && !same([...settings.shown], [...(before.settings?.shown ?? [])])) fall.show(ways, settings);
    } else if (before.settings) {
      [ways, arrows] = [undefined, undefined];
      table.clear();
      fall.clear();
      setText(facts, '');
      setText(status, 'A setting needs a change');
    }
    drawSoon();
  }

  function showFunction(): void {
    const { function: choice, problem } = parsed;
    setText(formula, problem?.row.formula.join('\n') ?? '');
    if (!choice) return;
    const [x, y] = windowOf(choice);
    plot.window = { x, y };
    void paintGround();
  }

  async function compute(): Promise<void> {
    const job = jobOf(parsed);
    if (!job) return;
    setText(status, 'Computing …');
    try {
      const done = await askWays(job);
      const { settings } = parsed;
      if (!done || !settings) return;
      ways = done;
      arrows = undefined;
      player.steps = settings.steps;
      table.show(done, settings.steps);
      fall.show(done, settings);
      setText(formula, parsed.problem?.row.formula.join('\n') ?? '');
      setText(facts, factsOf(done, job));
      const time = `${Math.round(done.milliseconds)} ms`;
      setText(status, `${done.ways.length} optimizers, ${count(settings.steps)} steps: ${time}`);
      drawSoon();
      await remember();
    } catch (error) {
      setText(status, 'Stopped');
      lab.problem(error, 'The landscape was not computed');
    }
  }

  /** Gradients and momenta of the one whose arrows are drawn. */
  async function remember(): Promise<void> {
    const [job, key] = [jobOf(parsed), parsed.settings?.selected];
    const way = ways?.ways.find((each) => each.key === key);
    if (!job || !way) return;
    const { lr, points } = way;
    const done = await askArrows({
      job,
      key: way.key,
      lr: CONTENDERS.find((each) => each.key === key)?.rated ? lr : undefined,
      points,
    });
    if (!done) return;
    arrows = done;
    drawSoon();
  }

  async function paintGround(): Promise<void> {
    const { function: choice } = parsed;
    if (!choice || !plot.isShown) return;
    const { frame } = plot;
    try {
      const pixels = await askGround({ ground: choice, frame, colours: groundColours() });
      if (!pixels) return;
      plot.setGround(pixels, frame);
      drawSoon();
    } catch (error) {
      lab.problem(error, 'The landscape was not painted');
    }
  }

  let waiting = 0;
  function drawSoon(): void {
    if (waiting !== 0) return;
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      const { x } = plot.frame;
      plot.draw(sceneOf(parsed, ways, arrows, player.step, x[1] - x[0]));
    });
  }

  const captionOf = () => {
    const { problem, start } = parsed;
    return `${problem?.row.formula.join('; ') ?? ''}, from (${start?.map((each) => digits(each)).join(', ')}), ${count(player.step)} steps`;
  };
  const repaint = () => {
    table.paint();
    void paintGround();
    drawSoon();
  };
  new Pointer(canvas, {
    place: (event) => plot.placeOf(event),
    start: () => parsed.start,
    width: () => plot.frame.x[1] - plot.frame.x[0],
    moved: ([x, y]) => set({ x: String(Number(x.toPrecision(4))), y: String(Number(y.toPrecision(4))) }),
    toggle: () => player.toggle(),
  });
  new ResizeObserver(() =>
    requestAnimationFrame(() => {
      if (plot.fit()) repaint();
    }),
  ).observe(canvas.parentElement!);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
  await turn();
  show('functions');
  take(DEFAULTS);

  return {
    get doing() {
      return network.busy ? 'A plane is being computed' : '';
    },
    state: () => ({ ...(what.value === 'network' && { what: what.value }), ...changed(texts), ...network.state() }),
    take({ what: chosen = 'functions', ...state }) {
      const unknown = Object.keys(state).filter((key) => !isKey(key) && !key.startsWith('net.'));
      if (chosen !== 'functions' && chosen !== 'network') unknown.push('what');
      const known = Object.fromEntries(Object.entries(state).filter(([key]) => isKey(key)));
      take({ ...DEFAULTS, ...known });
      unknown.push(...network.take(state));
      show(chosen === 'network' ? 'network' : 'functions');
      return [...unknown, ...[...parsed.wrong.keys()].filter((key) => key in state)];
    },
    shown() {
      if (plot.fit()) repaint();
    },
    toggle() {
      if (what.value === 'functions') player.toggle();
    },
    stop() {
      player.pause();
      network.stop();
    },
  };
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** What the ways depend on. */
function jobOf({ settings }: Parsed): WaysJob | undefined {
  if (!settings) return undefined;
  const { shown: _, selected: __, ...job } = settings;
  return job;
}

const ratesTyped = (texts: Texts): Record<string, string> =>
  Object.fromEntries(
    Object.entries(texts)
      .filter(([key]) => key.startsWith(RATE))
      .map(([key, text]) => [key.slice(RATE.length), text]),
  );

/** What the Hessian says at the lowest minimum, at the saddle or at the start, and what the rates are. */
function factsOf({ curvatures, at, minima }: Ways, { mode, function: { name } }: WaysJob): string {
  const { eigenvalues, condition, stableBelow } = curvatures;
  const found = name === OWN && minima[0] ? ` that was found, f = ${digits(minima[0].value)}` : '';
  const of = `eigenvalues of the Hessian ${digits(eigenvalues[1]!)} and ${digits(eigenvalues[0]!)}`;
  const number = condition === undefined ? '' : `, condition number ${digits(condition)}`;
  const limit = Number.isFinite(stableBelow)
    ? ` Gradient descent is stable there below the rate 2/λmax = ${digits(stableBelow)}.`
    : '';
  const rates = {
    tuned: ` Rates: for each the best of ${RATES.length} from ${RATES[0]} to ${RATES.at(-1)} that stays near the picture, unless one is typed.`,
    default: ' Rates: each rule’s default, unless one is typed.',
    equal: '',
  }[mode];
  return `At the ${at}${found}: ${of}${number}.${limit}${rates}`;
}
