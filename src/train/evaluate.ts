import type { Dataset } from '../data/dataset.js';
import { checkUploadable, type DeviceSamples, type Samples, type Uploads, uploadSamples } from '../data/upload.js';
import { type BufferRange, BufferSet, guarded, range, readRanges, roundUp } from '../gpu/buffers.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { STREAM_BYTES, streamWord } from '../kernels/account.js';
import { judgeForms, SUMS_BYTES, sumRows } from '../kernels/judge.js';
import { lower } from '../kernels/lower.js';
import { matrixBytes, rowStride } from '../kernels/matrix.js';
import { loadForms } from '../kernels/nn-forms.js';
import type { Form } from '../kernels/op.js';
import type { Model } from '../nn/model.js';
import { type BatchMemory, type BoundNetwork, bindNetwork, type NetworkBinding } from '../nn/network.js';
import type { PlacedVector, Space, Vector } from '../space/space.js';
import { pieces } from '../space/vectors.js';

/** Samples evaluated at a time; a multiple of 64, so that each chunk's indices and results start where bindings may. */
const CHUNK = 512;
/** Chunks per submit: on a slow adapter one submit stays well under what watchdogs allow. */
export const CHUNKS_PER_SUBMIT = 8;

/** Where the parameters of a network lie. */
export interface PlacedWeights {
  readonly space: Space;
  readonly params: Vector;
  /** What its layers keep beside parameters. */
  readonly statistics: PlacedVector;
}

/** Samples on the GPU, and where they have some their targets, as a loss takes them. */
type Evaluated = DeviceSamples & { readonly targets?: BufferRange } & Pick<NetworkBinding, 'kind' | 'meanWeight'>;

/** A network whose parameters lie in a vector. */
export interface Trained extends PlacedWeights {
  /** In front of every pass's name. */
  readonly label: string;
  readonly model: Model;
  /** How many are evaluated at once, from the first on. Default 1. */
  readonly replicas?: number;
}

/**
 * Runs a network over samples, in order, a chunk at a time. Its passes read the network's parameters where they are, so
 * that one made once serves as often as it is asked.
 */
export class Evaluator {
  private constructor(
    readonly buffers: BufferSet,
    readonly trained: Trained,
    readonly samples: number,
    readonly chunks: readonly { readonly passes: readonly Pass[]; readonly network: BoundNetwork }[],
    /** Sums of (loss, what it counts) by replica, and the pass that makes them; undefined without targets. */
    readonly sums: { readonly range: BufferRange; readonly passes: readonly Pass[] } | undefined,
    readonly release: () => void,
  ) {}

  /** For the loss over a data set, whose one copy on the GPU it shares with whoever trains on it. */
  static ofDataset(device: GPUDevice, trained: Trained, data: Dataset, uploads: Uploads): Promise<Evaluator> {
    checkUploadable(device, data);
    const { row, settings } = trained.model.loss;
    const { targets } = data;
    const take = () => ({
      ...uploads.take(data),
      ...{ kind: targets.kind, meanWeight: row.meanWeight?.(targets, settings) },
    });
    return Evaluator.#create(device, trained, take, () => uploads.give(data));
  }

