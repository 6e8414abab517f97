import { BufferSet, guarded, readRanges } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkDevice, checkOptions, type Fields } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { createPasses, encodePass, type Pass } from '../gpu/pipelines.js';
import { FAULT, readClocks } from '../kernels/advance.js';
import { loadForeign } from '../kernels/foreign.js';
import { loadKernels, lower } from '../kernels/lower.js';
import type { Plan } from '../kernels/op.js';
import { RECORD_BLOCK } from '../kernels/update.js';
import { type AdoptedTensor, adoptTensors, hasHalves, isByRows, probeTensors, type TensorOptions } from './adopt.js';
import type { Curvature } from './curvature.js';
import type { EvaluationSwap } from './evaluation.js';
import { GradientSets } from './gradient-sets.js';
import { makeGroups, type SetOptions } from './groups.js';
import { checkOptimizerOptions, type OptimizerOptions, type OptimizerSettings } from './optimizer-options.js';
import { loadStates, readState } from './optimizer-state.js';
import type {
  MoveOptions,
  Optimizer,
  OptimizerDescription,
  OptimizerReport,
  OptimizerState,
  RowIndices,
  StepOptions,
} from './optimizer-types.js';
import { rangeUpdater } from './range-update.js';
import type { RowMoves } from './row-moves.js';
import { allSlots, checkRule, type FieldsOf, hyperAt, type Rule, type RuleRow } from './rule.js';
import { liveSlots, UPDATER_FORMS, type Updater } from './updater.js';

/**
 * The update rule on memory that somebody else owns: adopts the device and the ranges, updates in place.
 *
 * @param device adopted, never destroyed
 * @param rule for example adamw({ lr: 1e-3 }); every number may be a schedule of the update count
 * @param tensors where parameters and gradients lie; neighbours in memory are updated in one dispatch, with gaps of up to 4 KiB between them
 * @example
 * const optimizer = await createOptimizer(device, adamw({ lr: 1e-3 }), [
 *   { name: 'w', shape: [784, 100], param: { buffer, offset: 0 }, grad: { buffer: gradients, offset: 0 } },
 * ], { clip: { globalNorm: 1 }, skipNonFinite: true });
 * optimizer.step(encoder);
 * @throws DownhillError before any GPU work: OPTION-*, HYPER-*, SHAPE-INVALID, BUFFER-USAGE, BUFFER-RANGE, BUFFER-OVERLAP,
 * LIMIT-BINDING; then BUFFER-INVALID for a destroyed buffer or one of another device, DEVICE-LOST, SHADER-COMPILE.
 */
