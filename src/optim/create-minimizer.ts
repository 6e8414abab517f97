import { type BufferRange, BufferSet, guarded, range } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkDevice, checkOptions, checkText, type Fields } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { lower } from '../kernels/lower.js';
import type { Op } from '../kernels/op.js';
import { takeValues, takeValuesForms, VALUE_STRIDE } from '../kernels/take-values.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import type { Space, Vector } from '../space/space.js';
import { partRange } from '../space/vectors.js';
import { adoptRange, countElements, type ForeignRange, probeBuffers } from './adopt.js';
import type { Group } from './group.js';
import type { SetOptions } from './groups.js';
import type { BoundMinimizer, MinimizerModule, MinimizerReport, Points } from './minimizer.js';
import { checkRule, type FieldsOf, type Rule } from './rule.js';

/* A minimizer for who can record values and gradients into an encoder: the trainer's, on memory of somebody else. */

/** A tensor to be minimized over. */
export interface MinimizedTensor {
  /** In messages, and among the ranges of a point; unique. */
  readonly name: string;
  readonly shape: readonly number[];
  /** float32: where it starts, and what each step leaves. Usage STORAGE, COPY_SRC and COPY_DST. */
  readonly param:
    | Exclude<ForeignRange, { readonly stride?: number }>
    | { readonly buffer: GPUBuffer; readonly offset?: number };
  /** Never moved. Default false. */
  readonly frozen?: boolean;
}

/** A point of a round. Its ranges are the same in every round, at multiples of 256 bytes: bind groups can be made once. */
export interface MinimizerPoint {
  /** From 0. */
  readonly index: number;
  /** By tensor: its values at this point. To be read. */
  readonly params: Readonly<Record<string, BufferRange>>;
  /** By tensor: its gradient there. To be written. */
  readonly grads: Readonly<Record<string, BufferRange>>;
  /** One float32: the value there. To be written. */
  readonly value: BufferRange;
}

/** Options of {@link createMinimizer}. */
export interface CreateMinimizerOptions {
  /**
   * Records what writes value and gradient of a point, of the same function for all points of a round. Called by `step`, once for
   * each point; it must not submit.
   */
  readonly evaluate: (encoder: GPUCommandEncoder, point: MinimizerPoint) => void;
  /** In the label of every GPU object. Default 'minimizer'. */
  readonly label?: string;
}

/** A minimizer on the caller's own objective. Made by {@link createMinimizer}. */
export interface CallerMinimizer<F extends Fields = Fields> {
  readonly points: readonly MinimizerPoint[];
  /**
   * Records one round: where to look, `evaluate` for each point, what comes of it, and the parameters into the caller's buffers. Never
   * submits or maps. Any number of rounds may be recorded and submitted together; once it has ended by itself they change nothing.
   */
  step(encoder: GPUCommandEncoder): void;
  /** What came of the rounds submitted so far. @throws DownhillError BUFFER-INVALID where a buffer of a tensor was destroyed */
  read(): Promise<MinimizerReport>;
  /** Changes settings, in queue order; one that ended by itself goes on. @throws DownhillError OPTION-*, HYPER-* */
  set(options: SetOptions<F>): void;
  /** Begins anew where the caller's buffers are now, in queue order: submits a copy. */
  reset(): void;
  /** Dispatches of a round beside the caller's, and bytes of all that it made. */
  describe(): { readonly label: string; readonly dispatches: number; readonly bytes: number };
  /** Frees what it made: never a buffer or device of the caller's. */
  destroy(): void;
}

/**
 * L-BFGS, or another rule that looks at several points for a step, on an objective that the caller records into an encoder.
 *
 * @param device adopted, never destroyed
 * @param rule for example lbfgs({ trials: 4 })
 * @example
 * const minimizer = await createMinimizer(device, lbfgs(), [{ name: 'x', shape: [2], param: buffer }], {
 *   evaluate: (encoder, { index }) => record(encoder, bindGroups[index]),
 * });
 * for (let i = 0; i < 64; i++) minimizer.step(encoder);
 * device.queue.submit([encoder.finish()]);
 * const { iterations, value, stopped } = await minimizer.read();
 * @throws DownhillError before any GPU work: OPTION-*, HYPER-*, SHAPE-INVALID, BUFFER-USAGE, BUFFER-RANGE, LIMIT-BINDING; then
 * DEVICE-LOST, SHADER-COMPILE, GPU-OUT-OF-MEMORY.
 */
