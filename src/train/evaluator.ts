import type { Dataset } from '../data/dataset.js';
import { checkUploadable, uploadDataset } from '../data/upload.js';
import { BufferSet, guarded, range, readRanges, roundUp } from '../gpu/buffers.js';
import { createPasses, encodePass, type Pass } from '../gpu/pipelines.js';
import { lower } from '../kernels/lower.js';
import { matrixBytes } from '../kernels/matrix.js';
import { nnForms } from '../kernels/nn-forms.js';
import { CLOCK_BYTES, clockWord } from '../kernels/update.js';
import { type BoundNetwork, bindNetwork } from '../nn/network.js';
import { asBatch, type Network, piecesIn } from './engine.js';

/** Samples evaluated at a time; a multiple of 64, so that each chunk's indices and results start where bindings may. */
const CHUNK = 512;
/** Chunks per submit: on a slow adapter one submit stays well under what watchdogs allow. */
const CHUNKS_PER_SUBMIT = 8;

/**
 * Runs a network (one replica) over a whole data set, in order, and reads every sample's loss back. Made once per data
 * set; its passes read the network's parameters where they are.
 */
export class Evaluator {
  readonly #device: GPUDevice;
  readonly #label: string;
  readonly #buffers: BufferSet;
  readonly #chunks: readonly (readonly Pass[])[];
  readonly #result: GPUBuffer;
  readonly #samples: number;

  private constructor(buffers: BufferSet, chunks: readonly (readonly Pass[])[], result: GPUBuffer, samples: number) {
    this.#device = buffers.device;
    this.#label = buffers.label;
    this.#buffers = buffers;
    this.#chunks = chunks;
    this.#result = result;
    this.#samples = samples;
  }

  static async create(device: GPUDevice, trained: Network, data: Dataset): Promise<Evaluator> {
    checkUploadable(device, data);
    const network: Network = { ...trained, label: `${trained.label}-evaluate`, replicas: 1 };
    const buffers = new BufferSet(device, network.label);
    try {
      const { result, specs } = await guarded(device, network.label, () => makeChunks(buffers, network, data));
      const passes = await createPasses(device, specs.flat(), buffers);
      const perChunk = specs[0]!.length;
      const chunks = specs.map((_, i) => passes.slice(i * perChunk, (i + 1) * perChunk));
      return new Evaluator(buffers, chunks, result, data.samples);
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  /** Mean loss and share of right answers, summed in float64 in the order of the samples. */
  async run(): Promise<{ loss: number; correct: number }> {
    for (let first = 0; first < this.#chunks.length; first += CHUNKS_PER_SUBMIT) {
      const encoder = this.#device.createCommandEncoder({ label: `downhill:${this.#label}/submit` });
      const pass = encoder.beginComputePass({ label: `downhill:${this.#label}/submit` });
      for (const chunk of this.#chunks.slice(first, first + CHUNKS_PER_SUBMIT)) {
        for (const step of chunk) encodePass(step, pass);
      }
      pass.end();
      this.#device.queue.submit([encoder.finish()]);
    }
    const [bytes] = await readRanges(this.#device, this.#label, [range(this.#result, 0, 8 * this.#samples)]);
    const values = new Float32Array(bytes!);
    let loss = 0;
    let correct = 0;
    for (let i = 0; i < values.length; i += 2) {
      const own = values[i]!;
      loss += own;
      // Where an output is not a number there is no largest one.
      if (Number.isFinite(own)) correct += values[i + 1]!;
    }
    return { loss: loss / this.#samples, correct: correct / this.#samples };
  }

  destroy(): void {
    this.#buffers.destroy();
  }
}

/** As many rows as a layer's activations may take in one binding, in multiples of 64. */
function chunkRows(device: GPUDevice, { model }: Network, samples: number): number {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const fitting = Math.floor(limit / matrixBytes(1, Math.max(...model.layers.map(({ output }) => output))) / 64) * 64;
  return Math.min(CHUNK, roundUp(samples, 64), Math.max(fitting, 64));
}

function makeChunks(buffers: BufferSet, network: Network, data: Dataset) {
  const onGpu = uploadDataset(buffers, data);
  const rows = chunkRows(buffers.device, network, data.samples);
  const chunks = Math.ceil(data.samples / rows);
  const result = buffers.storage('result', 8 * rows * chunks);

  // Past the end the last sample is repeated; `valid` keeps it out of the result.
  const order = new Uint32Array(rows * chunks);
  for (let i = 0; i < order.length; i++) order[i] = Math.min(i, data.samples - 1);
  const indices = buffers.upload('batch', order);
  const clocks = [rows, data.samples - (chunks - 1) * rows].map((valid, i) => {
    const words = new Uint32Array(CLOCK_BYTES / 4);
    words[clockWord('valid')] = valid;
    return buffers.upload(`clock-${i}`, words);
  });

  let bound: BoundNetwork | undefined;
  const specs = Array.from({ length: chunks }, (_, chunk) => {
    const own = range(indices, 4 * rows * chunk, 4 * rows);
    bound = bindNetwork({
      label: network.label,
      model: network.model,
      rows,
      replicas: 1,
      buffers,
      ...(bound && { memory: bound.memory }),
      params: piecesIn(network, 1, network.params),
      input: { x: onGpu.x, batch: asBatch(onGpu, own) },
      targets: onGpu.targets,
      batch: own,
      stream: range(clocks[chunk === chunks - 1 ? 1 : 0]!),
      result: range(result, 8 * rows * chunk, 8 * rows),
      train: false,
    });
    return lower([...bound.forward, bound.loss], nnForms, buffers.device).passes;
  });
  return { result, specs };
}
