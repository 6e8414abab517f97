/**
 * downhill's side of `population`: networks of one shape, by the ops of downhill/kernels, which all take replicas. Together:
 * every op is one dispatch for all networks. One by one: a set of buffers and of dispatches for each.
 */
import { adam, mlp, type Rule, recordFor, sgd, slotFlags } from '../../../src/index.js';
import {
  ADVANCE_FORMS,
  ARENA_BLOCK,
  activation,
  activationGradient,
  advance,
  type BufferRange,
  BufferSet,
  CLOCK_BYTES,
  createPasses,
  dense,
  denseInputGradient,
  denseWeightGradient,
  HYPER_BYTES,
  loadForms,
  loadKernels,
  lower,
  matrixBytes,
  type Op,
  type Piece,
  packRecord,
  RECORD_BLOCK,
  RECORD_WORDS,
  range,
  rowStride,
  STREAM_BYTES,
  streamWord,
  update,
  updateForms,
} from '../../../src/kernels/index.js';
import type { Environment, Part, StepTask } from '../contract.js';
import { encodeAll, KernelRunner } from './kernel-runner.js';

const RULES = { sgd, adam };
/** Updates whose records the ring holds. */
const RING = 4 * RECORD_BLOCK;

/** Networks in training on the task's first batch, each from weights of its own. */
export interface Population extends Part {
  /** Steps of all networks; resolves when the last is done. */
  run(steps: number): Promise<void>;
  /** `steps` steps from the first weights and fresh state; the loss of one network before each update. */
  losses(member: number, steps: number): Promise<number[]>;
}

/** @param members the weights of each network */
export async function downhillPopulation(
  task: StepTask,
  members: readonly StepTask['weights'][],
  together: boolean,
  environment: Environment,
): Promise<Population> {
  const device = await environment.requestDevice('bench:downhill');
  try {
    const plan = new NetPlan(task, together ? members.length : 1);
    const count = members.length / plan.replicas;
    const names = Array.from({ length: count }, (_, net) => `${net}/`);
    const lengths = Object.fromEntries(
      names.flatMap((net) => Object.entries(plan.lengths).map(([name, length]) => [net + name, length])),
    );
    const forms = [...(await loadForms(device)), ...ADVANCE_FORMS, ...updateForms];
    let matrices: BufferSet[] = [];
    const kernels = await KernelRunner.create<string>(device, lengths, async (arrays) => {
      const old = matrices;
      matrices = names.map((net) => new BufferSet(device, `bench/${net}`));
      const nets = names.map(async (net, i) => {
        const ops = plan.ops(matrices[i]!, (name) => arrays[net + name]!);
        await loadKernels(ops, forms, device);
        return createPasses(device, lower(ops, forms, device).passes, matrices[i]);
      });
      const passes = await Promise.all(nets);
      for (const set of old) set.destroy();
      return encodeAll(passes.flat());
    });
    return new Trained(kernels, plan, members);
  } catch (error) {
    device.destroy();
    throw error;
  }
}

/** Where the tensors of a network lie, and what a step of it does. */
class NetPlan {
  readonly #rule: Rule;
  /** Of each tensor, a weight then its bias, layer by layer: the first element in the arena. */
  readonly #starts: number[] = [];
  /** Elements of one network's arena. */
  readonly #stride: number;

  constructor(
    readonly task: StepTask,
    readonly replicas: number,
  ) {
    this.#rule = RULES[task.rule]({ lr: task.lr }) as Rule;
    let end = 0;
    for (const { w, b } of task.weights) {
      for (const { length } of [w, b]) {
        this.#starts.push(end);
        end += ARENA_BLOCK * Math.ceil(length / ARENA_BLOCK);
      }
    }
    this.#stride = end;
  }

  get slots(): readonly string[] {
    return this.#rule.row.slots(this.#rule.hyper);
  }

  /** Floats of every array. */
  get lengths(): Readonly<Record<string, number>> {
    const { sizes, batchSize, batches } = this.task;
    const [{ labels, values }] = batches as [StepTask['batches'][number]];
    const arena = this.#stride * this.replicas;
    return {
      x: matrixBytes(batchSize, sizes[0]!) / 4,
      targets: (labels ?? values!).length,
      batch: batchSize * this.replicas,
      stream: (STREAM_BYTES / 4) * this.replicas,
      result: 2 * batchSize * this.replicas,
      param: arena,
      grad: arena,
      ...Object.fromEntries(this.slots.map((slot) => [slot, arena])),
      groupOf: this.#stride / ARENA_BLOCK,
      clock: (CLOCK_BYTES / 4) * this.replicas,
      ring: RECORD_WORDS * RING * this.replicas,
    };
  }

