import type { Dataset } from '../data/dataset.js';
import { isUploadable } from '../data/ring.js';
import { isSource, rowsOf, targetsOf } from '../data/source.js';
import { kindOf } from '../data/targets.js';
import { encodingOf, type Samples, writeSamples } from '../data/upload.js';
import { BufferSet, checkBindable, guarded, range, readRanges } from '../gpu/buffers.js';
import { untilLost } from '../gpu/lost.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { STREAM_BYTES, streamWord } from '../kernels/account.js';
import { lower } from '../kernels/lower.js';
import { rowStride } from '../kernels/matrix.js';
import { loadForms } from '../kernels/nn-forms.js';
import type { Form } from '../kernels/op.js';
import { bindNetwork, type NetworkBinding } from '../nn/network.js';
import { pieces } from '../space/vectors.js';
import { CHUNKS_PER_SUBMIT, chunkRows, Evaluator, makeSums, type Trained } from './evaluate.js';

/** Samples of a chunk: with targets, or without where only the outputs are wanted. */
type Chunk = Samples & Partial<Pick<Dataset, 'targets'>>;
/** What the loss needs to know of all targets. */
type Loss = Pick<NetworkBinding, 'kind' | 'meanWeight'>;

/**
 * Runs a network over samples that are not on the GPU: a chunk at a time is sent there. A row's outputs do not depend on those
 * beside it, and the losses are summed as `Evaluator` sums them, so loss and outputs are the same, bit for bit. It takes the
 * memory of one chunk, of the parameters once more, and 8 bytes for each sample's loss.
 */
export class StreamedEvaluator {
  private constructor(
    readonly buffers: BufferSet,
    readonly trained: Trained,
    readonly data: Chunk,
    readonly rows: number,
    readonly bound: ReturnType<typeof bindChunk>,
    readonly passes: { readonly chunk: readonly Pass[]; readonly sums: readonly Pass[] },
  ) {}

  /** For the loss over a data set. */
  static async ofDataset(device: GPUDevice, trained: Trained, data: Dataset): Promise<StreamedEvaluator> {
    const { row, settings } = trained.model.loss;
    let meanWeight = row.meanWeight?.(data.targets, settings);
    if (meanWeight !== undefined && isSource(data)) meanWeight = row.meanWeight?.(await targetsOf(data), settings);
    return StreamedEvaluator.#create(device, trained, data, { kind: data.targets.kind, meanWeight });
  }

  /** For the outputs of samples. */
  static ofSamples(device: GPUDevice, trained: Trained, samples: Samples): Promise<StreamedEvaluator> {
    return StreamedEvaluator.#create(device, trained, samples);
  }

  static async #create(device: GPUDevice, trained: Trained, data: Chunk, loss?: Loss): Promise<StreamedEvaluator> {
    const { bytesPerRow } = encodingOf(data);
    checkBindable(device, 'A sample', bytesPerRow, 'Use fewer features.');
    checkBindable(device, `The losses of ${data.samples} samples`, loss ? 8 * data.samples : 0, 'Use fewer samples.');
    const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    const rows = Math.min(chunkRows(device, trained.model, data.samples, 1), Math.floor(limit / bytesPerRow));
    const buffers = new BufferSet(device, trained.label);
    try {
      const forms = await loadForms(device);
      const bound = await guarded(device, buffers.label, () => bindChunk(buffers, trained, data, rows, forms, loss));
      const passes = await createPasses(device, [...bound.specs, ...bound.sumSpecs], buffers);
      const at = bound.specs.length;
      return new StreamedEvaluator(buffers, trained, data, rows, bound, {
        chunk: passes.slice(0, at),
        sums: passes.slice(at),
      });
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  /**
   * Mean loss and share of what the metric counts, and where they are wanted the last layer's outputs [samples, outputs], of
   * the parameters at the call.
   */
  async evaluate(wantOutputs: boolean): Promise<{ loss: number; counted: number; outputs: Float32Array | undefined }> {
    const { device, label } = this.buffers;
    const { result, losses, sums } = this.bound;
    const outputs = wantOutputs ? new Float32Array(this.data.samples * this.trained.model.output) : undefined;
    this.#keepWeights();
    let done = 0;
    for await (const { chunk, encoder } of this.#chunks()) {
      const before = done;
      done += chunk.samples;
      encoder.copyBufferToBuffer(result!.buffer, 0, losses!.buffer, 8 * before, 8 * chunk.samples);
      if (done === this.data.samples) encodePasses(encoder, `downhill:${label}/submit`, this.passes.sums);
      device.queue.submit([encoder.finish()]);
      if (outputs) await this.#readOutputs(outputs, before, chunk.samples);
      // Not all of it ahead of the GPU: what is written waits in the host's memory.
      else if ((done / this.rows) % CHUNKS_PER_SUBMIT === 0)
        await untilLost(device, device.queue.onSubmittedWorkDone());
    }
    const [bytes] = await readRanges(device, label, [sums!]);
    const [loss, counted] = new Float32Array(bytes!);
    return { loss: loss! / done, counted: counted! / done, outputs };
  }

  /** What the network says of every sample, [samples, outputs]: probabilities where its loss has them. */
  async predict(): Promise<Float32Array> {
    const { output, loss } = this.trained.model;
    const outputs = new Float32Array(this.data.samples * output);
    this.#keepWeights();
    let done = 0;
    for await (const { chunk, encoder } of this.#chunks()) {
      this.buffers.device.queue.submit([encoder.finish()]);
      await this.#readOutputs(outputs, done, chunk.samples);
      done += chunk.samples;
    }
    return loss.row.predict?.(outputs, output) ?? outputs;
  }

  /** The host waits between chunks, so training may go on meanwhile: all are evaluated with what there is now. */
  #keepWeights(): void {
    const { device, label } = this.buffers;
    const encoder = device.createCommandEncoder({ label: `downhill:${label}/keep` });
    for (const [from, to] of this.bound.weights)
      for (const [i, { buffer, offset, size }] of from.ranges.entries())
        encoder.copyBufferToBuffer(buffer, offset, to.ranges[i]!.buffer, to.ranges[i]!.offset, size);
    device.queue.submit([encoder.finish()]);
  }

