import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import type { Piece } from '../kernels/dense.js';
import { checkActivations, type DenseBatch, matrixBytes } from '../kernels/matrix.js';
import type { Op } from '../kernels/op.js';
import type { LayerGradients, LayerRow } from './layer.js';
import type { LossBinding, TargetKind } from './loss.js';
import type { Model } from './model.js';

/*
 * A model on the GPU: the ops of its layers and its loss, on the matrices of one batch. Where parameters and gradients lie
 * and which samples make the batch is others' business.
 */

/** The matrices of one batch, each made when a pass first binds it: what a fused form leaves out takes no memory. */
export interface BatchMemory {
  /** Per layer: its output; `made` is 0 where no pass stores it. */
  readonly outputs: readonly (BufferRange & { readonly made: number })[];
  /** Per layer: the gradient at its output. */
  readonly deltas: readonly BufferRange[];
  /** What a layer keeps for itself, by its place and a name; the loss has the place behind the last layer. */
  scratch(layer: number, name: string, bytes: number): BufferRange;
  /** Numbers of a setting, uploaded when they are first asked for. */
  constant(name: string, values: readonly number[]): BufferRange;
  /** Of those that were made. */
  readonly bytes: number;
}

/** What {@link bindNetwork} binds a model to. */
export interface NetworkBinding {
  /** In front of every pass's name. */
  readonly label: string;
  readonly model: Model;
  /** Rows of a batch. */
  readonly rows: number;
  readonly replicas: number;
  /** Gets the matrices of the batch. */
  readonly buffers: BufferSet;
  /** Those of another binding of as many rows and replicas, to be used again: one chunk of an evaluation after another. */
  readonly memory?: BatchMemory;
  /** Where a tensor lies, by its name. */
  params(tensor: string): readonly Piece[];
  /** Where its gradient goes; needed to train. */
  grads?(tensor: string): readonly Piece[];
  /** Where a layer's buffer lies, by its name; needed where layers have some. */
  statistics?(buffer: string): readonly Piece[];
  readonly input: { readonly x: BufferRange; readonly batch?: DenseBatch };
  /** Of the whole data set: one u32 per sample (classes), or [samples, outputs] float32 (values, probabilities). */
  readonly targets: BufferRange;
  /** Of the targets; by default the kind that the loss takes first of all. */
  readonly kind?: TargetKind | undefined;
  /** As {@link LossBinding}.meanWeight: of an evaluation. */
  readonly meanWeight?: number | undefined;
  /** Sample of each row: one u32 per row and replica. */
  readonly batch: BufferRange;
  /** Says per replica how many rows are valid. */
  readonly stream: BufferRange;
  /** Two float32 per row and replica, written: the row's loss, and what the loss's metric counts. */
  readonly result: BufferRange;
  /** Whether the gradients are wanted: `backward` is empty otherwise. */
  readonly train: boolean;
}

/** A network's ops for one batch, in the order in which they must run. */
export interface BoundNetwork {
  readonly forward: readonly Op[];
  readonly loss: readonly Op[];
  /** From the last layer: the gradient of its tensors, then at its input. */
  readonly backward: readonly Op[];
  /** Once the step is decided, by the optimizer's clocks: what layers keep of it. */
  commit(clock: BufferRange): readonly Op[];
  /** What layers and loss compute with: for ops beside these. */
  readonly layers: readonly BoundLayer[];
  readonly lossBinding: LossBinding;
  /** [rows, rowStride(model.output)]: the last layer's output. */
  readonly outputs: BufferRange;
  readonly memory: BatchMemory;
}

/** Throws LIMIT-BINDING when a matrix of the batch cannot be one binding. Before any GPU work. */
export const checkNetwork = (device: GPUDevice, model: Model, rows: number, replicas: number): void =>
  checkActivations(
    device,
    rows,
    model.layers.map(({ output }) => output),
    replicas,
  );

