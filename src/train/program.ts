import { type BufferRange, BufferSet, guarded, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { checkChoice } from '../gpu/fields.js';
import { createPasses, type Pass } from '../gpu/passes.js';
import { loadKernels, lower } from '../kernels/lower.js';
import type { Form, Op } from '../kernels/op.js';
import type { Average } from '../optim/averages.js';
import type { EvaluatedWeights } from '../optim/evaluation.js';
import type { Group } from '../optim/group.js';
import type { Minimizer, MinimizerModule } from '../optim/minimizer.js';
import { readState } from '../optim/optimizer-state.js';
import type { Rule, RuleRow } from '../optim/rule.js';
import type { RuleShare } from '../optim/shared-updates.js';
import type { OptimizerState } from '../optim/state-types.js';
import { arenaUpdate, type GradientSettings, Updater, type UpdaterOptions } from '../optim/updater.js';
import { WeightAverage } from '../optim/weight-average.js';
import { arenaSpace } from '../space/arena.js';
import { elementsOf, type PlacedVector, type Space, type Vector } from '../space/space.js';
import type { Stateful } from '../space/stateful.js';
import { partRange, readTensors } from '../space/vectors.js';
import type { gradientAgain } from './again.js';
import type { PlacedWeights } from './evaluate.js';
import { formsOf } from './forms.js';
import { writeInitial, writeStatistics } from './initial.js';
import type { BoundObjective, Objective, WatchedStep } from './objective.js';
import type { Chooser, Chosen, FormChoice } from './plan-types.js';
import type { ParameterRange, PlanReport } from './report-types.js';
import { type Front, LOSS_BYTES, mostSteps, Scheduler, stepsAhead } from './scheduler.js';
import type { Weights } from './types.js';
import { Validation, type ValidationPlan } from './validation.js';

export interface ProgramOptions {
  readonly label: string;
  readonly objective: Objective;
  readonly row: RuleRow;
  /** Every tensor is in one of them; as many rules in each as there are replicas. */
  readonly groups: readonly Group[];
  readonly settings: GradientSettings;
  /** Keeps the state in fewer bytes. */
  readonly packed?: UpdaterOptions['packed'];
  /** One per replica: of its batches and whatever else is drawn. */
  readonly seeds: readonly number[];
  /** One per replica, of its weights to begin with. Default the same. */
  readonly initialSeeds?: readonly number[];
  /** Rules of several rows, each for some replicas, in order; `row` and `groups` are then the first one's. */
  readonly shares?: readonly RuleShare[] | undefined;
  /** Told of a replica whose gradients were not finite too often in a row; by default the training fails. */
  readonly unusable?: (replica: number, step: number) => void;
  readonly submitMs: number;
  /** Of the weights, kept beside them. */
  readonly average?: Average | undefined;
  readonly validation?: ValidationPlan | undefined;
  /** Forms by pass name, where another plan than the heuristic's is wanted; or who chooses them, once the ops are known. */
  readonly choice?: FormChoice | Chooser | undefined;
  /** What each step does behind all else, with the parameters as it left them. */
  readonly behind?: (step: StepEnd) => { readonly ops: readonly Op[]; readonly forms: readonly Form[] };
  /** Every parameter in a buffer of its own. */
  readonly separate?: boolean;
  /** Largest arena, in bytes; default what the device binds. Tests lower it to see arenas split. */
  readonly maxArenaBytes?: number;
}

/** What a step leaves. */
export interface StepEnd {
  readonly buffers: BufferSet;
  readonly space: Space;
  readonly params: Vector;
  /** One per replica, as `advance` has them. */
  readonly clock: BufferRange;
}

/**
 * N replicas of an objective with their optimizer on the GPU: every buffer, and the list of passes of one step, made once.
 * The scheduler records that list.
 */
export class Program {
  private constructor(
    readonly device: GPUDevice,
    readonly options: ProgramOptions,
    readonly space: Space,
    readonly params: Vector,
    /** What layers keep beside parameters: running means … */
    readonly statistics: PlacedVector,
    readonly updater: Minimizer<Rule>,
    /** What it remembers, as plain data. */
    readonly state: () => Promise<OptimizerState>,
    /** What is evaluated, where it is not the parameters. */
    readonly average: WeightAverage | EvaluatedWeights | undefined,
    readonly passes: readonly Pass[],
    readonly scheduler: Scheduler,
    readonly bound: BoundObjective,
    readonly choice: FormChoice,
    readonly chosen: Chosen & Required<Pick<Chosen, 'notes'>>,
    readonly validation: Validation | undefined,
    /** In front of some steps. */
    readonly front: Front | undefined,
  ) {}

  static async create(device: GPUDevice, options: ProgramOptions): Promise<Program> {
    const { label, objective, row, groups, settings, seeds } = options;
    const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    const maxBytes = options.maxArenaBytes ?? limit;
    const replicas = seeds.length;
    const minimizer = await row.minimizer?.();
    if (minimizer?.product) await objective.loadProduct?.(row.name);
    const rule = (groups.find(({ frozen }) => !frozen) ?? groups[0]!).rules[0]!;
    const largest = Math.floor(maxBytes / (minimizer?.together(rule) ?? 1));
    const space = arenaSpace(objective.tensors, { replicas, maxBytes: largest, separate: options.separate });
    const kept = arenaSpace(objective.statistics, { replicas, maxBytes });
    objective.check(device, minimizer?.points(rule) ?? replicas);
    const wrappers = settings.wrappers ?? [];
    const rows = options.shares?.map((share) => share.row) ?? [row];
    const shared = options.shares && (await import('../optim/shared-updates.js'));
    const evaluation = row.evaluation && (await import('../optim/evaluation.js'));
    const several = rows.some(({ passes }) => passes) ? await import('../optim/passes.js') : undefined;
    const again = wrappers.some((each) => each.row.again) ? await import('./again.js') : undefined;
    const own = [
      ...(objective.forms ?? []),
      ...rows.flatMap(({ forms = [] }) => forms),
      ...(several?.passForms ?? []),
      ...(evaluation?.mixForms ?? []),
      ...wrappers.flatMap((each) => each.row.forms),
      ...(minimizer?.forms ?? []),
    ];
    const known = [...(await formsOf(device, options.choice !== undefined)), ...own];

    const buffers = new BufferSet(device, label);
    let validation: Validation | undefined;
    try {
      const params = await guarded(device, label, () => space.vector(buffers, 'parameters'));
      await writeInitial({ device, label, objective, space, params, seeds: options.initialSeeds ?? seeds });
      const made = await guarded(device, label, () => {
        const statistics = { space: kept, vector: kept.vector(buffers, 'statistics') };
        writeStatistics(device, objective, statistics);
        const ring = stepsAhead(replicas);
        const losses = range(buffers.storage('losses', LOSS_BYTES * ring * replicas));
        const start = { buffers, options, space, params, statistics, losses, ring };
        const steps = minimizer
          ? minimizerSteps(start, minimizer)
          : updaterSteps(start, { passesOf: several?.passesOf, evaluation, again, shared });
        follow(device, label, params, steps.updater.copies);
        const behind = options.behind?.({ buffers, space, params, clock: steps.updater.clock });
        const ops = [...steps.ops, ...(behind?.ops ?? [])];
        const forms = [...steps.forms, ...(behind?.forms ?? [])];
        return { statistics, losses, ...steps, ops, forms };
      });
      const { statistics, updater, average, bound, losses, ops, twice } = made;
      const forms = [...known, ...made.forms];
      await loadKernels(ops, forms, device);
      const chosen = await chosenFor(options.choice, ops, forms);
      const plan = await guarded(device, label, () => lower(ops, forms, device, chosen.choice));
      const drawn = row.curvature && (await import('./drawn.js'));
      // A row with a curvature has an updater of its own: `minimizer` rows have no kernel that could divide by one.
      const curved = { bound, updater: updater as Updater };
      const extra = drawn && (await drawn.drawnPasses(objective, curved, forms, plan.choice));
      const compiled = await createPasses(device, [...plan.passes, ...(extra?.specs ?? [])], buffers);
      const once = compiled.slice(0, plan.passes.length);
      const front = extra && { passes: compiled.slice(once.length), due: extra.due };
      const passes = twice && again ? again.inOrder(once, twice) : once;
      // What is evaluated, and so what is kept and put back, is the average where there is one.
      const weights = { space, params: average?.vector ?? params, statistics };
      validation =
        options.validation &&
        (await Validation.create(buffers, options.validation, weights, { ...made, clock: updater.clock }));
      const { submitMs, unusable } = options;
      const parts = { passes, front, updater, losses, submitMs, unusable, validation, feed: bound.feed };
      const scheduler = await guarded(device, label, () => new Scheduler(buffers, parts));
      return new Program(
        device,
        options,
        space,
        params,
        statistics,
        updater,
        made.state,
        average,
        passes,
        scheduler,
        bound,
        plan.choice,
        { ...chosen, notes: [...(chosen.notes ?? []), ...plan.notes] },
        validation,
        front,
      );
    } catch (error) {
      validation?.destroy();
      buffers.destroy();
      throw error;
    }
  }

  /** The network itself: what is trained, and what layers keep. */
  get network(): readonly PlacedVector[] {
    return [{ space: this.space, vector: this.params }, this.statistics];
  }

  /** Everything else that remembers: a checkpoint is the network and these parts. */
  get parts(): readonly Stateful[] {
    const more = [this.average, this.validation].filter((part) => part !== undefined);
    return [this.updater, this.scheduler, ...this.bound.parts, ...more];
  }

  /** What telemetry may look at: of layers nothing where their outputs are those of points that may not be taken. */
  get watched(): WatchedStep {
    const { watched } = this.bound;
    return this.options.row.minimizer ? { ...watched, layers: [] } : watched;
  }

  /** Where one replica's tensors lie. One that is cut where a limit asks has an entry for the rows of each part. */
  parameters(replica = 0): Record<string, ParameterRange> {
    const ranges: Record<string, ParameterRange> = {};
    for (const { name, shape } of this.space.tensors) {
      const parts = this.space.partsOf(name);
      for (const part of parts) {
        const own = partRange(this.space, this.params, part, replica);
        const width = shape.at(-1)!;
        const [first, rows] = [part.start / width, part.elements / width];
        if (parts.length === 1) ranges[name] = { ...own, shape };
        else ranges[`${name}[${first}:${first + rows}]`] = { ...own, shape: [rows, width] };
      }
    }
    return ranges;
  }

  /**
   * Weights of one kind, and what layers keep with them; by default the average, where one is kept.
   *
   * @throws DownhillError OPTION-RANGE
   */
  weights(which?: Weights): PlacedWeights {
    const { average, space, params, statistics, validation } = this;
    const current = { space, params, statistics };
    const kind = which === undefined ? undefined : checkChoice('weights', which, ['average', 'current', 'best']);
    if (kind === 'best') return validation?.bestWeights() ?? noBest(validation);
    if (kind === 'current' || (kind === undefined && !average)) return current;
    if (average) return { ...current, params: average.vector };
    throw new DownhillError(
      'OPTION-RANGE',
      'No average of the weights is kept.',
      "Leave out weights: 'average', or make the trainer with average: ema().",
    );
  }

  /** What starts as the parameters becomes them, in queue order: where they were set from outside. */
  follow(): void {
    this.average?.follow();
    this.updater.follow?.();
    follow(this.device, this.options.label, this.params, this.updater.copies);
  }

  /** One replica's tensors in host memory, after everything submitted so far. */
  async readParameters(replica = 0, weights: Weights = 'current'): Promise<Record<string, Float32Array>> {
    const vectors = [this.weights(weights).params];
    const [tensors] = await readTensors(this.device, this.options.label, this.space, vectors, replica);
    return Object.fromEntries(tensors!);
  }

  describe(): PlanReport {
    const { bound, space, average, chosen, front } = this;
    const shown = ({ label, kernel, grid }: Pass) => ({ label, kernel, grid });
    const { chosenBy, notes, measured } = chosen;
    const memory = this.updater.memory();
    const size = (vectors: readonly Vector[]) =>
      vectors.flatMap(({ ranges }) => ranges).reduce((sum, range) => sum + range.size, 0);
    return {
      label: this.options.label,
      dispatches: this.passes.length,
      passes: this.passes.map(shown),
      ...(front && { front: front.passes.map(shown) }),
      choice: this.choice,
      ...{ chosenBy, notes, ...(measured && { measured }) },
      state: memory.encodings,
      parameters: space.tensors.reduce((sum, tensor) => sum + elementsOf(tensor), 0),
      bytes: {
        parameters: size([this.params]),
        gradients: memory.gradients,
        state: memory.state + (average ? size([average.vector]) : 0),
        ...{ activations: bound.bytes.activations, data: bound.bytes.data },
      },
    };
  }

  destroy(): void {
    this.validation?.destroy();
    this.updater.buffers.destroy();
  }
}

/** What a step is made of, before anything of it exists. */
interface Start {
  readonly buffers: BufferSet;
  readonly options: ProgramOptions;
  readonly space: Space;
  readonly params: Vector;
  readonly statistics: PlacedVector;
  readonly losses: BufferRange;
  /** Steps whose losses are kept, and updates whose records are written ahead. */
  readonly ring: number;
}

/** A step: who makes updates of gradients, the objective bound to where it is looked at, and all ops in order. */
interface Steps {
  readonly updater: Minimizer<Rule>;
  readonly state: () => Promise<OptimizerState>;
  readonly bound: BoundObjective;
  readonly ops: readonly Op[];
  readonly average: WeightAverage | EvaluatedWeights | undefined;
  readonly forms: readonly Form[];
  /** Where each gradient is taken twice. */
  readonly twice: ReturnType<typeof gradientAgain>;
  /** Behind a validation. */
  readonly judged?: readonly Op[];
}

/** A step of one gradient for each update. @param loaded what few rules need */
function updaterSteps(
  { buffers, options, space, params, statistics, losses, ring }: Start,
  loaded: {
    readonly passesOf: UpdaterOptions['passesOf'];
    readonly evaluation: typeof import('../optim/evaluation.js') | undefined;
    readonly again: typeof import('./again.js') | undefined;
    readonly shared: typeof import('../optim/shared-updates.js') | undefined;
  },
): Steps {
  const { label, objective, row, groups, settings, seeds, packed } = options;
  const grads = space.vector(buffers, 'gradients');
  const bound = objective.bind({ label, buffers, space, params, grads, statistics, seeds });
  const updaterOptions = {
    ...settings,
    ...{ label, row, space, param: params, grad: grads, groups, packed, seeds },
    ...{ apply: arenaUpdate, passesOf: loaded.passesOf, copied: true },
    ...{ updates: ring, block: mostSteps(seeds.length) },
  };
  if (loaded.shared) {
    const updater = new loaded.shared.SharedUpdates(buffers, updaterOptions, options.shares!);
    const { clock, judged, forms } = updater;
    const after = [...bound.commit(clock), ...bound.next({ clock, losses }, ring)];
    const ops = [...bound.gradient, ...updater.ops, ...after];
    return { updater, state: noState, bound, ops, average: undefined, forms, twice: undefined, judged };
  }
  const updater = new Updater(buffers, updaterOptions);
  const { clock } = updater;
  const average = loaded.evaluation
    ? new loaded.evaluation.EvaluatedWeights(updater)
    : options.average && new WeightAverage(buffers, { label, average: options.average, space, param: params, clock });
  average?.follow();
  const committed = [...bound.commit(clock), ...(average?.ops ?? [])];
  const after = [...committed, ...bound.next({ clock, losses }, ring)];
  const twice = loaded.again?.gradientAgain(buffers, updater, bound.result);
  const gradient = [...bound.gradient, ...(twice?.between ?? []), ...(twice?.behind ?? [])];
  const ops = [...gradient, ...updater.ops, ...after];
  const state = () => readState(updater);
  return { updater, state, bound, ops, average, forms: updater.packed?.forms ?? [], twice };
}

const noState = () => {
  throw new DownhillError('INTERNAL', 'Several rules have no state of one optimizer.', 'Report this.');
};

/** A step as a minimizer makes it: it looks at the objective at points of its own, all on the batch of one seed. */
function minimizerSteps(
  { buffers, options, space, params, statistics, losses, ring }: Start,
  minimizer: MinimizerModule<Rule>,
): Steps {
  const { label, objective, groups, seeds } = options;
  const made: { bound?: BoundObjective } = {};
  const updater = minimizer.bind({
    ...{ label, buffers, space, params, groups, losses, ring },
    objective(points) {
      const same = Array.from({ length: points.space.replicas }, () => seeds[0]!);
      made.bound = objective.bind({ label, buffers, ...points, statistics, seeds: same });
      return made.bound;
    },
  });
  const state = () => updater.state();
  return { updater, state, bound: made.bound!, ops: updater.ops, average: undefined, forms: [], twice: undefined };
}

/** Vectors become the parameters as they are, in queue order. */
function follow(device: GPUDevice, label: string, { ranges }: Vector, copies: readonly Vector[]): void {
  if (copies.length === 0) return;
  const encoder = device.createCommandEncoder({ label: `downhill:${label}/follow` });
  for (const copy of copies) {
    for (const [i, { buffer, offset, size }] of ranges.entries())
      encoder.copyBufferToBuffer(buffer, offset, copy.ranges[i]!.buffer, copy.ranges[i]!.offset, size);
  }
  device.queue.submit([encoder.finish()]);
}

async function chosenFor(
  choice: ProgramOptions['choice'],
  ops: readonly Op[],
  forms: readonly Form[],
): Promise<Chosen> {
  if (typeof choice === 'function') return choice(ops, forms);
  return choice ? { chosenBy: 'caller', choice } : { chosenBy: 'heuristic' };
}

function noBest(validation: Validation | undefined): never {
  throw validation?.best
    ? new DownhillError('OPTION-RANGE', 'There is no best validation yet.', 'Train on to the first validation.')
    : new DownhillError(
        'OPTION-RANGE',
        'The best weights are not kept.',
        'Pass validation: { data, keepBest: true } to createTrainer, or earlyStopping.',
      );
}