export async function createMinimizer<R extends Rule>(
  device: GPUDevice,
  rule: R,
  tensors: readonly MinimizedTensor[],
  options: CreateMinimizerOptions,
): Promise<CallerMinimizer<FieldsOf<R>>> {
  checkDevice('createMinimizer', device);
  const given = checkRule('createMinimizer', rule);
  const { evaluate, label } = checkMinimizerOptions(options);
  if (!given.row.minimizer) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${given.row.name} takes one gradient for each update, and createMinimizer is for rules that look at several points.`,
      'Use createOptimizer, or lbfgs().',
    );
  }
  const owned = tensorsOf(tensors);
  const module = await given.row.minimizer();
  if (module.product) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${given.row.name} needs products with the Hessian, and evaluate has values and gradients alone.`,
      'Use lbfgs(), or createTrainer.',
    );
  }
  const space = arenaSpace(owned, { maxBytes: Math.floor(largestArena(device) / module.together(given)) });
  const cut = owned.find(({ name }) => space.partsOf(name).length !== 1);
  if (cut) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `Tensor ${show(cut.name)} does not fit a binding ${module.together(given)} times, as ${given.row.name} needs it here.`,
      'Split the tensor, or take a shorter history.',
    );
  }
  await checkNotLost(device);
  return Recorded.create<FieldsOf<R>>(device, given, owned, { evaluate, label, space, module });
}

function checkMinimizerOptions(options: CreateMinimizerOptions) {
  checkOptions('createMinimizer', options, ['evaluate', 'label']);
  const { evaluate, label = 'minimizer' } = options;
  if (typeof evaluate !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `createMinimizer: evaluate must be a function, got ${show(evaluate)}.`,
      'Pass one that records what writes value and gradient of a point.',
    );
  }
  return { evaluate, label: checkText('label', label) };
}

interface OwnedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly frozen: boolean;
  readonly elements: number;
  readonly param: { readonly buffer: GPUBuffer; readonly offset: number };
}

function tensorsOf(tensors: readonly MinimizedTensor[]): OwnedTensor[] {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new DownhillError(
      'OPTION-TYPE',
      `createMinimizer needs a list of tensors, got ${show(tensors)}.`,
      'Pass [{ name, shape, param }].',
    );
  }
  const names = new Set<string>();
  const owned = (tensors as readonly MinimizedTensor[]).map((tensor, i) => {
    checkOptions(`createMinimizer: tensor ${i}`, tensor, ['name', 'shape', 'param', 'frozen']);
    const { shape, frozen = false } = tensor;
    const name = checkText(`createMinimizer: the name of tensor ${i}`, tensor.name);
    const where = `Tensor ${show(name)}`;
    const elements = countElements(where, shape);
    const refuse = (
      code: 'OPTION-RANGE' | 'OPTION-TYPE' | 'SHAPE-INVALID' | 'BUFFER-USAGE',
      what: string,
      fix: string,
    ) => {
      throw new DownhillError(code, `${where} ${what}.`, fix);
    };
    if (name === '' || names.has(name))
      refuse('OPTION-RANGE', 'is named twice, or not at all', 'Give every tensor a name.');
    names.add(name);
    if (elements === 0) refuse('SHAPE-INVALID', 'has no elements', 'Leave it out.');
    if (typeof frozen !== 'boolean') refuse('OPTION-TYPE', `: frozen is ${show(frozen)}`, 'Pass true or false.');
    const { buffer, offset } = adoptRange(`${where}: param`, tensor.param, { rows: 1, width: elements });
    const copied = USAGE.COPY_SRC | USAGE.COPY_DST;
    if ((buffer.usage & copied) !== copied) {
      const fix = 'Create it with GPUBufferUsage.COPY_SRC and COPY_DST.';
      refuse('BUFFER-USAGE', ': its buffer lacks the usage COPY_SRC or COPY_DST', fix);
    }
    return { name, shape, frozen, elements, param: { buffer, offset } };
  });
  if (owned.every(({ frozen }) => frozen))
    throw new DownhillError('OPTION-RANGE', 'createMinimizer: every tensor is frozen.', 'Leave one to be moved.');
  return owned;
}

interface Made {
  readonly minimizer: BoundMinimizer<Rule>;
  readonly params: Vector;
  readonly points: readonly MinimizerPoint[];
  /** In front of the evaluation, and behind it. */
  readonly before: readonly Pass[];
  readonly behind: readonly Pass[];
}

interface RecordedOptions extends Required<CreateMinimizerOptions> {
  readonly space: Space;
  readonly module: MinimizerModule<Rule>;
}

class Recorded<F extends Fields> implements CallerMinimizer<F> {
  #destroyed = false;

  private constructor(
    readonly device: GPUDevice,
    readonly buffers: BufferSet,
    readonly tensors: readonly OwnedTensor[],
    readonly options: RecordedOptions,
    readonly made: Made,
  ) {}

