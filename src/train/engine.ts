import { batchOf, stepsPerEpoch } from '../data/batching.js';
import type { Dataset } from '../data/dataset.js';
import { checkUploadable, type DeviceData, uploadDataset } from '../data/upload.js';
import { type BufferRange, BufferSet, guarded, range, readRanges } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { createPasses, type Pass, type PassSpec } from '../gpu/pipelines.js';
import type { Piece } from '../kernels/dense.js';
import { lower } from '../kernels/lower.js';
import { nnForms } from '../kernels/nn-forms.js';
import {
  ARENA_BLOCK,
  advance,
  CLOCK_BYTES,
  clockWord,
  type GradientControl,
  gradientNorm,
  HYPER_BYTES,
  rangeWords,
  SEGMENT,
  update,
  updateForms,
} from '../kernels/update.js';
import { type ArenaPlan, planArenas, tensorParts } from '../nn/arena.js';
import { initialize } from '../nn/init.js';
import { type Model, tensorsOf } from '../nn/model.js';
import { type BatchMemory, bindNetwork, checkNetwork } from '../nn/network.js';
import { slotFlags } from '../optim/rule.js';
import { ringBytes } from './row-ring.js';
import { LOSS_BYTES, LOSS_RING, type Replica, Scheduler } from './scheduler.js';
import type { ParameterRange, PlanReport, Sampling } from './types.js';

export interface EngineOptions {
  readonly label: string;
  readonly model: Model;
  readonly data: Dataset;
  readonly rows: number;
  readonly sampling: Sampling;
  readonly dropLast: boolean;
  readonly submitMs: number;
  readonly replicas: readonly Replica[];
  readonly clip?: GradientControl['clip'];
  readonly clipValue?: number;
  readonly skip?: GradientControl['skip'];
  /** Largest arena, in bytes; default what the device binds. Tests lower it to see arenas split. */
  readonly maxArenaBytes?: number;
}

/** A network's parameters on the GPU. */
export interface Network {
  readonly label: string;
  readonly model: Model;
  readonly plan: ArenaPlan;
  readonly replicas: number;
  /** One buffer per arena. */
  readonly params: readonly GPUBuffer[];
}

/** Where tensors lie in one vector's arenas. */
export function piecesIn({ model, plan }: Network, replicas: number, arenas: readonly GPUBuffer[]) {
  const places = tensorParts(model, plan);
  return (tensor: string): Piece[] =>
    places.get(tensor)!.parts.map(({ arena, offset, start, elements }) => {
      const stride = plan.arenas[arena]!;
      return {
        range: range(arenas[arena]!, 4 * offset, 4 * ((replicas - 1) * stride + elements)),
        stride,
        start,
        elements,
      };
    });
}

/**
 * N replicas of a network with their optimizer, data and batches on the GPU: every buffer, and the list of passes of one
 * step, made once. The scheduler records that list.
 */
export class Engine {
  readonly device: GPUDevice;
  readonly network: Network;
  readonly options: EngineOptions;
  readonly stepsPerEpoch: number;
  readonly scheduler: Scheduler;
  readonly #buffers: BufferSet;
  readonly passes: readonly Pass[];
  readonly #bytes: EngineParts['bytes'];
  readonly #memory: BatchMemory;

  private constructor(
    made: Pick<Engine, 'device' | 'network' | 'options' | 'stepsPerEpoch' | 'scheduler'>,
    parts: EngineParts,
  ) {
    this.device = made.device;
    this.network = made.network;
    this.options = made.options;
    this.stepsPerEpoch = made.stepsPerEpoch;
    this.scheduler = made.scheduler;
    this.#buffers = parts.buffers;
    this.passes = parts.passes;
    this.#bytes = parts.bytes;
    this.#memory = parts.memory;
  }

