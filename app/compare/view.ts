import './compare.css';
import { runSteps } from '../../harness/train/schedule.js';
import { outlineOf } from '../experiment/config.js';
import { parse, type Settings } from '../experiment/settings.js';
import { lastOf } from '../runs/history.js';
import { setupOf, withRule } from '../search/setup.js';
import { concerns } from '../shell/device.js';
import { byId, onEnter, setText } from '../shell/dom.js';
import { count } from '../shell/format.js';
import { toLink } from '../shell/link.js';
import { viewCard } from '../shell/view-card.js';
import type { Lab, View } from '../shell/views.js';
import { captionOf } from '../train/caption.js';
import { defaultRate, RATES, ruleOf, textsOf, titleOf } from './members.js';
import { ComparePanel, type Wanted } from './panel.js';
import { Descent } from './reached.js';
import { type Result, Results } from './results.js';
import { LABEL, type Plan, type Planned, Together } from './together.js';
import { TUNING_LABEL, tuneRates, tuningCost } from './tune.js';

/* The wiring: panel -> population -> curves and table; each member is a run on the shelf. */

export function open(lab: Lab): View {
  const parts = buildView();
  const panel = new ComparePanel(() => {
    describe();
    lab.changed();
  });
  byId('compare-panel').append(panel.element);
  onEnter(panel.element, () => {
    if (!together.busy && lab.adapter) start();
  });
  const results = new Results(({ run }) => void lab.open('train', { experiment: run.about.settings }), lab.changed);
  parts.card.append(results.element);

  let shown: Result[] = [];
  let plan: Plan | undefined;
  let wanted: Wanted | undefined;
  let texts = lab.form.texts;

  const together = new Together({
    changed: refresh,
    planned: begin,
    stepped(step, losses, _lrs, seconds) {
      for (const [i, { run, descent }] of shown.entries()) {
        if (run.status === 'diverged') continue;
        const loss = losses[i]!;
        run.push(step, loss, seconds);
        descent.push(step, loss, seconds);
        if (Number.isFinite(loss)) continue;
        run.status = 'diverged';
        together.halt(i);
        lab.runs.changed();
      }
      drawSoon();
    },
    tested(step, losses, accuracies) {
      for (const [i, { run }] of shown.entries()) {
        if (run.status === 'diverged') continue;
        run.test({ step, loss: losses[i]!, accuracy: accuracies?.[i], seconds: together.seconds });
      }
      lab.runs.changed();
      drawSoon();
    },
    failed: (error) =>
      lab.problem(
        error,
        shown.length > 0 && together.step > 0
          ? `The comparison has stopped after ${count(together.step)} steps; what was measured stays`
          : 'The comparison did not start',
        { label: 'Start again', retry: start },
      ),
  });

  /** What is trained is asked for once the device is there: rates may have to be tuned on it. */
  async function makePlan(device: GPUDevice, signal: AbortSignal): Promise<Plan> {
    const experiment = await setupOf(lab);
    const { choices, rates, lr } = wanted!;
    let lrs = choices.map((choice) => choice.lr ?? (rates === 'equal' ? lr : undefined));
    if (rates === 'tuned') {
      const { steps, rates: tried } = tuningCost(choices, experiment.steps);
      together.set('tuning', `Trying ${tried} rates for each`);
      const told = (done: number) => setText(parts.status, `Trying ${tried} rates for each: step ${done} of ${steps}`);
      lrs = await tuneRates(device, experiment, choices, { steps, signal, told });
    }
    plan = { experiment, rules: choices.map(({ name }, i) => ruleOf(name, lrs[i])) };
    return plan;
  }

  /** Members are on the shelf from their first step on. */
  function begin(planned: Planned): void {
    const { stepsPerEpoch, totalSteps, batchSize, stateBytes } = planned;
    shown = plan!.rules.map((rule, i) => {
      const { name } = wanted!.choices[i]!;
      const experiment = textsOf(texts, rule);
      const { settings } = parse(experiment);
      const { lr } = rule.hyper as { readonly lr?: number };
      const run = lab.runs.add({
        view: 'compare',
        name: lr === undefined ? titleOf(name) : `${titleOf(name)}, lr ${lr}`,
        caption: settings ? captionOf(settings, experiment, lab.adapter) : titleOf(name),
        settings: experiment,
        link: toLink({ view: 'train', experiment, state: {} }),
        ...(plan!.experiment.repeatable && { config: withRule(plan!.experiment, rule).config }),
        adapter: lab.adapter?.name ?? '',
        ...{ batchSize, stepsPerEpoch, totalSteps },
      });
      const descent = new Descent(lastOf(stepsPerEpoch));
      return { title: titleOf(name), lr, stateBytes: stateBytes[i]!, run, descent };
    });
    const members = `${shown.length} ${shown.length === 1 ? 'member' : 'members'}`;
    results.show(
      shown,
      `${members} of one population: the same start (seed ${plan!.experiment.config.seed}) and the same batches. Rates: ${ratesText(wanted!)}. ` +
        `Loss: mean of the last ${lastOf(stepsPerEpoch)}. Seconds: of all ${shown.length} together, which share dispatches.`,
    );
  }

  let frame = 0;
  function drawSoon(): void {
    results.update();
    if (frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      showPhase();
    });
  }

  function showPhase(): void {
    const { phase, activity, step, totalSteps, busy } = together;
    parts.status.dataset.phase = phase === 'tuning' ? 'running' : phase;
    parts.progress.value = totalSteps ? step / totalSteps : 0;
    if (phase !== 'tuning') setText(parts.status, statusText(together));
    else if (activity !== '' && !parts.status.textContent!.startsWith('Trying')) setText(parts.status, activity);
    setText(parts.primary, phase === 'running' ? 'Pause' : phase === 'paused' ? 'Resume' : 'Start');
    const waiting = phase === 'preparing' || phase === 'tuning' || (lab.adapter === undefined && !busy);
    parts.primary.setAttribute('aria-disabled', String(waiting));
    parts.secondary.setAttribute('aria-disabled', String(!busy));
    lab.progress('compare', busy && totalSteps ? step / totalSteps : undefined);
  }

  function refresh(): void {
    showPhase();
    panel.disabled = together.busy;
    const { phase, step, totalSteps } = together;
    for (const { run, descent } of shown) {
      if (run.status === 'diverged') continue;
      const over =
        phase === 'done' ? (step < totalSteps ? 'stopped' : 'done') : phase === 'failed' ? 'failed' : undefined;
      const status = over ?? (phase === 'paused' ? 'paused' : 'running');
      run.status = over === 'done' && descent.loss > 3 * (descent.first ?? Number.NaN) ? 'diverged' : status;
    }
    if (shown.length > 0 && phase !== 'running') lab.runs.changed();
    drawSoon();
  }

  /** What a press of Start would do, and what it costs. */
  function describe(): void {
    const { settings } = lab.form;
    const { choices, rates } = panel;
    const steps = settings && stepsOf(settings);
    if (steps === undefined || choices.length === 0) {
      panel.note = rates === 'tuned' ? `Before the run, rates are tuned for an eighth of its steps.` : '';
      return;
    }
    const { networks, steps: each } = tuningCost(choices, steps);
    const tuning =
      rates === 'tuned' ? ` Before: ${count(networks)} networks for ${count(each)} steps each, to tune.` : '';
    panel.note = `${choices.length} networks, ${count(steps)} steps each.${tuning}`;
  }

  function start(): void {
    if (together.busy) return;
    if (!lab.form.settings) {
      lab.form.focusProblem();
      return;
    }
    try {
      wanted = panel.wanted;
    } catch (error) {
      lab.problem(error, 'The comparison did not start');
      return;
    }
    lab.solved();
    texts = lab.form.texts;
    shown = [];
    plan = undefined;
    results.show([], '');
    together.start(() => lab.device(), makePlan);
  }

  const toggle = (): void => {
    if (together.phase === 'running') together.pause();
    else if (together.phase === 'paused') together.resume();
    else if (!together.busy && lab.adapter) start();
  };
  parts.primary.addEventListener('click', toggle);
  parts.secondary.addEventListener('click', () => together.stop());
  lab.onDevice((_device, error) => {
    if (error !== undefined && together.busy && concerns(error, LABEL, TUNING_LABEL)) together.fail(error);
    refresh();
  });
  lab.onSettings(describe);
  describe();
  refresh();

  return {
    get doing() {
      return together.busy ? 'A comparison is under way' : '';
    },
    state: () => ({ ...panel.state(), ...results.state() }),
    take: (state) => {
      const { rules: _, rates: __, lr: ___, target: ____, ...rest } = state;
      const wrong = [...panel.take(state), ...results.take(state), ...Object.keys(rest)];
      describe();
      return wrong;
    },
    shown: () => results.update(),
    start: () => {
      if (!together.busy && lab.adapter) start();
    },
    toggle,
    stop: () => together.stop(),
  };
}