export async function createOptimizer<R extends Rule>(
  device: GPUDevice,
  rule: R,
  tensors: readonly TensorOptions<FieldsOf<R>>[],
  options: OptimizerOptions = {},
): Promise<Optimizer<FieldsOf<R>>> {
  checkDevice('createOptimizer', device);
  const given = checkRule('createOptimizer', rule);
  checkOneGradient(given.row);
  const settings = checkOptimizerOptions(options);
  const { state, seed, perRow } = settings;
  const checked = perRow === undefined ? given : await (await import('./per-row.js')).perRowRule(given, perRow, state);
  const { row } = checked;
  const rows = Array.isArray(tensors) && tensors.some(isByRows) ? await import('./rows.js') : undefined;
  const adopted = adoptTensors(checked, tensors as readonly TensorOptions[], settings.unit, rows?.rowAdopter());
  rows?.checkActive(adopted);
  row.checkTensors?.(
    'createOptimizer',
    adopted.filter(({ frozen, elements }) => !frozen && elements > 0),
  );
  // On arenas of ours go rules of several passes, all rules on halves, and with fields of records whatever goes over whole vectors
  // beside the rule.
  const beside = settings.wrappers[0]?.row ?? ((row.evaluation ?? row.curvature) && row);
  const onArenas = row.passes ? row : adopted.some(hasHalves) ? { title: 'dtype f16' } : rows && beside;
  if (onArenas) rows?.checkArenas(adopted, onArenas.title);
  checkTogether(device, row, settings, rows !== undefined && !onArenas);
  const groups = makeGroups(adopted, settings.clip?.by === 'tensor' || row.perTensor === true);
  const packed =
    state === 'f32'
      ? undefined
      : await (await import('./packed.js')).loadPacked(row, liveSlots(row, groups), state, [seed]);
  const byRows = onArenas ? undefined : await rows?.RowSpans.create(row, adopted);
  await checkNotLost(device);
  await probeTensors(device, adopted, settings.label);

  const buffers = new BufferSet(device, settings.label);
  try {
    // Few need it: others' bundles do without.
    const staged = onArenas && (await import('./staged.js'));
    const loops = staged ? undefined : await loadForeign(row.shader);
    const own = await guarded(device, settings.label, () => {
      const options = { ...settings, row, groups, packed, ...(byRows && { rows: byRows }) };
      return staged
        ? staged.stagedUpdater(buffers, adopted, options)
        : rangeUpdater(buffers, adopted, options, loops!, rows?.recordSpans);
    });
    const { updater, ops, opsFor } = own;
    const around = settings.wrappers.flatMap(({ row: wrapper }) => wrapper.forms);
    const special = [
      ...(updater.packed?.forms ?? []),
      ...(staged?.stageForms ?? []),
      ...(rows?.ROW_FORMS ?? []),
      ...(row.forms ?? []),
    ];
    const forms = [...UPDATER_FORMS, ...special, ...around];
    await loadKernels(ops, forms, device);
    const plan = lower(ops, forms, device);
    const passes = await createPasses(device, plan.passes, buffers);
    await probe(device, passes, settings.label).catch(async (error: unknown) => {
      // A buffer destroyed meanwhile?
      await probeTensors(device, adopted, settings.label);
      throw error;
    });
    const planFor = (now: readonly AdoptedTensor[], tables: BufferSet) =>
      lower(opsFor(now, tables), forms, device).passes;
    const sets = new GradientSets(buffers, adopted, planFor, byRows);
    const swap = row.evaluation && (await (await import('./evaluation.js')).EvaluationSwap.create(own, forms));
    const curvature = row.curvature && (await (await import('./curvature.js')).Curvature.create(own, adopted, forms));
    const moves = byRows && (await rows!.RowMoves.create(updater, byRows));
    return new BufferOptimizer<FieldsOf<R>>(updater, plan, passes, sets, { swap, moves, curvature });
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

/** Its owner has one gradient for each step. @throws DownhillError OPTION-RANGE */
function checkOneGradient({ name, minimizer }: RuleRow): void {
  if (!minimizer) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} looks at values and gradients at several points for a step, and createOptimizer has one gradient.`,
    'Use it with createTrainer, minimize, or createMinimizer, which calls you for values and gradients.',
  );
}

/** What the device, the rule and the options must agree on. @throws DownhillError OPTION-RANGE, LIMIT-BINDING */
function checkTogether(
  device: GPUDevice,
  row: RuleRow,
  { wrappers, state }: OptimizerSettings,
  records: boolean,
): void {
  const twice = wrappers.find(({ row: own }) => own.again);
  if (twice) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${twice.row.name} takes each gradient twice, but an optimizer cannot ask for one.`,
      'Use it in createTrainer.',
    );
  }
  const bindings = row.passes ? 8 : allSlots(row.shader).length + 3;
  const most = device.limits.maxStorageBuffersPerShaderStage;
  if (Math.max(bindings, 8) > most) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `The kernels bind 8 storage buffers, but this device allows ${most}.`,
      'Request the device with a higher maxStorageBuffersPerShaderStage.',
    );
  }
  if (records && state !== 'f32') {
    throw new DownhillError(
      'OPTION-RANGE',
      `state is ${show(state)}, but fields of records have theirs in f32.`,
      "Leave state out: 'f32'.",
    );
  }
}

/** Binds every pass and dispatches none: an error in one shows here, not in the caller's first step. */
async function probe(device: GPUDevice, passes: readonly Pass[], label: string): Promise<void> {
  await guarded(device, label, () => {
    const encoder = device.createCommandEncoder({ label: `downhill:${label}/probe` });
    const pass = encoder.beginComputePass();
    for (const { pipeline, bindGroup } of passes) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  });
}

/** Bindings that hold no numbers of elements. */
const SMALL = ['hyper', 'clock', 'ring', 'partial', 'begins', 'segments', 'pieces', 'group_of'];

/** Bytes of parameters, gradients and state that passes read, and once more what they may write. */
const boundBytes = ({ passes }: Plan): number =>
  passes.reduce((sum, { shader, buffers }) => {
    const own = shader.bindings.filter(({ name }) => buffers[name] && !SMALL.includes(name));
    return sum + own.reduce((bytes, { name, type }) => bytes + (type === 'storage' ? 2 : 1) * buffers[name]!.size, 0);
  }, 0);

