import { guarded, readRanges } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkOptions, type Fields } from '../gpu/fields.js';
import { encodePass, type Pass } from '../gpu/passes.js';
import { FAULT, readClocks } from '../kernels/advance.js';
import type { Plan } from '../kernels/op.js';
import { RECORD_BLOCK } from '../kernels/update.js';
import { type AdoptedTensor, probeTensors } from './adopt.js';
import type { Curvature } from './curvature.js';
import type { EvaluationSwap } from './evaluation.js';
import type { GradientSets } from './gradient-sets.js';
import type { SetOptions } from './groups.js';
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
import type { RowMoves } from './row-moves.js';
import { hyperAt } from './rule.js';
import type { Updater } from './updater.js';

/*
 * What `createOptimizer` hands out: its calls, on passes that are made already. What may be asked for, and how the passes
 * come about, is in optimizer.ts.
 */

/**
 * Binds every pass and dispatches none: an error in one shows here, not in the caller's first step.
 *
 * @throws DownhillError BUFFER-INVALID where a buffer of the caller's is gone
 */
export async function probe(
  device: GPUDevice,
  passes: readonly Pass[],
  tensors: readonly AdoptedTensor[],
  label: string,
): Promise<void> {
  const bound = guarded(device, label, () => {
    const encoder = device.createCommandEncoder({ label: `downhill:${label}/probe` });
    const pass = encoder.beginComputePass();
    for (const { pipeline, bindGroup } of passes) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  });
  await bound.catch(async (error: unknown) => {
    await probeTensors(device, tensors, label);
    throw error;
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

export class BufferOptimizer<F extends Fields> implements Optimizer<F> {
  readonly #updater: Updater;
  readonly #tensors: readonly AdoptedTensor[];
  readonly #plan: Plan;
  readonly #passes: readonly Pass[];
  readonly #sets: GradientSets;
  readonly #swap: EvaluationSwap | undefined;
  readonly #moves: RowMoves | undefined;
  readonly #curvature: Curvature | undefined;
  /** The caller's parameters are those to evaluate. */
  #evaluating = false;
  /** A step had gradients of its own: those from the beginning need not be there any more. */
  #pooled = false;
  /** Loads so far: a read that was under way when one happened is about another history. */
  #generation = 0;
  #destroyed = false;

  constructor(
    updater: Updater,
    tensors: readonly AdoptedTensor[],
    plan: Plan,
    passes: readonly Pass[],
    sets: GradientSets,
    { swap, moves, curvature }: Extras,
  ) {
    this.#updater = updater;
    this.#tensors = tensors;
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
    this.#moves.check();
    record(make(this.#moves));
  }

  #passesFor(options: StepOptions): readonly Pass[] {
    checkOptions('step', options, ['grads']);
    if (options.grads === undefined) return this.#passes;
    this.#pooled = true;
    return this.#sets.passesFor(options.grads);
  }

  /** WebGPU drops a submit with a buffer that was destroyed, and tells the device's owner alone. */
  #checkBuffers(): Promise<void> {
    const { device, label } = this.#updater.buffers;
    return this.#pooled
      ? probeTensors(device, this.#tensors, label, ['param'])
      : probe(device, this.#passes, this.#tensors, label);
  }

  set(options: SetOptions<F>, names?: readonly string[]): void {
    this.#checkAlive();
    this.#updater.set(options, names);
  }

  async read(): Promise<OptimizerReport> {
    this.#checkAlive();
    this.#checkRecorded();
    const generation = this.#generation;
    const { buffers, clock, scalars, options, kept } = this.#updater;
    const { recorded } = scalars;
    const [[bytes, ...numbers]] = await Promise.all([
      readRanges(buffers.device, buffers.label, [clock, ...kept.scalars]),
      this.#checkBuffers(),
    ]);
    this.#checkRecorded();
    const clocks = readClocks(bytes!);
    const { step, count, skipped, fault, grad_norm } = clocks[0]!;
    if ((fault & FAULT.stale) !== 0) {
      throw new DownhillError(
        'RUN-AHEAD',
        `More than ${this.#ahead} steps were recorded ahead of the GPU, or skipped since the last read; those beyond were left out.`,
        'Submit, or call read, more often; load a state to go on.',
      );
    }
    if (generation === this.#generation) scalars.look(clocks, recorded);
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

  /** Throws what the GPU process found wrong with what was recorded: once. */
  #checkRecorded(): void {
    this.#sets.check();
    this.#moves?.check();
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
