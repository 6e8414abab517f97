import { permute } from '../data/batching.js';
import type { Dataset } from '../data/dataset.js';
import { type DataSource, rowsOf } from '../data/source.js';
import { checkUploadable, uploadDataset } from '../data/upload.js';
import { type BufferRange, BufferSet, guarded, range, readRanges, roundUp } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { checkFlag, checkInteger, checkOptions } from '../gpu/fields.js';
import { untilLost } from '../gpu/lost.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { STREAM_BYTES, streamWord } from '../kernels/account.js';
import { add } from '../kernels/add.js';
import { loadKernels, lower } from '../kernels/lower.js';
import { checkActivations } from '../kernels/matrix.js';
import { loadForms } from '../kernels/nn-forms.js';
import type { Op } from '../kernels/op.js';
import { penaltyForms } from '../kernels/penalty.js';
import { productForms } from '../kernels/product-forms.js';
import { pcgHash } from '../kernels/random.js';
import type { Model } from '../nn/model.js';
import { type BatchMemory, bindNetwork } from '../nn/network.js';
import { bindProduct, checkProduct, loadProduct, type ProductKernels, stored } from '../nn/product.js';
import { elementsOf, type Vector } from '../space/space.js';
import { pieces } from '../space/vectors.js';
import type { Curvature } from './curvature-types.js';
import { chunkRows } from './evaluate.js';
import { Lanczos } from './lanczos.js';
import { type Penalty, penaltyProduct } from './penalty.js';
import type { Program } from './program.js';
import { spectrumOf } from './spectrum.js';
import type { CurvatureOptions } from './types.js';

const MAX_SEED = 2 ** 32 - 1;
/** So that samples and batches of one seed are orders of their own. */
const SAMPLE = 0x43555256;
/** Samples in one pass: a product's take about ten times as long as an evaluation's. */
const CHUNK = 1024;

/** What {@link curvatureOf} looks at. */
interface Looked {
  readonly program: Program;
  readonly model: Model;
  readonly data: Dataset;
  readonly penalty: Penalty | undefined;
}

interface Checked extends Required<Omit<CurvatureOptions, 'weights'>> {
  readonly weights: CurvatureOptions['weights'];
}

/** @throws DownhillError OPTION-* */
function checkCurvatureOptions(options: CurvatureOptions, samples: number, parameters: number): Checked {
  const keys = ['eigenvalues', 'iterations', 'samples', 'seed', 'gaussNewton', 'weights'] as const;
  checkOptions('curvature', options, keys);
  const iterations = checkInteger('curvature.iterations', options.iterations ?? 30, 1, 512);
  return {
    iterations: Math.min(iterations, parameters),
    eigenvalues: checkInteger('curvature.eigenvalues', options.eigenvalues ?? Math.min(5, iterations), 1, iterations),
    samples: checkInteger('curvature.samples', options.samples ?? Math.min(1000, samples), 1, samples),
    seed: checkInteger('curvature.seed', options.seed ?? 0, 0, MAX_SEED),
    gaussNewton: checkFlag('curvature.gaussNewton', options.gaussNewton ?? false),
    weights: options.weights,
  };
}

/**
 * The curvature at the weights as they are after everything submitted so far; these are copied, so that training may go on.
 *
 * @throws DownhillError OPTION-*, LIMIT-BINDING before any GPU work; DATA-* of a source; GPU-OUT-OF-MEMORY
 */
