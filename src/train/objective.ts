import { stepsPerEpoch } from '../data/batching.js';
import type { Dataset } from '../data/dataset.js';
import { BatchRing, isUploadable, ringBatches } from '../data/ring.js';
import { DataStream } from '../data/stream.js';
import { checkUploadable, type Uploads } from '../data/upload.js';
import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { inTurns } from '../gpu/turns.js';
import type { Sampling } from '../kernels/account.js';
import type { LossOp } from '../kernels/loss.js';
import { checkActivations } from '../kernels/matrix.js';
import type { Form, Op } from '../kernels/op.js';
import { drawTensors } from '../nn/init.js';
import { buffersOf, type Model, type ModelLayer, tensorsOf } from '../nn/model.js';
import { type BoundNetwork, bindNetwork, checkNetwork, type NetworkBinding } from '../nn/network.js';
import type { Shader } from '../shaders/shader.js';
import type { PlacedVector, Space, TensorShape, Vector } from '../space/space.js';
import { type Json, type Stateful, settingsState } from '../space/stateful.js';
import { pieces } from '../space/vectors.js';
import { type Augment, augmentBatches } from './augment.js';
import { type Penalty, penaltyOps } from './penalty.js';
import { type Feed, MAX_STEPS } from './scheduler.js';

/** A tensor that is kept and not minimized over. */
export interface KeptTensor extends TensorShape {
  /** What its elements start at. */
  readonly initial: number;
  /** What its 32 bits are. Default 'f32'. */
  readonly dtype?: 'f32' | 'u32';
}

/** Something to minimize: a loss of some tensors, whose gradient it can write. */
export interface Objective {
  readonly tensors: readonly TensorShape[];
  /** What it keeps and does not minimize over, such as running means, and what that starts at. */
  readonly statistics: readonly KeptTensor[];
  readonly stepsPerEpoch: number;
  /** Forms of ops that a trainer does not know. Default none. */
  readonly forms?: readonly Form[];
  /** Throws where it does not fit the device. Before any GPU work. */
  check(device: GPUDevice, replicas: number): void;
  /**
   * Loads what products with the Hessian need; bound from then on, it has them.
   *
   * @param what asks, for the message
   * @throws DownhillError OPTION-RANGE where it has none
   */
  loadProduct?(what: string): Promise<void>;
  /** The tensors to start from, in their order; the page has its turns while they are drawn. */
  initial(seed: number): Promise<readonly Float32Array[]>;
  /** Of one whose values are a likelihood: loads what `BoundObjective.drawn` takes. */
  drawn?: (() => Promise<Shader>) | undefined;
  /** Makes what it needs beside parameters and gradients. Creates buffers: call it in an error scope. */
  bind(binding: ObjectiveBinding): BoundObjective;
}

export interface ObjectiveBinding {
  /** In front of every pass's name. */
  readonly label: string;
  readonly buffers: BufferSet;
  readonly space: Space;
  readonly params: Vector;
  readonly grads: Vector;
  /** Of its `statistics`. */
  readonly statistics: PlacedVector;
  /** One per replica. */
  readonly seeds: readonly number[];
}

/** An objective on the GPU. */
export interface BoundObjective {
  /** Writes values and gradients for the parameters as they are. */
  readonly gradient: readonly Op[];
  /**
   * Writes gradients for targets drawn from what it predicts, in memory of its own: before `gradient`, and none of what that
   * leaves behind. Keyed by seed and step.
   */
  drawn?(kernel: Shader): readonly Op[];
  /**
   * Behind `gradient`, at the same parameters: writes the Hessian times `direction` to `out`, vectors of the parameters' spans, or
   * the Gauss-Newton matrix times it. There where products were loaded. To be called once: makes memory of its own.
   */
  product?(direction: Vector, out: Vector, gaussNewton?: boolean): readonly Op[];
  /** After the update, by the optimizer's clocks: what it keeps of the step, where that counts. */
  commit(clock: BufferRange): readonly Op[];
  /** After the update: takes the value into the ring of losses, and goes on to what the next step looks at. */
  next(ranges: { readonly clock: BufferRange; readonly losses: BufferRange }, lossRing: number): readonly Op[];
  /** What telemetry may look at after a step; known once its passes are made. */
  readonly watched: WatchedStep;
  /** What it remembers from step to step. */
  readonly parts: readonly Stateful[];
  /** Brings the data of the steps to come, where the GPU has not all of it. */
  readonly feed?: Feed | undefined;
  /** Of the batch, (loss, counted) of each row: what `next` takes in. */
  readonly result: BufferRange;
  /** Bytes it takes, known once its passes are made. */
  readonly bytes: { readonly activations: number; readonly data: number };
}

/** A layer as telemetry sees it. */
export interface WatchedLayer {
  readonly name: string;
  readonly width: number;
  /** Names of its tensors. */
  readonly tensors: readonly string[];
  /** [rows, rowStride(width)] of every replica; undefined where no pass stores it. */
  readonly output: BufferRange | undefined;
}

export interface WatchedStep {
  /** Of a batch. */
  readonly rows: number;
  /** Says of the next step how many of them are valid. */
  readonly stream: BufferRange;
  readonly layers: readonly WatchedLayer[];
}

/** Whether batches get their rows from the host: asked for, or because the device cannot bind the data as a whole. */
export const isStreamed = (
  device: GPUDevice,
  { data, stream }: { readonly data: Dataset; readonly stream?: boolean },
) => stream === true || !isUploadable(device, data);

