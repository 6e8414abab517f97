import { checkChoice, checkInteger, checkNumber, checkOptions, checkText } from '../../gpu/fields.js';
import { checkCall, named, type ReportedSchedule } from './core.js';

/** Whether a smaller or a larger metric is better. */
export const PLATEAU_MODES = ['min', 'max'] as const;
/** Whether the threshold is a share of the best metric or a difference to it. */
export const THRESHOLD_MODES = ['rel', 'abs'] as const;

/** Options of {@link plateau}, with PyTorch's names and defaults. */
export interface PlateauOptions {
  /** What the rate is multiplied with: above 0 and below 1. Default 0.1. */
  readonly factor?: number;
  /** Reports without progress that are let pass; the one after them lowers the rate. Default 10. */
  readonly patience?: number;
  /** By how much a metric must be better than the best so far to count as progress. At least 0, default 1e-4. */
  readonly threshold?: number;
  /** Default 'rel'. */
  readonly thresholdMode?: (typeof THRESHOLD_MODES)[number];
  /** Reports after a reduction in which none counts against the rate. Default 0. */
  readonly cooldown?: number;
  /** The rate goes no lower: from 0 to the value. Default 0. */
  readonly minLr?: number;
  /** A smaller change of the rate is not made. At least 0, default 1e-8. */
  readonly eps?: number;
  /** 'min' (a loss) or 'max' (an accuracy). Default 'min'. */
  readonly mode?: (typeof PLATEAU_MODES)[number];
  /**
   * What a trainer with `validation` reports by itself: 'loss', or what its loss counts, such as 'accuracy'. 'reported' for
   * neither: you report. Default 'loss' with mode 'min', what the loss counts with mode 'max'.
   */
  readonly metric?: string;
}

/** What a {@link plateau} remembers: plain JSON, for checkpoints. */
export interface PlateauState {
  readonly lr: number;
  /** Absent before the first report. */
  readonly best?: number;
  /** Reports since the best one. */
  readonly bad: number;
  /** Reports of the cool-down that are left. */
  readonly cooling: number;
}

/** Made by {@link plateau}. */
export interface PlateauSchedule extends ReportedSchedule {
  /**
   * Takes in a metric, as a rule one per evaluation. Not needed where the trainer has `validation`.
   *
   * @returns the value from now on; a trainer uses it in every step submitted after the call (up to two submits are
   * under way by then), and says in each step's report which one it was.
   * @throws DownhillError OPTION-RANGE, OPTION-TYPE for a metric that is not a finite number; the state is as before.
   */
  report(metric: number): number;
  state(): PlateauState;
  /**
   * Goes on from a state.
   *
   * @throws DownhillError OPTION-*; the state is as before.
   */
  load(state: PlateauState): void;
}

/**
 * A value that is lowered when a reported metric stops getting better. The one schedule that is no function of the count:
 * it has the same value for every count, until `report` changes it.
 *
 * A metric is progress where it is below best · (1 - threshold), or best - threshold with thresholdMode 'abs'; with mode
 * 'max' above best · (1 + threshold) or best + threshold. After more than `patience` reports without any, the value becomes
 * max(value · factor, minLr).
 *
 * A trainer with `validation` reports its metric, right after the validation's step: it waits for the result before it
 * submits the next one, so that the rate falls at the same step every time. Else you report.
 *
 * @example
 * const lr = plateau(1e-3, { factor: 0.5, patience: 2 });
 * await createTrainer(device, { model, rule: adam({ lr }), data, validation: { data: held } }); // reports by itself
 * const trainer = await createTrainer(device, { model, rule: adam({ lr }), data });
 * for (let epoch = 0; epoch < 20; epoch++) {
 *   for await (const _ of trainer.run({ epochs: 1 }));
 *   lr.report((await trainer.evaluate(test)).loss);
 * }
 * @throws DownhillError OPTION-RANGE, OPTION-TYPE, OPTION-UNKNOWN.
 * As PyTorch's ReduceLROnPlateau.
 */
export function plateau(value: number, options: PlateauOptions = {}): PlateauSchedule {
  const checked = checkPlateau(value, options);
  const { factor, patience, cooldown, minLr, eps } = checked;
  let state: PlateauState = { lr: value, bad: 0, cooling: 0 };
  let version = 0;

  const report = (metric: number): number => {
    checkNumber('plateau: the metric', metric);
    const progress = state.best === undefined || isProgress(metric, state.best, checked);
    const cooling = Math.max(state.cooling - 1, 0);
    const bad = progress || state.cooling > 0 ? 0 : state.bad + 1;
    const best = progress ? metric : state.best!;
    if (bad <= patience) {
      state = { lr: state.lr, best, bad, cooling };
      return state.lr;
    }
    const lower = Math.max(state.lr * factor, minLr);
    const lr = state.lr - lower > eps ? lower : state.lr;
    if (lr !== state.lr) version++;
    state = { lr, best, bad: 0, cooling: cooldown };
    return lr;
  };

  const load = (next: PlateauState): void => {
    state = checkState(next, minLr, value);
    version++;
  };

  const { mode, metric } = checked;
  const schedule = named('plateau', [value], checked, () => state.lr);
  Object.defineProperties(schedule, {
    dynamic: { value: true },
    version: { get: () => version },
    sources: { get: () => [schedule] },
  });
  return Object.assign(schedule as ReportedSchedule, { mode, metric, report, load, state: () => ({ ...state }) });
}

type Checked = Required<Omit<PlateauOptions, 'metric'>> & { readonly metric: string | undefined };

function checkPlateau(value: number, options: PlateauOptions): Checked {
  const known = ['factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps', 'mode', 'metric'];
  checkCall('plateau', value, options, known);
  checkNumber('plateau: the value', value, { min: 0 });
  return {
    factor: checkNumber('plateau: factor', options.factor ?? 0.1, { above: 0, below: 1 }),
    patience: checkInteger('plateau: patience', options.patience ?? 10, 0),
    threshold: checkNumber('plateau: threshold', options.threshold ?? 1e-4, { min: 0 }),
    thresholdMode: checkChoice('plateau: thresholdMode', options.thresholdMode ?? 'rel', THRESHOLD_MODES),
    cooldown: checkInteger('plateau: cooldown', options.cooldown ?? 0, 0),
    minLr: checkNumber('plateau: minLr', options.minLr ?? 0, { min: 0, max: value }),
    eps: checkNumber('plateau: eps', options.eps ?? 1e-8, { min: 0 }),
    mode: checkChoice('plateau: mode', options.mode ?? 'min', PLATEAU_MODES),
    metric: options.metric === undefined ? undefined : checkText('plateau: metric', options.metric),
  };
}

function isProgress(metric: number, best: number, { mode, threshold, thresholdMode }: Checked): boolean {
  const margin = mode === 'min' ? -threshold : threshold;
  const bar = thresholdMode === 'rel' ? best * (1 + margin) : best + margin;
  return mode === 'min' ? metric < bar : metric > bar;
}

function checkState(state: PlateauState, minLr: number, maxLr: number): PlateauState {
  checkOptions('plateau: load', state, ['lr', 'best', 'bad', 'cooling']);
  const { best } = state;
  if (best !== undefined) checkNumber('plateau: load: best', best);
  return {
    lr: checkNumber('plateau: load: lr', state.lr, { min: minLr, max: maxLr }),
    ...(best === undefined ? {} : { best }),
    bad: checkInteger('plateau: load: bad', state.bad, 0),
    cooling: checkInteger('plateau: load: cooling', state.cooling, 0),
  };
}