export async function curvatureOf(looked: Looked, options: CurvatureOptions): Promise<Curvature> {
  const { program, model, data } = looked;
  const { device, space } = program;
  const parameters = space.tensors.reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  const checked = checkCurvatureOptions(options, data.samples, parameters);
  const { samples, iterations, eigenvalues, seed } = checked;
  checkProduct('curvature', model);
  const { params } = program.weights(checked.weights);
  const rows = chunkRows(device, model, samples, 1, CHUNK);
  checkActivations(
    device,
    rows,
    model.layers.map(({ output }) => output),
  );
  const { step } = program.scheduler;
  const label = `${program.options.label}-curvature`;
  const buffers = new BufferSet(device, label);
  try {
    const weights = await guarded(device, label, () => copied(buffers, params, space.vector(buffers, 'weights')));
    const kernels = await loadProduct('curvature', model);
    const key = pcgHash(seed, SAMPLE, 0);
    const order = Uint32Array.from({ length: samples }, (_, i) => permute(i, key, data.samples));
    // What a source gave is in memory now.
    const { read: _read, ...sample } = (await rowsOf(data, order)) as Dataset & Partial<DataSource>;
    checkUploadable(device, sample);
    const lanczos = await Lanczos.create(buffers, label, space.tensors, iterations);
    const chunks = await makeChunks(buffers, { ...looked, weights, sample, rows, lanczos, kernels, checked });
    const product = productOf(device, label, chunks.passes);
    const spectrum = spectrumOf(await lanczos.run(seed, product), eigenvalues);
    const loss = await meanLoss(buffers, chunks.result, rows, samples);
    if (!Number.isFinite(spectrum.largest[0]!.value)) throw notFinite(loss);
    return { step, loss, samples, parameters, ...spectrum };
  } finally {
    buffers.destroy();
  }
}

const notFinite = (loss: number) =>
  new DownhillError(
    'GRADIENT-NONFINITE',
    `A product with the Hessian is not finite; the loss is ${loss}.`,
    'Look at the curvature before a training diverges.',
  );

/** A copy of a vector, in queue order. */
function copied({ device, label }: BufferSet, from: Vector, to: Vector): Vector {
  const encoder = device.createCommandEncoder({ label: `downhill:${label}/copy` });
  for (const [i, { buffer, offset, size }] of from.ranges.entries())
    encoder.copyBufferToBuffer(buffer, offset, to.ranges[i]!.buffer, to.ranges[i]!.offset, size);
  device.queue.submit([encoder.finish()]);
  return to;
}

interface Parts {
  readonly passes: Pass[];
  /** What need not be done again: with one chunk, the pass that the product stands behind. */
  readonly once: Pass[];
}

/** Submits a product: a chunk a submit, and no more of them than one ahead. */
function productOf(device: GPUDevice, label: string, chunks: readonly Parts[]) {
  let first = true;
  return async () => {
    for (const { passes, once } of chunks) {
      const encoder = device.createCommandEncoder({ label: `downhill:${label}/product` });
      const again = first || chunks.length > 1;
      encodePasses(encoder, `downhill:${label}/product`, again ? [...once, ...passes] : passes);
      device.queue.submit([encoder.finish()]);
      await untilLost(device, device.queue.onSubmittedWorkDone());
    }
    first = false;
  };
}

interface Making extends Looked {
  readonly weights: Vector;
  readonly sample: Dataset;
  readonly rows: number;
  readonly lanczos: Lanczos;
  readonly kernels: ProductKernels;
  readonly checked: Checked;
}

/** The passes of each chunk of the samples, in turn: together they write lanczos.w = H·lanczos.v. */
async function makeChunks(buffers: BufferSet, making: Making) {
  const { device, label } = buffers;
  const forms = [...(await loadForms(device)), ...productForms, ...penaltyForms];
  const { ops, result } = await guarded(device, label, () => chunkOps(buffers, making));
  const all = ops.flatMap(({ once, product }) => [...once, ...product]);
  await loadKernels(all, forms, device);
  const passesOf = (own: readonly Op[]) => lower(own, forms, device).passes;
  const specs = ops.map(({ once, product }) => ({ once: passesOf(once), product: passesOf(product) }));
  const passes = await createPasses(
    device,
    specs.flatMap(({ once, product }) => [...once, ...product]),
    buffers,
  );
  const rest = [...passes];
  const take = (count: number) => rest.splice(0, count);
  return {
    passes: specs.map(({ once, product }) => ({ once: take(once.length), passes: take(product.length) })),
    result,
  };
}