  /** The arena of these networks' weights. */
  arena(members: readonly StepTask['weights'][]): Float32Array<ArrayBuffer> {
    const arena = new Float32Array(this.#stride * this.replicas);
    for (const [replica, weights] of members.entries()) {
      for (const [i, values] of weights.flatMap(({ w, b }) => [w, b]).entries()) {
        arena.set(values, replica * this.#stride + this.#starts[i]!);
      }
    }
    return arena;
  }

  /** The records of so many updates from `first` on, one for each replica: all have one rule. */
  records(first: number, updates: number): Float32Array<ArrayBuffer> {
    const size = RECORD_WORDS * this.replicas;
    const u32 = new Uint32Array(size * updates);
    const words = { u32, f32: new Float32Array(u32.buffer) };
    for (let i = 0; i < updates; i++) {
      packRecord(this.#rule.row.shader, words, i * this.replicas, recordFor(this.#rule, first + i));
      const at = i * size;
      for (let to = at + RECORD_WORDS; to < at + size; to += RECORD_WORDS) u32.copyWithin(to, at, at + RECORD_WORDS);
    }
    return words.f32;
  }

  /**
   * A step: forward, loss, backward, clock, update, in the order of a trainer's, which forms of many ops look for.
   *
   * @param buffers gets the matrices of the batch
   */
  ops(buffers: BufferSet, array: (name: string) => GPUBuffer): Op[] {
    const { task, replicas } = this;
    const { sizes, batchSize: rows, loss } = task;
    const known = new Map<string, BufferRange>();
    /** The same range for the same name: by it ops are known to belong together. */
    const once = (name: string, make: () => BufferRange) => {
      const found = known.get(name) ?? make();
      known.set(name, found);
      return found;
    };
    const whole = (name: string) => once(name, () => range(array(name)));
    const matrix = (name: string, layer: number) =>
      once(`${name}-${layer}`, () => buffers.later(`${name}-${layer}`, matrixBytes(rows, sizes[layer + 1]!, replicas)));
    const { UNIFORM, STORAGE } = GPUBufferUsage;
    const hyper = range(buffers.make('hyper', HYPER_BYTES, UNIFORM | STORAGE));
    const groups = new Uint32Array(this.#stride / ARENA_BLOCK);
    const tensor = (arena: string, i: number): Piece => {
      const { w, b } = task.weights[i >> 1]!;
      const elements = [w, b][i % 2]!.length;
      const floats = (replicas - 1) * this.#stride + elements;
      const where = range(array(arena), 4 * this.#starts[i]!, 4 * floats);
      return { range: where, stride: this.#stride, start: 0, elements };
    };
    const layers = task.weights.map((_, layer) => ({
      layer,
      size: { rows, replicas, inputs: sizes[layer]!, outputs: sizes[layer + 1]! },
      input:
        layer === 0
          ? { x: whole('x'), batch: { indices: whole('batch'), encoding: 'f32' as const, scale: 1, shift: 0 } }
          : { x: matrix('h', layer - 1) },
    }));
    const relu = (layer: number) => ({ rows, width: sizes[layer + 1]!, replicas, activation: 'relu' as const });
    const last = layers.length - 1;
    const { row, settings } = mlp({ sizes, activation: 'relu', loss }).loss;
    const nothing = () => {
      throw new Error('This loss has no memory of its own.');
    };
    return [
      ...layers.flatMap(({ layer, size, input }): Op[] => [
        dense({
          label: `bench/forward-${layer}`,
          ...size,
          ...input,
          weight: [tensor('param', 2 * layer)],
          bias: tensor('param', 2 * layer + 1),
          y: matrix('z', layer),
        }),
        ...(layer < last
          ? [
              activation({
                label: `bench/relu-${layer}`,
                ...relu(layer),
                x: matrix('z', layer),
                y: matrix('h', layer),
              }),
            ]
          : []),
      ]),
      ...row.ops({
        ...{ label: 'bench/loss', rows, outputs: sizes.at(-1)!, replicas, settings, kind: row.targets },
        ...{ z: matrix('z', last), dz: matrix('dz', last), targets: whole('targets') },
        ...{ batch: whole('batch'), stream: whole('stream'), result: whole('result') },
        ...{ constant: nothing, scratch: nothing },
      }),
      ...layers.toReversed().flatMap(({ layer, size, input }): Op[] => [
        denseWeightGradient({
          label: `bench/weight-gradient-${layer}`,
          ...size,
          ...input,
          dy: matrix('dz', layer),
          weight: [tensor('grad', 2 * layer)],
          bias: tensor('grad', 2 * layer + 1),
        }),
        ...(layer > 0
          ? [
              denseInputGradient({
                label: `bench/input-gradient-${layer}`,
                ...size,
                dy: matrix('dz', layer),
                weight: [tensor('param', 2 * layer)],
                dx: matrix('dh', layer - 1),
              }),
              activationGradient({
                label: `bench/relu-gradient-${layer - 1}`,
                ...relu(layer - 1),
                saved: matrix('h', layer - 1),
                dy: matrix('dh', layer - 1),
                dx: matrix('dz', layer - 1),
              }),
            ]
          : []),
      ]),
      advance(
        'bench/advance',
        { groups: 1, ring: RING, micro: 1, segments: 0, unit: 1 },
        { clock: whole('clock'), ring: whole('ring'), hyper },
        replicas,
      ),
      update({
        label: 'bench/update',
        shader: this.#rule.row.shader,
        elements: this.#stride,
        replicas,
        flags: slotFlags(this.#rule.row, this.slots),
        hyper,
        param: whole('param'),
        grad: whole('grad'),
        state: Object.fromEntries(this.slots.map((slot) => [slot, whole(slot)])),
        groupOf: whole('groupOf'),
        groups,
      }),
    ];
  }
}

/** Integers, as the arrays of a KernelRunner hold them. */
const bits = (values: ArrayLike<number>) => new Float32Array(Uint32Array.from(values).buffer);

/** Rows at the stride of a data set on the GPU. */
function padded(rows: Float32Array<ArrayBuffer>, width: number): Float32Array<ArrayBuffer> {
  const stride = rowStride(width);
  if (stride === width) return rows;
  const out = new Float32Array((rows.length / width) * stride);
  for (let from = 0, to = 0; from < rows.length; from += width, to += stride) {
    out.set(rows.subarray(from, from + width), to);
  }
  return out;
}

class Trained implements Population {
  #count = 0;

  constructor(
    private readonly kernels: KernelRunner<string>,
    private readonly plan: NetPlan,
    private readonly members: readonly StepTask['weights'][],
  ) {
    this.#reset();
  }

  get device(): GPUDevice {
    return this.kernels.device;
  }

  /** First weights, fresh state, the batch. */
  #reset(): void {
    const { task, replicas, slots } = this.plan;
    const { batchSize: rows } = task;
    const [{ x, labels, values }] = task.batches as [StepTask['batches'][number]];
    const stream = new Uint32Array((STREAM_BYTES / 4) * replicas);
    for (let r = 0; r < replicas; r++) stream[(STREAM_BYTES / 4) * r + streamWord('valid')] = rows;
    for (let net = 0; net < this.members.length / replicas; net++) {
      const write = (name: string, data: Float32Array<ArrayBuffer>) => this.kernels.write(`${net}/${name}`, data);
      write('x', padded(x, task.sizes[0]!));
      write('targets', labels ? bits(labels) : values!);
      write('batch', bits(Array.from({ length: rows * replicas }, (_, i) => i % rows)));
      write('stream', bits(stream));
      write('param', this.plan.arena(this.members.slice(net * replicas, (net + 1) * replicas)));
      for (const name of [...slots, 'clock']) this.kernels.fill(`${net}/${name}`, 0);
    }
    this.#count = 0;
  }

  /** Records of updates are written a block ahead, as a trainer does. */
  record(steps: number): void {
    const nets = this.members.length / this.plan.replicas;
    for (let left = steps; left > 0; ) {
      const place = this.#count % RING;
      const block = Math.min(left, RECORD_BLOCK, RING - place);
      const records = this.plan.records(this.#count, block);
      const offset = 4 * RECORD_WORDS * this.plan.replicas * place;
      for (let net = 0; net < nets; net++) this.kernels.write(`${net}/ring`, records, offset);
      this.kernels.record(block);
      this.#count += block;
      left -= block;
    }
  }

  settle(): Promise<void> {
    return this.kernels.settle();
  }

  run(steps: number): Promise<void> {
    this.record(steps);
    return this.settle();
  }

  async losses(member: number, steps: number): Promise<number[]> {
    const { task, replicas } = this.plan;
    const { batchSize: rows } = task;
    this.#reset();
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      await this.run(1);
      const result = await this.kernels.read(`${Math.floor(member / replicas)}/result`);
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += result[2 * ((member % replicas) * rows + row)]!;
      losses.push(sum / rows);
    }
    return losses;
  }

  relocate(): Promise<void> {
    return this.kernels.relocate();
  }

  destroy(): void {
    this.device.destroy();
  }
}