  static async create<F extends Fields>(
    device: GPUDevice,
    rule: Rule,
    tensors: readonly OwnedTensor[],
    options: RecordedOptions,
  ): Promise<Recorded<F>> {
    const buffers = new BufferSet(device, options.label);
    try {
      const made = new Recorded<F>(device, buffers, tensors, options, await make(buffers, rule, tensors, options));
      await guarded(device, options.label, () => made.#copy('in'));
      return made;
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  get points(): readonly MinimizerPoint[] {
    return this.made.points;
  }

  step(encoder: GPUCommandEncoder): void {
    this.#checkAlive();
    const { minimizer, points, before, behind } = this.made;
    const { evaluate, label } = this.options;
    minimizer.scalars.issue(1);
    encodePasses(encoder, `downhill:${label}/points`, before);
    for (const point of points) evaluate(encoder, point);
    encodePasses(encoder, `downhill:${label}/round`, behind);
    this.#record(encoder, 'out');
  }

  /** Copies between the caller's buffers and x. */
  #record(encoder: GPUCommandEncoder, to: 'in' | 'out'): void {
    const { space } = this.options;
    for (const { name, param, elements } of this.tensors) {
      const own = partRange(space, this.made.params, space.partsOf(name)[0]!);
      const [from, target] = to === 'in' ? [param, own] : [own, param];
      encoder.copyBufferToBuffer(from.buffer, from.offset, target.buffer, target.offset, 4 * elements);
    }
  }

  #copy(to: 'in' | 'out'): void {
    const encoder = this.device.createCommandEncoder({ label: `downhill:${this.options.label}/copy` });
    this.#record(encoder, to);
    this.device.queue.submit([encoder.finish()]);
  }

  async read(): Promise<MinimizerReport> {
    this.#checkAlive();
    // WebGPU drops a submit with a buffer that was destroyed, and tells the device's owner alone.
    const places = new Map(this.tensors.map(({ name, param }) => [param.buffer, `Tensor ${show(name)}: param`]));
    const [report] = await Promise.all([
      this.made.minimizer.read!(),
      probeBuffers(this.device, places, this.options.label),
    ]);
    return report;
  }

  set(options: SetOptions<F>): void {
    this.#checkAlive();
    this.made.minimizer.set(options);
  }

  reset(): void {
    this.#checkAlive();
    this.#copy('in');
    this.made.minimizer.follow?.();
  }

  describe() {
    const { before, behind } = this.made;
    return { label: this.options.label, dispatches: before.length + behind.length, bytes: this.buffers.bytes };
  }

  destroy(): void {
    this.#destroyed = true;
    this.buffers.destroy();
  }

  #checkAlive(): void {
    if (this.#destroyed)
      throw new DownhillError('RUN-DESTROYED', 'This minimizer was destroyed.', 'Make a new one with createMinimizer.');
  }
}

/** Steps are counted nowhere but in the clock: one value for each point is all that is kept. */
const RING = 1;

async function make(
  buffers: BufferSet,
  rule: Rule,
  tensors: readonly OwnedTensor[],
  { label, space, module }: RecordedOptions,
): Promise<Made> {
  const { device } = buffers;
  const made = await guarded(device, label, () => {
    const params = space.vector(buffers, 'parameters');
    const count = module.points(rule);
    const given = range(buffers.storage('given', VALUE_STRIDE * count));
    const taken: { points?: Points; op?: Op } = {};
    const minimizer = module.bind({
      ...{ label, buffers, space, params, groups: groupsOf(rule, tensors), ring: RING, alone: true },
      losses: range(buffers.storage('losses', 8 * RING)),
      objective(points) {
        taken.points = points;
        return {
          gradient: [],
          next({ clock, losses: values }, ring) {
            taken.op = takeValues(`${label}/take-values`, { points: count, ring }, { given, clock, values });
            return [taken.op];
          },
        };
      },
    });
    return { params, minimizer, given, points: taken.points!, at: minimizer.ops.indexOf(taken.op!) };
  });
  const { params, minimizer, given, points, at } = made;
  const forms = [...module.forms, ...takeValuesForms];
  const lowered = await guarded(device, label, () =>
    [minimizer.ops.slice(0, at), minimizer.ops.slice(at)].map((ops) => lower(ops, forms, device).passes),
  );
  const [before, behind] = await Promise.all(lowered.map((passes) => createPasses(device, passes, buffers)));
  return { minimizer, params, points: placesOf(points, given), before: before!, behind: behind! };
}

/** Frozen tensors apart: the rest are one group. */
const groupsOf = (rule: Rule, tensors: readonly OwnedTensor[]): Group[] =>
  [false, true]
    .map((frozen) => ({
      tensors: tensors.filter((tensor) => tensor.frozen === frozen).map(({ name }) => name),
      ...{ frozen, rules: [rule] },
    }))
    .filter(({ tensors: own }) => own.length > 0);

function placesOf({ space, params, grads }: Points, given: BufferRange): MinimizerPoint[] {
  const at = (vector: Vector, replica: number) =>
    Object.fromEntries(
      space.tensors.map(({ name }) => [name, partRange(space, vector, space.partsOf(name)[0]!, replica)]),
    );
  return Array.from({ length: space.replicas }, (_, index) => ({
    ...{ index, params: at(params, index), grads: at(grads, index) },
    value: { buffer: given.buffer, offset: VALUE_STRIDE * index, size: 4 },
  }));
}
