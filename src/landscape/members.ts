import { DownhillError } from '../gpu/errors.js';
import { traitsOf } from '../gpu/traits.js';
import { matrixBytes, rowStride } from '../kernels/matrix.js';
import { type Model, tensorsOf } from '../nn/model.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import { chunkRows } from '../train/evaluate.js';

/*
 * How many points are evaluated in the same dispatches. The rows of a chunk are those that `trainer.evaluate` takes, whatever
 * the number: forms of kernels go by rows, and so do the last bits of a loss.
 */

/** Memory of the points of a pass, by default: parameters, and what a chunk of samples makes of them. */
const BUDGET = 256 * 2 ** 20;

/**
 * Multiplications and additions that are submitted at once: about 0.1 s on two cores (lavapipe does some 10 G of them a second
 * here), and less on a GPU, which needs more of them at once to be busy.
 */
const SUBMIT_FLOPS = { cpu: 1e9, gpu: 32e9 } as const;

/** Beyond this nothing is left to gain. */
const MOST = 4096;

/** Of a network and its samples. */
export interface Sizes {
  /** Padded elements of a point's parameters. */
  readonly elements: number;
  /** Rows of a chunk, as `trainer.evaluate` has them. */
  readonly rows: number;
  readonly chunks: number;
  /** Per point and chunk. */
  readonly flops: number;
}

export function sizesOf(device: GPUDevice, model: Model, samples: number): Sizes {
  const { spans } = arenaSpace(tensorsOf(model), { maxBytes: largestArena(device) });
  const rows = chunkRows(device, model, samples, 1);
  const elements = spans.reduce((sum, span) => sum + span.elements, 0);
  return { elements, rows, chunks: Math.ceil(samples / rows), flops: 2 * elements * rows };
}

/** Bytes that a point takes. */
export function pointBytes({ layers }: Model, { elements, rows, chunks }: Sizes): number {
  // Outputs of every layer, of which some are never stored, and the last layer's gradient, which the loss writes.
  const widths = layers.map(({ output }) => rowStride(output));
  const activations = 4 * rows * (widths.reduce((sum, width) => sum + width, 0) + widths.at(-1)!);
  return 4 * elements + activations + 12 * rows * chunks;
}

/** The most points that bindings allow. */
export function mostMembers(device: GPUDevice, model: Model, sizes: Sizes): number {
  const limit = largestArena(device);
  const { elements, rows, chunks } = sizes;
  const widest = Math.max(...model.layers.map(({ output }) => output));
  // One arena holds all of them: with a network that needs several there is one point.
  const bindings = [4 * elements, matrixBytes(rows, widest), 8 * rows * chunks];
  return Math.max(1, Math.min(MOST, ...bindings.map((bytes) => Math.floor(limit / bytes))));
}

/**
 * @param asked by the caller, or undefined
 * @param points that there are
 * @throws DownhillError LIMIT-BINDING where more are asked for than fit
 */
export function membersFor(device: GPUDevice, model: Model, sizes: Sizes, asked: number | undefined, points: number) {
  const most = mostMembers(device, model, sizes);
  if (asked !== undefined && asked > most) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `landscape: ${asked} members in a pass, of ${4 * sizes.elements} bytes of parameters and ${sizes.rows} rows each, are more than the ${most} that this device binds.`,
      `Set members to at most ${most}, or leave it out.`,
    );
  }
  const flops = SUBMIT_FLOPS[traitsOf(device).cpu ? 'cpu' : 'gpu'];
  const fitting = Math.min(most, BUDGET / pointBytes(model, sizes), flops / sizes.flops);
  const members = Math.min(asked ?? Math.max(1, Math.floor(fitting)), points);
  // As many passes, evenly filled.
  const passes = Math.ceil(points / members);
  return {
    members: asked === undefined ? Math.ceil(points / passes) : members,
    passes,
    /** Chunks that are submitted at once. */
    chunks: Math.max(1, Math.floor(flops / (sizes.flops * members))),
  };
}