  static async create(device: GPUDevice, options: EngineOptions): Promise<Engine> {
    const { label, model, data, rows, replicas } = options;
    const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    const plan = planArenas(model, options.maxArenaBytes ?? limit, replicas.length);
    checkUploadable(device, data);
    checkNetwork(device, model, rows, replicas.length);

    const epoch = stepsPerEpoch(data.samples, rows, options.dropLast);
    const buffers = new BufferSet(device, label);
    try {
      const parts = await guarded(device, label, () => makeStep(buffers, options, plan, epoch));
      const passes = await createPasses(device, parts.specs, buffers);
      const scheduler = await guarded(
        device,
        label,
        () =>
          new Scheduler(buffers, {
            passes,
            replicas,
            submitMs: options.submitMs,
            clipValue: options.clipValue,
            ...parts.shared,
          }),
      );
      return new Engine(
        { device, network: parts.network, options, stepsPerEpoch: epoch, scheduler },
        { buffers, passes, bytes: parts.bytes, memory: parts.memory },
      );
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  /** Where one replica's tensors lie. */
  parameters(replica = 0): Record<string, ParameterRange | readonly ParameterRange[]> {
    const { plan, params } = this.network;
    const ranges: Record<string, ParameterRange | readonly ParameterRange[]> = {};
    for (const [name, { shape, parts }] of tensorParts(this.network.model, plan)) {
      const list = parts.map(({ arena, offset, elements }) => ({
        buffer: params[arena]!,
        offset: 4 * (replica * plan.arenas[arena]! + offset),
        size: 4 * elements,
        shape: parts.length === 1 ? shape : [elements / shape.at(-1)!, shape.at(-1)!],
      }));
      ranges[name] = list.length === 1 ? list[0]! : list;
    }
    return ranges;
  }

  /** One replica's tensors in host memory, after everything submitted so far. */
  async readParameters(replica = 0): Promise<Record<string, Float32Array>> {
    const entries = Object.entries(this.parameters(replica)).map(([name, at]) => [name, [at].flat()] as const);
    const copies = await readRanges(
      this.device,
      this.options.label,
      entries.flatMap(([, list]) => list),
    );
    const tensors: Record<string, Float32Array> = {};
    let next = 0;
    for (const [name, list] of entries) {
      const parts = list.map(() => new Float32Array(copies[next++]!));
      const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        whole.set(part, at);
        at += part.length;
      }
      tensors[name] = whole;
    }
    return tensors;
  }

  describe(): PlanReport {
    const { model } = this.network;
    return {
      label: this.options.label,
      dispatches: this.passes.length,
      passes: this.passes.map(({ label, kernel, grid }) => ({ label, kernel, grid })),
      parameters: tensorsOf(model).reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0),
      bytes: { ...this.#bytes, activations: this.#memory.bytes },
    };
  }

  destroy(): void {
    this.#buffers.destroy();
  }
}

interface EngineParts {
  readonly buffers: BufferSet;
  readonly passes: readonly Pass[];
  readonly bytes: Omit<PlanReport['bytes'], 'activations'>;
  readonly memory: BatchMemory;
}

/** Makes every buffer of a step, fills those that start with something, and lists its passes. Awaits nothing. */
function makeStep(buffers: BufferSet, options: EngineOptions, plan: ArenaPlan, epoch: number) {
  const { label, model, data, rows, sampling } = options;
  const replicas = options.replicas.length;
  const { row } = options.replicas[0]!.rule;
  const slots = [...new Set(options.replicas.flatMap(({ rule }) => row.slots(rule.hyper)))];

  const arenas = (name: string) =>
    plan.arenas.map((elements, i) => buffers.storage(`${name}-${i}`, 4 * elements * replicas));
  const params = arenas('parameters');
  const grads = arenas('gradients');
  const state = slots.map((slot) => [slot, arenas(slot)] as const);
  for (const [slot, list] of state) {
    for (const [replica, { rule }] of options.replicas.entries())
      fillState(buffers.device, rule, slot, list, plan, replica);
  }
  const groupOf = plan.arenas.map((elements, i) => buffers.storage(`group-of-${i}`, (4 * elements) / ARENA_BLOCK));
  const network: Network = { label, model, plan, replicas, params };
  writeInitial(buffers.device, network, options.replicas);

  const onGpu = uploadDataset(buffers, data);
  const indices = buffers.storage('batch', 4 * rows * replicas);
  const result = buffers.storage('result', 8 * rows * replicas);
  const clock = buffers.storage('clock', CLOCK_BYTES * replicas);
  const losses = buffers.storage('losses', LOSS_BYTES * LOSS_RING * replicas);
  const ring = buffers.storage('ring', ringBytes(replicas));
  const hyper = buffers.make('hyper', HYPER_BYTES, USAGE.STORAGE | USAGE.UNIFORM | USAGE.COPY_SRC);
  writeFirstBatch(
    buffers.device,
    { samples: data.samples, rows, stepsPerEpoch: epoch, sampling },
    options.replicas,
    clock,
    indices,
  );

  const bound = bindNetwork({
    label,
    model,
    rows,
    replicas,
    buffers,
    params: piecesIn(network, replicas, params),
    grads: piecesIn(network, replicas, grads),
    input: { x: onGpu.x, batch: asBatch(onGpu, range(indices)) },
    targets: onGpu.targets,
    batch: range(indices),
    stream: range(clock),
    result: range(result),
    train: true,
  });
  const norms = normSpecs(buffers, options, plan, grads);
  const specs: PassSpec[] = [
    ...lower([...bound.forward, bound.loss, ...bound.backward], nnForms, buffers.device).passes,
    ...norms.specs,
    advance({
      label: `${label}/advance`,
      ...(norms.control && { control: norms.control }),
      groups: 1,
      replicas,
      clock: range(clock),
      ring: range(ring),
      hyper: range(hyper),
      network: {
        rows,
        samples: data.samples,
        stepsPerEpoch: epoch,
        sampling,
        lossRing: LOSS_RING,
        batch: range(indices),
        result: range(result),
        losses: range(losses),
      },
    }),
    ...lower(
      plan.arenas.map((elements, i) =>
        update({
          label: `${label}/update${plan.arenas.length > 1 ? `-${i}` : ''}`,
          shader: row.shader,
          elements,
          replicas,
          flags: slotFlags(row, slots),
          hyper: range(hyper),
          param: range(params[i]!, 0, 4 * elements * replicas),
          grad: range(grads[i]!, 0, 4 * elements * replicas),
          state: Object.fromEntries(state.map(([slot, list]) => [slot, range(list[i]!, 0, 4 * elements * replicas)])),
          groupOf: range(groupOf[i]!),
        }),
      ),
      updateForms,
      buffers.device,
    ).passes,
  ];
  const size = (list: readonly GPUBuffer[]) => list.reduce((sum, buffer) => sum + buffer.size, 0);
  return {
    network,
    specs,
    shared: { clock, losses, ring },
    bytes: {
      parameters: size(params),
      gradients: size(grads),
      state: size(state.flatMap(([, list]) => list)),
      data: onGpu.bytes,
    },
    memory: bound.memory,
  };
}

/** The data set as the first layer's input. */
export const asBatch = ({ encoding, scale, shift }: DeviceData, indices: BufferRange) => ({
  indices,
  encoding,
  scale,
  shift,
});

/** The norm of each replica's gradient, where something depends on it: a pass per arena, all replicas in one table. */
function normSpecs(buffers: BufferSet, options: EngineOptions, plan: ArenaPlan, grads: readonly GPUBuffer[]) {
  const { label, clip, skip } = options;
  if (!clip && !skip) return { specs: [], control: undefined };
  const replicas = options.replicas.length;
  const perArena = plan.arenas.map((elements) => Math.ceil(elements / SEGMENT));
  const segments = perArena.reduce((sum, each) => sum + each, 0);
  const partial = buffers.storage('partial', 8 * segments * replicas);
  const rows = buffers.upload('rows', new Uint32Array([0, segments]));
  let place = 0;
  const specs = plan.arenas.map((elements, i) => {
    const own = perArena[i]!;
    const first = place;
    place += own;
    const table = Array.from({ length: own * replicas }, (_, at) => {
      const [replica, k] = [Math.floor(at / own), at % own];
      const begin = k * SEGMENT;
      return [replica * elements + begin, Math.min(SEGMENT, elements - begin), replica * segments + first + k, 0];
    });
    const bounds = buffers.make(`norm-${i}`, 16, USAGE.UNIFORM | USAGE.COPY_DST);
    buffers.device.queue.writeBuffer(bounds, 0, rangeWords(0, table.length, 1));
    return gradientNorm({
      label: `${label}/norm${plan.arenas.length > 1 ? `-${i}` : ''}`,
      segments: table.length,
      bounds: range(bounds, 0, 16),
      grad: range(grads[i]!, 0, 4 * elements * replicas),
      table: range(buffers.upload(`segments-${i}`, new Uint32Array(table.flat()))),
      partial: range(partial),
      fixed: false,
    });
  });
  const control: GradientControl = {
    segments,
    partial: range(partial),
    rows: range(rows),
    unit: 1,
    ...(clip && { clip }),
    ...(skip && { skip }),
  };
  return { specs, control };
}

/** A state slot that does not start at 0 is filled, its padding too: a rule may divide by it. */
function fillState(
  device: GPUDevice,
  { row, hyper }: Replica['rule'],
  slot: string,
  list: readonly GPUBuffer[],
  plan: ArenaPlan,
  replica: number,
): void {
  const value = row.initial?.(slot, hyper) ?? 0;
  if (value === 0) return;
  for (const [i, buffer] of list.entries()) {
    const elements = plan.arenas[i]!;
    device.queue.writeBuffer(buffer, 4 * replica * elements, new Float32Array(elements).fill(value));
  }
}

/** Every replica's initial tensors, drawn from its seed. */
function writeInitial(device: GPUDevice, { model, plan, params }: Network, replicas: readonly Replica[]): void {
  const places = [...tensorParts(model, plan).values()];
  for (const [replica, { seed }] of replicas.entries()) {
    for (const [i, tensor] of initialize(model, seed).entries()) {
      for (const { arena, offset, start, elements } of places[i]!.parts) {
        const at = 4 * (replica * plan.arenas[arena]! + offset);
        device.queue.writeBuffer(params[arena]!, at, tensor, start, elements);
      }
    }
  }
}

/** The batch of step 0, which the GPU cannot have picked; `advance` picks every later one. */
function writeFirstBatch(
  device: GPUDevice,
  plan: Parameters<typeof batchOf>[0],
  replicas: readonly Replica[],
  clock: GPUBuffer,
  indices: GPUBuffer,
): void {
  const words = CLOCK_BYTES / 4;
  const clocks = new Uint32Array(words * replicas.length);
  for (const [replica, { seed }] of replicas.entries()) {
    const first = batchOf(plan, seed, 0);
    device.queue.writeBuffer(indices, 4 * plan.rows * replica, first.indices);
    clocks[replica * words + clockWord('valid')] = first.valid;
    clocks[replica * words + clockWord('seed')] = seed;
  }
  device.queue.writeBuffer(clock, 0, clocks);
}