/** What changes the loss beside model and data, for checkpoints. */
const addedTo = ({
  penalty,
  augment,
}: {
  readonly penalty?: Penalty | undefined;
  readonly augment?: Augment | undefined;
}) =>
  ({
    penalty: penalty ? { ...penalty, tensors: [...penalty.tensors] } : null,
    augment: augment ? { mixup: augment.mixup ?? null, cutout: augment.cutout ?? null } : null,
  }) satisfies Json;

type NetworkProducts = Awaited<ReturnType<typeof loadNetworkProducts>>;

/** @throws DownhillError OPTION-RANGE */
const loadNetworkProducts = async (what: string, model: Model) =>
  (await import('./network-product.js')).loadNetworkProducts(what, model);

/** The mean loss of a network over the batches of a data set. */
export function networkObjective(options: {
  readonly model: Model;
  readonly data: Dataset;
  readonly rows: number;
  readonly sampling: Sampling;
  readonly dropLast: boolean;
  readonly penalty?: Penalty | undefined;
  readonly augment?: Augment | undefined;
  readonly uploads: Uploads;
  /** Send the rows of each batch, also where the data fits. */
  readonly stream?: boolean;
}): Objective {
  const { model, data, rows, sampling, uploads } = options;
  const perEpoch = stepsPerEpoch(data.samples, rows, options.dropLast);
  let products: NetworkProducts | undefined;
  return {
    async loadProduct(what) {
      products = await loadNetworkProducts(what, model);
    },
    tensors: tensorsOf(model),
    statistics: buffersOf(model),
    stepsPerEpoch: perEpoch,
    check(device, replicas) {
      if (isStreamed(device, options)) ringBatches(device, data, rows, replicas, MAX_STEPS);
      else checkUploadable(device, data);
      checkNetwork(device, model, rows, replicas);
      if (options.augment) checkActivations(device, rows, [model.input, model.output], replicas);
    },
    initial: (seed) => inTurns(drawTensors(model, seed)),
    drawn: model.loss.row.drawn,
    bind({ label, buffers, space, params, grads, statistics, seeds }) {
      const replicas = seeds.length;
      const plan = { samples: data.samples, rows, stepsPerEpoch: perEpoch, sampling };
      const ring = isStreamed(buffers.device, options)
        ? new BatchRing(
            buffers,
            data,
            plan,
            seeds,
            ringBatches(buffers.device, data, rows, replicas, MAX_STEPS),
            model.loss.row.within,
          )
        : undefined;
      const onGpu = ring?.onGpu ?? uploads.take(data);
      const batches = new DataStream(buffers, plan, seeds, ring?.batches);
      const result = range(buffers.storage('result', 8 * rows * replicas), 0, 8 * rows * replicas);
      const { batch, stream } = batches;
      const given = { label, buffers, model, data, onGpu, rows, replicas, batch, stream };
      const augmented = options.augment && augmentBatches(options.augment, given);
      const binding: NetworkBinding = {
        label,
        model,
        rows,
        replicas,
        buffers,
        params: pieces(space, params),
        grads: pieces(space, grads),
        statistics: pieces(statistics.space, statistics.vector),
        ...(augmented?.network ?? {
          input: { x: onGpu.x, batch: { ...onGpu, indices: batches.batch } },
          targets: onGpu.targets,
          kind: data.targets.kind,
          batch: batches.batch,
        }),
        stream: batches.stream,
        result,
        train: true,
      };
      const network = bindNetwork(binding);
      let drawn: BoundNetwork | undefined;
      const where = { label, buffers, space, params, grads, rows, stream: batches.stream, result };
      const added = options.penalty ? penaltyOps(options.penalty, where) : [];
      const pass = [...network.forward, ...network.loss, ...network.backward];
      const made = products;
      return {
        gradient: [...(augmented?.ops ?? []), ...(made ? made.stored(pass) : pass), ...added],
        ...(made && {
          product: (direction: Vector, out: Vector, gaussNewton = false) =>
            made.ops(network, { label, buffers, space, direction, out, gaussNewton, penalty: options.penalty }),
        }),
        drawn(kernel) {
          drawn = bindNetwork(binding);
          const withKernel = (op: Op) =>
            op.kind === 'loss' ? { ...op, shape: { ...(op as LossOp).shape, shader: kernel } } : op;
          return [...(augmented?.ops ?? []), ...drawn.forward, ...drawn.loss.map(withKernel), ...drawn.backward];
        },
        commit: network.commit,
        next: (ranges, lossRing) => [batches.next(`${label}/account`, { ...ranges, result }, lossRing)],
        parts: [batches, settingsState('objective', addedTo(options))],
        get watched() {
          const { outputs } = network.memory;
          return {
            rows,
            stream: batches.stream,
            layers: model.layers.map((layer, i) => watchedLayer(layer, outputs[i]!)),
          };
        },
        feed: ring,
        result,
        bytes: {
          get activations() {
            return network.memory.bytes + (drawn?.memory.bytes ?? 0) + (augmented?.bytes ?? 0);
          },
          data: onGpu.bytes,
        },
      };
    },
  };
}

const watchedLayer = (
  { row, output: width, tensors }: ModelLayer,
  output: BufferRange & { readonly made: number },
): WatchedLayer => ({
  name: row.name,
  width,
  tensors: tensors.map(({ name }) => name),
  output: output.made > 0 ? output : undefined,
});