  /** For the outputs of samples without targets. */
  static ofSamples(device: GPUDevice, trained: Trained, samples: Samples): Promise<Evaluator> {
    checkUploadable(device, samples);
    return Evaluator.#create(
      device,
      trained,
      (buffers) => uploadSamples(buffers, samples),
      () => {},
    );
  }

  static async #create(
    device: GPUDevice,
    trained: Trained,
    take: (buffers: BufferSet) => Evaluated,
    release: () => void,
  ): Promise<Evaluator> {
    const buffers = new BufferSet(device, trained.label);
    let taken = false;
    try {
      const forms = await loadForms(device);
      const {
        onGpu,
        networks,
        specs,
        sums: summed,
      } = await guarded(device, buffers.label, () => {
        const data = take(buffers);
        taken = true;
        return { onGpu: data, ...makeChunks(buffers, trained, data, forms) };
      });
      const passes = await createPasses(device, [...specs.flat(), ...(summed?.specs ?? [])], buffers);
      let at = 0;
      const chunks = networks.map((network, i) => {
        const own = passes.slice(at, at + specs[i]!.length);
        at += own.length;
        return { passes: own, network };
      });
      const sums = summed && { range: summed.range, passes: passes.slice(at) };
      return new Evaluator(buffers, trained, onGpu.samples, chunks, sums, release);
    } catch (error) {
      buffers.destroy();
      if (taken) release();
      throw error;
    }
  }

  /**
   * Records every chunk, and the sums behind the last. Creates encoders and nothing else.
   *
   * @param after records whatever comes behind a chunk
   * @returns the last encoder, to be finished and submitted; those before it were, each with as many chunks as a slow adapter
   * does in the time that watchdogs allow
   */
  record(after: (encoder: GPUCommandEncoder, chunk: number) => void = () => {}): GPUCommandEncoder {
    const { device } = this.buffers;
    const label = `downhill:${this.buffers.label}/submit`;
    let encoder = device.createCommandEncoder({ label });
    for (const [i, { passes }] of this.chunks.entries()) {
      if (i > 0 && i % CHUNKS_PER_SUBMIT === 0) {
        device.queue.submit([encoder.finish()]);
        encoder = device.createCommandEncoder({ label });
      }
      const last = i === this.chunks.length - 1;
      encodePasses(encoder, label, last && this.sums ? [...passes, ...this.sums.passes] : passes);
      after(encoder, i);
    }
    return encoder;
  }

  /** Mean loss of the first replica, and share of what the metric counts. */
  async loss(): Promise<{ loss: number; counted: number }> {
    const { device, label } = this.buffers;
    device.queue.submit([this.record().finish()]);
    const [bytes] = await readRanges(device, label, [{ ...this.sums!.range, size: SUMS_BYTES }]);
    const [loss, counted] = new Float32Array(bytes!);
    return { loss: loss! / this.samples, counted: counted! / this.samples };
  }

  /** Mean loss of every replica, and share of what the metric counts. */
  async means(): Promise<{ readonly loss: Float64Array<ArrayBuffer>; readonly counted: Float64Array<ArrayBuffer> }> {
    const { device, label } = this.buffers;
    device.queue.submit([this.record().finish()]);
    const [bytes] = await readRanges(device, label, [this.sums!.range]);
    const sums = new Float32Array(bytes!);
    const column = (at: number) =>
      Float64Array.from({ length: sums.length / 2 }, (_, i) => sums[2 * i + at]! / this.samples);
    return { loss: column(0), counted: column(1) };
  }

  /** The loss, and where they are wanted the outputs: both submit before they wait, so they are of the same parameters. */
  async evaluate(wantOutputs: boolean) {
    const [loss, outputs] = await Promise.all([this.loss(), wantOutputs ? this.outputs() : undefined]);
    return { ...loss, outputs };
  }

  /** What the network says of every sample, [samples, outputs]: probabilities where its loss has them. */
  async predict(): Promise<Float32Array> {
    const { output, loss } = this.trained.model;
    const outputs = await this.outputs();
    return loss.row.predict?.(outputs, output) ?? outputs;
  }

  /** The last layer's outputs for every sample, [samples, outputs], of the parameters at the call. */
  async outputs(): Promise<Float32Array> {
    const { device, label } = this.buffers;
    const { output } = this.trained.model;
    const bytes = this.chunks[0]!.network.outputs.size;
    // A buffer for each chunk's: no binding, so no limit of bindings.
    const copies = new BufferSet(device, label);
    try {
      const kept = await guarded(device, label, () => {
        const made = this.chunks.map((_, i) => copies.storage(`outputs-${i}`, bytes));
        const last = this.record((encoder, i) => {
          const { buffer, offset } = this.chunks[i]!.network.outputs;
          encoder.copyBufferToBuffer(buffer, offset, made[i]!, 0, bytes);
        });
        device.queue.submit([last.finish()]);
        return made;
      });
      const read = await readRanges(
        device,
        label,
        kept.map((buffer) => range(buffer, 0, bytes)),
      );
      const outputs = new Float32Array(this.samples * output);
      const stride = rowStride(output);
      let sample = 0;
      for (const chunk of read.map((each) => new Float32Array(each))) {
        for (let row = 0; (row + 1) * stride <= chunk.length && sample < this.samples; row++, sample++)
          outputs.set(chunk.subarray(row * stride, row * stride + output), sample * output);
      }
      return outputs;
    } finally {
      copies.destroy();
    }
  }

  destroy(): void {
    this.buffers.destroy();
    this.release();
  }
}