function batchMemory({ buffers, model, rows, replicas }: NetworkBinding): BatchMemory {
  const make = (name: string) =>
    model.layers.map(({ output }, i) => buffers.later(`${name}-${i}`, matrixBytes(rows, output, replicas)));
  const [outputs, deltas] = [make('output'), make('delta')];
  const own = new Map<string, ReturnType<typeof buffers.later>>();
  const constants = new Map<string, BufferRange>();
  return {
    outputs,
    deltas,
    scratch(layer, name, bytes) {
      const key = `${name}-${layer}`;
      const made = own.get(key) ?? buffers.later(key, bytes);
      own.set(key, made);
      return made;
    },
    constant(name, values) {
      const made = constants.get(name) ?? range(buffers.upload(name, Float32Array.from(values)));
      constants.set(name, made);
      return made;
    },
    get bytes() {
      return [...outputs, ...deltas, ...own.values()].reduce((sum, { made }) => sum + made, 0);
    },
  };
}

/** A layer with what it computes with. */
export interface BoundLayer {
  readonly row: LayerRow;
  /** In training; where nothing below is trained, without dx. */
  readonly binding: LayerGradients;
  /** Whether it has a gradient: itself or one below it is trained. */
  readonly train: boolean;
}

/** The layers' bindings, from the first on. */
function bindLayers(binding: NetworkBinding, memory: BatchMemory): BoundLayer[] {
  const { label, model, rows, replicas, input, stream, train, params, grads, statistics } = binding;
  const { layers } = model;
  // Below the first layer that is trained no gradient is wanted.
  const lowest = train ? layers.findIndex(({ tensors }) => tensors.length > 0) : layers.length;
  const counts = new Map<string, number>();
  return layers.map(({ row, ...layer }, i) => {
    const nth = counts.get(row.name) ?? 0;
    counts.set(row.name, nth + 1);
    const pieces = (find: typeof params) => (name: string) => find(`${i}.${name}`);
    const own: LayerGradients = {
      settings: layer.settings,
      place: i,
      mode: train ? 'train' : 'evaluate',
      stream,
      input: layer.input,
      output: layer.output,
      rows,
      replicas,
      train: i >= lowest,
      label: (pass) => `${label}/${pass}-${nth}`,
      ...(i === 0 ? input : { x: memory.outputs[i - 1]! }),
      y: memory.outputs[i]!,
      dy: memory.deltas[i]!,
      dx: i > lowest ? memory.deltas[i - 1]! : undefined,
      param: pieces(params),
      grad: pieces(grads!),
      buffer: pieces(statistics!),
      scratch: (name, bytes) => memory.scratch(i, name, bytes),
    };
    return { row, binding: own, train: i >= lowest };
  });
}

/** What the loss computes with; its gradient goes to the last layer's. */
function bindLoss(binding: NetworkBinding, memory: BatchMemory): LossBinding {
  const { label, model, rows, replicas, targets, batch, stream, result, kind, meanWeight } = binding;
  const { loss, layers } = model;
  return {
    label: `${label}/loss`,
    rows,
    outputs: model.output,
    replicas,
    z: memory.outputs.at(-1)!,
    targets,
    batch,
    stream,
    dz: memory.deltas.at(-1)!,
    result,
    settings: loss.settings,
    kind: kind ?? loss.row.targets,
    meanWeight,
    constant: memory.constant,
    scratch: (name, bytes) => memory.scratch(layers.length, name, bytes),
  };
}

/**
 * The ops of a network on the matrices of a batch. Creates nothing but a loss's constants: the matrices are made when
 * passes bind them.
 */
export function bindNetwork(binding: NetworkBinding): BoundNetwork {
  const { loss } = binding.model;
  const memory = binding.memory ?? batchMemory(binding);
  const layers = bindLayers(binding, memory);
  const lossBinding = bindLoss(binding, memory);
  return {
    forward: layers.flatMap(({ row, binding: own }) => row.forward(own)),
    loss: loss.row.ops(lossBinding),
    backward: layers.toReversed().flatMap(({ row, binding: own, train }) => (train ? row.backward(own) : [])),
    commit: (clock) => layers.flatMap(({ row, binding: own }) => row.commit?.({ ...own, clock }) ?? []),
    layers,
    lossBinding,
    outputs: memory.outputs.at(-1)!,
    memory,
  };
}