/** Records passes, in a compute pass of their own or the caller's. @throws DownhillError OPTION-TYPE */
function recorder(what: string, encoder: GPUCommandEncoder | GPUComputePassEncoder): (passes: readonly Pass[]) => void {
  const command = encoder as GPUCommandEncoder | null;
  const begins = typeof command?.beginComputePass === 'function';
  if (!begins && typeof (encoder as GPUComputePassEncoder | null)?.dispatchWorkgroups !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${what} needs a command or compute pass encoder, got ${show(encoder)}.`,
      'Pass the encoder you submit.',
    );
  }
  return (passes) => {
    const pass = begins ? command.beginComputePass() : (encoder as GPUComputePassEncoder);
    for (const each of passes) encodePass(each, pass);
    if (begins) pass.end();
  };
}

/** Dispatches of a step from which on somebody should know what they cost. */
const MANY_DISPATCHES = 64;

/** What only some rules or tensors have. */
interface Extras {
  readonly swap: EvaluationSwap | undefined;
  readonly moves: RowMoves | undefined;
  readonly curvature: Curvature | undefined;
}

class BufferOptimizer<F extends Fields> implements Optimizer<F> {
  readonly #updater: Updater;
  readonly #plan: Plan;
  readonly #passes: readonly Pass[];
  readonly #sets: GradientSets;
  readonly #swap: EvaluationSwap | undefined;
  readonly #moves: RowMoves | undefined;
  readonly #curvature: Curvature | undefined;
  /** The caller's parameters are those to evaluate. */
  #evaluating = false;
  /** Loads so far: a read that was under way when one happened is about another history. */
  #generation = 0;
  #destroyed = false;

  constructor(
    updater: Updater,
    plan: Plan,
    passes: readonly Pass[],
    sets: GradientSets,
    { swap, moves, curvature }: Extras,
  ) {
    this.#updater = updater;
    this.#swap = swap;
    this.#curvature = curvature;
    this.#plan = plan;
    this.#passes = passes;
    this.#sets = sets;
    this.#moves = moves;
  }

  step(encoder: GPUCommandEncoder | GPUComputePassEncoder, options?: StepOptions): void {
    this.#checkTraining('step');
    this.#sets.check();
    const record = recorder('step', encoder);
    const passes = options === undefined ? this.#passes : this.#passesFor(options);
    // May throw: before a pass is open in the caller's encoder.
    if (this.#updater.scalars.issue(1) === 0) throw this.#updater.scalars.failure;
    record(passes);
  }

  updateHessian(encoder: GPUCommandEncoder | GPUComputePassEncoder, options?: StepOptions): void {
    this.#checkAlive();
    const record = recorder('updateHessian', encoder);
    if (!this.#curvature) {
      throw new DownhillError(
        'OPTION-RANGE',
        `updateHessian: ${this.#updater.options.row.name} has no curvature of its own.`,
        'Leave the call out, or make the optimizer with a rule that has one: its page in docs/rules says so.',
      );
    }
    record(this.#curvature.passesFor(options));
  }

  eval(encoder: GPUCommandEncoder | GPUComputePassEncoder): void {
    this.#turn('eval', encoder, true);
  }

  train(encoder: GPUCommandEncoder | GPUComputePassEncoder): void {
    this.#turn('train', encoder, false);
  }

  #turn(name: 'eval' | 'train', encoder: GPUCommandEncoder | GPUComputePassEncoder, evaluating: boolean): void {
    this.#checkAlive();
    const record = recorder(name, encoder);
    if (!this.#swap || this.#evaluating === evaluating) return;
    record(evaluating ? this.#swap.to : this.#swap.back);
    this.#evaluating = evaluating;
  }

  #checkTraining(what: string): void {
    this.#checkAlive();
    if (!this.#evaluating) return;
    throw new DownhillError(
      'RUN-BUSY',
      `${what} came while the parameters are those to evaluate.`,
      'Call train(encoder) first.',
    );
  }

  gather(encoder: GPUCommandEncoder | GPUComputePassEncoder, indices: RowIndices, options?: MoveOptions): void {
    this.#move('gather', encoder, (moves) => moves.gather(indices, options));
  }

  grow(encoder: GPUCommandEncoder | GPUComputePassEncoder, to: number, options?: MoveOptions): void {
    this.#move('grow', encoder, (moves) => moves.grow(to, options));
  }

  reset(encoder: GPUCommandEncoder | GPUComputePassEncoder, rows: RowIndices, options?: MoveOptions): void {
    this.#move('reset', encoder, (moves) => moves.reset(rows, options));
  }

  #move(
    call: string,
    encoder: GPUCommandEncoder | GPUComputePassEncoder,
    make: (moves: RowMoves) => readonly Pass[],
  ): void {
    this.#checkAlive();
    const record = recorder(call, encoder);
    if (!this.#moves) {
      throw new DownhillError(
        'OPTION-RANGE',
        `${call}: no tensor has a reserve.`,
        'Make the optimizer with `reserve` for every tensor whose rows move.',
      );
    }
    record(make(this.#moves));
  }

  #passesFor(options: StepOptions): readonly Pass[] {
    checkOptions('step', options, ['grads']);
    return options.grads === undefined ? this.#passes : this.#sets.passesFor(options.grads);
  }

  set(options: SetOptions<F>, names?: readonly string[]): void {
    this.#checkAlive();
    this.#updater.set(options, names);
  }

  async read(): Promise<OptimizerReport> {
    this.#checkAlive();
    this.#sets.check();
    const generation = this.#generation;
    const { buffers, clock, scalars, options, kept } = this.#updater;
    const [bytes, ...numbers] = await readRanges(buffers.device, buffers.label, [clock, ...kept.scalars]);
    const clocks = readClocks(bytes!);
    const { step, count, skipped, fault, grad_norm } = clocks[0]!;
    if ((fault & FAULT.stale) !== 0) {
      throw new DownhillError(
        'RUN-AHEAD',
        `More than ${this.#ahead} steps were recorded ahead of the GPU, or skipped since the last read; those beyond were left out.`,
        'Submit, or call read, more often; load a state to go on.',
      );
    }
    if (generation === this.#generation) scalars.see(clocks);
    const measured = options.clip !== undefined || options.skip !== undefined;
    return {
      step,
      count,
      skipped,
      stopped: (fault & FAULT.stopped) !== 0,
      gradNorm: measured ? grad_norm : undefined,
      lr: this.#lrAt(count),
      ...(numbers.length > 0 && {
        scalars: Object.fromEntries(kept.scalars.map(({ name }, i) => [name, new Float32Array(numbers[i]!)])),
      }),
    };
  }

  /** NaN where a schedule has no good value: that is for `step` to refuse. */
  #lrAt(count: number): number {
    try {
      return hyperAt(this.#updater.scalars.rules[0]!, count).lr as number;
    } catch {
      return Number.NaN;
    }
  }

  get #ahead(): number {
    return this.#updater.scalars.updates - RECORD_BLOCK;
  }

  async state(): Promise<OptimizerState> {
    this.#checkAlive();
    return readState(this.#updater);
  }

  load(state: OptimizerState): void {
    this.#checkTraining('load');
    loadStates(this.#updater, [state]);
    this.#generation++;
  }

  describe(): OptimizerDescription {
    const { buffers, options, slots, packed } = this.#updater;
    const { clip, skip, zero, micro, space, rows: byRows } = options;
    const parts = space.spans.flatMap((span) => span.parts);
    const counted = new Set(parts.map(({ tensor }) => tensor).filter((name) => byRows?.elementsOf(name) !== undefined));
    const elements =
      parts.reduce((sum, part) => sum + (counted.has(part.tensor) ? 0 : part.elements), 0) +
      [...counted].reduce((sum, name) => sum + byRows!.elementsOf(name)!, 0);
    // Parameters and state are read and written, gradients read, and once more for their norm.
    const streams = 2 + 1 + (clip || skip ? 1 : 0) + (zero ? 1 : 0) + (micro > 1 ? 3 : 0);
    const dispatches = this.#passes.length;
    return {
      label: buffers.label,
      dispatches,
      passes: this.#passes.map(({ label, kernel, grid }) => ({ label, kernel, grid })),
      choice: this.#plan.choice,
      bytesPerStep: space.padded
        ? boundBytes(this.#plan)
        : Math.ceil(elements * (4 * streams + 2 * (packed?.bytesPerElement ?? 4 * slots.length))),
      state: {
        ...(options.master && { master: 'f32' }),
        ...(packed?.encodings ?? Object.fromEntries(slots.map(({ name }) => [name, 'f32']))),
      },
      stateBytes: buffers.bytes + this.#sets.bytes + (this.#curvature?.bytes ?? 0),
      stepsAhead: this.#ahead,
      ...(this.#moves && { rows: this.#moves.counts() }),
      ...(dispatches > MANY_DISPATCHES && {
        hint: `A step is ${dispatches} dispatches: tensors that do not follow one another, parameters and gradients in the same order and at the same distances, are updated one by one. Lay them out next to each other.`,
      }),
    };
  }

  destroy(): void {
    this.#destroyed = true;
    this.#sets.destroy();
    this.#curvature?.destroy();
    this.#updater.buffers.destroy();
  }

  #checkAlive(): void {
    if (this.#destroyed)
      throw new DownhillError('RUN-DESTROYED', 'This optimizer was destroyed.', 'Make a new one with createOptimizer.');
  }
}