/** As many rows as a layer's activations may take in one binding, in multiples of 64, and at most `most`. */
export function chunkRows(
  device: GPUDevice,
  { layers }: Model,
  samples: number,
  replicas: number,
  most = CHUNK,
): number {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const widest = Math.max(...layers.map(({ output }) => output));
  const fitting = Math.floor(limit / matrixBytes(1, widest, replicas) / 64) * 64;
  return Math.min(most, roundUp(samples, 64), Math.max(fitting, 64));
}

function makeChunks(
  buffers: BufferSet,
  { model, space, params, statistics, replicas = 1 }: Trained,
  data: Evaluated,
  forms: readonly Form[],
) {
  const { samples, targets } = data;
  const rows = chunkRows(buffers.device, model, samples, replicas);
  const count = Math.ceil(samples / rows);
  // Of one chunk, every replica.
  const each = rows * replicas;
  const result = targets && range(buffers.storage('result', 8 * each * count), 0, 8 * each * count);

  // Past the end the last sample is repeated; `valid` keeps it out of the result.
  const sampleOf = (i: number) => Math.floor(i / each) * rows + (i % rows);
  const order = Uint32Array.from({ length: each * count }, (_, i) => Math.min(sampleOf(i), samples - 1));
  const indices = buffers.upload('batch', order);
  const streams = [rows, samples - (count - 1) * rows].map((valid, i) => {
    const words = new Uint32Array((STREAM_BYTES / 4) * replicas);
    for (let replica = 0; replica < replicas; replica++)
      words[(STREAM_BYTES / 4) * replica + streamWord('valid')] = valid;
    return range(buffers.upload(`stream-${i}`, words), 0, words.byteLength);
  });

  let memory: BatchMemory | undefined;
  const networks = Array.from({ length: count }, (_, chunk) => {
    const batch = range(indices, 4 * each * chunk, 4 * each);
    const network = bindNetwork({
      label: buffers.label,
      model,
      rows,
      replicas,
      buffers,
      ...(memory && { memory }),
      params: pieces(space, params, replicas),
      statistics: pieces(statistics.space, statistics.vector, replicas),
      input: { x: data.x, batch: { ...data, indices: batch } },
      // Without targets the loss is not asked for.
      targets: targets ?? data.x,
      kind: data.kind,
      meanWeight: data.meanWeight,
      batch,
      stream: streams[chunk === count - 1 ? 1 : 0]!,
      result: result ? range(result.buffer, 8 * each * chunk, 8 * each) : data.x,
      train: false,
    });
    memory ??= network.memory;
    return network;
  });
  const specs = networks.map(({ forward, loss }) => [
    ...lower(targets ? [...forward, ...loss] : forward, forms, buffers.device).passes,
  ]);
  return { networks, specs, sums: result && makeSums(buffers, result, { samples, rows }, replicas) };
}

export function makeSums(
  buffers: BufferSet,
  result: BufferRange,
  shape: { readonly samples: number; readonly rows: number },
  replicas: number,
) {
  const sums = range(buffers.storage('sums', SUMS_BYTES * replicas), 0, SUMS_BYTES * replicas);
  const op = sumRows(`${buffers.label}/sum-rows`, shape, { result, sums }, replicas);
  return { range: sums, specs: lower([op], judgeForms, buffers.device).passes };
}