/** Steps of a run, where they are known before its data is read: of drawn data they are. */
function stepsOf(settings: Settings): number | undefined {
  const known = settings.source === 'files' ? undefined : outlineOf(settings, undefined);
  return known && runSteps(known.config, known.shape.train);
}

function ratesText({ rates, choices, lr }: Wanted): string {
  const own = choices.filter((choice) => choice.lr !== undefined).length;
  const without = choices.some(({ name }) => defaultRate(name) === undefined);
  const text = rates === 'equal' ? `${RATES.equal}, ${lr}` : RATES[rates];
  return `${text}${own > 0 ? `, ${own} as typed` : ''}${without ? ', where a rule has one' : ''}`;
}

function statusText({ phase, activity, step, totalSteps }: Together): string {
  if (phase === 'idle') return 'Ready';
  if (phase === 'failed') return `Stopped by an error after ${count(step)} steps`;
  if (phase === 'done') return step < totalSteps ? `Stopped after ${count(step)} steps` : `Done: ${count(step)} steps`;
  const at = totalSteps ? `step ${count(step)} of ${count(totalSteps)}` : '';
  if (phase === 'preparing') return activity;
  return `${phase === 'paused' ? 'Paused' : 'Training'}, ${at}${activity ? ` (${activity.toLowerCase()})` : ''}`;
}

function buildView() {
  const parts = viewCard('compare', 'Comparison', { id: 'stop', text: 'Stop' });
  byId('compare').append(parts.card);
  return parts;
}