  async #readOutputs(into: Float32Array, first: number, samples: number): Promise<void> {
    const { device, label } = this.buffers;
    const { output } = this.trained.model;
    const stride = rowStride(output);
    const [read] = await readRanges(device, label, [this.bound.outputs]);
    const values = new Float32Array(read!);
    for (let row = 0; row < samples; row++)
      into.set(values.subarray(row * stride, row * stride + output), (first + row) * output);
  }

  /** Sends every chunk in order, and records its passes: to be submitted before the next one is asked for. */
  async *#chunks(): AsyncGenerator<{ readonly chunk: Chunk; readonly encoder: GPUCommandEncoder }, void, void> {
    const label = `downhill:${this.buffers.label}/submit`;
    let next: Chunk | Promise<Chunk> | undefined = this.#rowsFrom(0);
    for (let first = 0; next !== undefined; ) {
      const chunk: Chunk = await next;
      first += chunk.samples;
      // A source reads the next one while the GPU works on this.
      next = first < this.data.samples ? this.#rowsFrom(first) : undefined;
      this.#send(chunk);
      const encoder = this.buffers.device.createCommandEncoder({ label });
      encodePasses(encoder, label, this.passes.chunk);
      yield { chunk, encoder };
    }
  }

  #rowsFrom(first: number): Chunk | Promise<Chunk> {
    const { data } = this;
    const samples = Math.min(this.rows, data.samples - first);
    if (isSource(data)) {
      const rows = rowsOf(
        data,
        Uint32Array.from({ length: samples }, (_, i) => first + i),
        this.trained.model.loss.row.within,
      );
      if (rows instanceof Promise) rows.catch(() => {}); // whoever awaits it sees it
      return rows;
    }
    const { features, targets } = data;
    const x = data.x.subarray(first * features, (first + samples) * features);
    return { ...data, samples, x, ...(targets && { targets: kindOf(targets).slice(targets, first, first + samples) }) };
  }

  #send(chunk: Chunk): void {
    const { queue } = this.buffers.device;
    const { x, targets, stream } = this.bound;
    writeSamples(queue, x.buffer, 0, chunk);
    if (targets && chunk.targets) queue.writeBuffer(targets.buffer, 0, kindOf(chunk.targets).upload(chunk.targets));
    queue.writeBuffer(stream.buffer, 4 * streamWord('valid'), Uint32Array.of(chunk.samples));
  }

  destroy(): void {
    this.buffers.destroy();
  }
}

/** For the outputs of samples: all at once where the device can bind them, else a chunk at a time. */
export const samplesEvaluator = (device: GPUDevice, trained: Trained, samples: Samples) =>
  isUploadable(device, samples)
    ? Evaluator.ofSamples(device, trained, samples)
    : StreamedEvaluator.ofSamples(device, trained, samples);

/** One chunk's buffers, and the network on them. */
function bindChunk(
  buffers: BufferSet,
  trained: Trained,
  data: Chunk,
  rows: number,
  forms: readonly Form[],
  loss: Loss | undefined,
) {
  const { model, space, params, statistics } = trained;
  const { samples, targets: kind } = data;
  const { bytesPerRow, ...encoding } = encodingOf(data);
  const own = (name: string, bytes: number) => range(buffers.storage(name, bytes), 0, bytes);
  const kept = {
    params: space.vector(buffers, 'parameters'),
    statistics: statistics.space.vector(buffers, 'statistics'),
  };
  const batch = range(
    buffers.upload(
      'batch',
      Uint32Array.from({ length: rows }, (_, i) => i),
    ),
    0,
    4 * rows,
  );
  const stream = own('stream', STREAM_BYTES);
  const x = own('chunk', rows * bytesPerRow);
  const targets = loss && kind ? own('chunk-targets', 4 * rows * kindOf(kind).perSample(kind)) : undefined;
  const result = loss && own('result', 8 * rows);
  const network = bindNetwork({
    ...loss,
    label: buffers.label,
    model,
    rows,
    replicas: 1,
    buffers,
    params: pieces(space, kept.params, 1),
    statistics: pieces(statistics.space, kept.statistics, 1),
    input: { x, batch: { ...encoding, indices: batch } },
    targets: targets ?? x, // without them the loss is not asked for
    batch,
    stream,
    result: result ?? x,
    train: false,
  });
  const ops = loss ? [...network.forward, ...network.loss] : network.forward;
  const losses = loss && own('losses', 8 * samples);
  const sums = losses && makeSums(buffers, losses, { samples, rows: samples }, 1);
  return {
    ...{ x, targets, stream, result, losses, outputs: network.outputs },
    sums: sums?.range,
    weights: [[params, kept.params] as const, [statistics.vector, kept.statistics] as const],
    specs: lower(ops, forms, buffers.device).passes,
    sumSpecs: sums?.specs ?? [],
  };
}