function chunkOps(buffers: BufferSet, making: Making) {
  const { model, program, weights, sample, rows, lanczos, kernels, penalty, checked } = making;
  const { label } = buffers;
  const { samples } = sample;
  const { space, v, w } = lanczos;
  const count = Math.ceil(samples / rows);
  const data = uploadDataset(buffers, sample);
  const part = space.vector(buffers, 'part');
  const hv = count > 1 ? space.vector(buffers, 'product') : w;
  const result = range(buffers.storage('result', 8 * rows * count), 0, 8 * rows * count);
  // Past the end the last sample is repeated; `valid` keeps it out of the sums.
  const order = Uint32Array.from({ length: rows * count }, (_, i) => Math.min(i, samples - 1));
  const indices = buffers.upload('batch', order);
  const { row, settings } = model.loss;
  const meanWeight = row.meanWeight?.(sample.targets, settings);
  let memory: BatchMemory | undefined;
  const ops = Array.from({ length: count }, (_, chunk) => {
    const valid = Math.min(rows, samples - chunk * rows);
    const words = new Uint32Array(STREAM_BYTES / 4);
    words[streamWord('valid')] = valid;
    const batch = range(indices, 4 * rows * chunk, 4 * rows);
    const network = bindNetwork({
      label,
      model,
      rows,
      replicas: 1,
      buffers,
      ...(memory && { memory }),
      params: pieces(program.space, weights),
      // Gradients are not looked at: the product comes to lie there.
      grads: pieces(space, hv),
      input: { x: data.x, batch: { ...data, indices: batch } },
      targets: data.targets,
      kind: sample.targets.kind,
      meanWeight,
      batch,
      stream: range(buffers.upload(`stream-${chunk}`, words), 0, STREAM_BYTES),
      result: range(result.buffer, 8 * rows * chunk, 8 * rows),
      train: true,
    });
    memory ??= network.memory;
    const product = bindProduct(network, kernels, {
      direction: pieces(space, v),
      product: pieces(space, hv),
      part: pieces(space, part),
      gaussNewton: checked.gaussNewton,
    });
    const share = { chunk, scale: valid / samples, gaussNewton: checked.gaussNewton };
    return {
      once: stored([...network.forward, ...network.loss, ...network.backward]),
      product: [...product, ...sumOps(label, lanczos, hv, part, share)],
    };
  });
  if (penalty) ops.at(-1)!.product.push(...penaltyProduct(penalty, { label, buffers, space, v, product: w }));
  return { ops, result };
}

/** Behind a chunk's product: its share of the whole one. */
function sumOps(
  label: string,
  { space, w }: Lanczos,
  hv: Vector,
  part: Vector,
  { chunk, scale, gaussNewton }: { readonly chunk: number; readonly scale: number; readonly gaussNewton: boolean },
): Op[] {
  return space.spans.flatMap(({ elements }, i) => {
    const goal = w.ranges[i]!;
    const named = (pass: string) => `${label}/${pass}${space.spans.length > 1 ? `-${i}` : ''}`;
    const sum = (pass: string, from: Vector, onto: boolean) =>
      add({ label: named(pass), source: from.ranges[i]!, goal, elements, scale, onto });
    return [
      ...(hv === w ? [] : [sum('share', hv, chunk > 0)]),
      ...(gaussNewton ? [] : [sum('share-of-parts', part, true)]),
    ];
  });
}

/** Mean over the valid rows of all chunks. */
async function meanLoss({ device, label }: BufferSet, result: BufferRange, rows: number, samples: number) {
  const [bytes] = await readRanges(device, label, [
    { ...result, size: Math.min(result.size, 8 * roundUp(samples, rows)) },
  ]);
  const losses = new Float32Array(bytes!);
  let sum = 0;
  for (let i = 0; i < samples; i++) sum += losses[2 * i]!;
  return sum / samples;
}
