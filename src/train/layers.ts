import type { DeviceData } from '../data/upload.js';
import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/pipelines.js';
import {
  type DenseBatch,
  denseForward,
  denseInputGradient,
  denseWeightGradient,
  matrixBytes,
  savesInput,
} from '../kernels/dense.js';
import { type LossOperands, meanSquaredError, softmaxCrossEntropy } from '../kernels/loss.js';
import type { ArenaPlan, Piece } from '../nn/arena.js';
import type { Loss, Mlp } from '../nn/mlp.js';

/*
 * The passes of a network: forward, loss, backward. A dispatch may not read and write one buffer, so every layer has its
 * own activations and deltas.
 */

const lossPasses: Record<Loss, (operands: LossOperands) => PassSpec> = {
  'softmax-cross-entropy': softmaxCrossEntropy,
  mse: meanSquaredError,
};

/** Everything the passes of one network (all its replicas) are made from. */
export interface Network {
  readonly label: string;
  readonly model: Mlp;
  readonly plan: ArenaPlan;
  readonly replicas: number;
  /** One buffer per arena. */
  readonly params: readonly GPUBuffer[];
}

/** A network's buffers for one batch. */
export interface BatchBuffers {
  readonly rows: number;
  /** Per layer: its output. */
  readonly outputs: readonly GPUBuffer[];
  /** Per layer: its pre-activation, where the activation's gradient needs it. */
  readonly preActivations: readonly (GPUBuffer | undefined)[];
  readonly bytes: number;
}

export function makeBatchBuffers(
  buffers: BufferSet,
  model: Mlp,
  rows: number,
  replicas: number,
  train: boolean,
): BatchBuffers {
  const widths = model.sizes.slice(1);
  const hidden = (layer: number) => layer < widths.length - 1;
  const make = (name: string, width: number) => buffers.storage(name, matrixBytes(rows, width, replicas));
  const outputs = widths.map((width, layer) => make(`output-${layer}`, width));
  const preActivations = widths.map((width, layer) =>
    train && hidden(layer) && savesInput(model.activation) ? make(`pre-activation-${layer}`, width) : undefined,
  );
  const bytes = [...outputs, ...preActivations].reduce((sum, buffer) => sum + (buffer?.size ?? 0), 0);
  return { rows, outputs, preActivations, bytes };
}

/** A layer's range of an arena buffer, over all replicas: from the piece's first weight to the end of its bias. */
function pieceRange(network: Network, buffer: GPUBuffer, piece: Piece, outputs: number): BufferRange {
  const stride = network.plan.arenas[piece.arena]!;
  const own = piece.last ? piece.bias + outputs : piece.inputs * outputs;
  return range(buffer, 4 * piece.offset, 4 * ((network.replicas - 1) * stride + own));
}

const asBatch = (data: DeviceData, indices: BufferRange): DenseBatch => ({
  indices,
  encoding: data.encoding,
  scale: data.scale,
  shift: data.shift,
});

const pieceName = (pieces: readonly Piece[], piece: Piece) => (pieces.length > 1 ? `.${pieces.indexOf(piece)}` : '');

/** Forward through every layer; the first reads the data set through `indices`. */
export function forwardSpecs(
  network: Network,
  data: DeviceData,
  batch: BatchBuffers,
  indices: BufferRange,
): PassSpec[] {
  const { model, plan, replicas, label } = network;
  return plan.layers.flatMap(({ inputs, outputs, pieces }, layer) =>
    pieces.map((piece) => {
      const saved = batch.preActivations[layer];
      return denseForward({
        label: `${label}/forward-${layer}${pieceName(pieces, piece)}`,
        rows: batch.rows,
        inputs,
        outputs,
        replicas,
        parameterStride: plan.arenas[piece.arena]!,
        piece,
        bias: piece.bias,
        x: layer === 0 ? data.x : range(batch.outputs[layer - 1]!),
        params: pieceRange(network, network.params[piece.arena]!, piece, outputs),
        y: range(batch.outputs[layer]!),
        ...(saved && { saved: range(saved) }),
        activation: layer + 1 < plan.layers.length ? model.activation : 'linear',
        ...(layer === 0 && { batch: asBatch(data, indices) }),
      });
    }),
  );
}

/** The loss of a batch and its gradient at the outputs. */
export function lossSpec(
  network: Network,
  data: DeviceData,
  batch: BatchBuffers,
  operands: Pick<LossOperands, 'batch' | 'clock' | 'dz' | 'result'>,
): PassSpec {
  return lossPasses[network.model.loss]({
    label: `${network.label}/loss`,
    rows: batch.rows,
    outputs: network.model.sizes.at(-1)!,
    replicas: network.replicas,
    z: range(batch.outputs.at(-1)!),
    targets: data.targets,
    ...operands,
  });
}

/**
 * Backward through every layer, last first: each layer's weight gradient, then the gradient at the layer below.
 *
 * @param deltas per layer, the gradient at its pre-activation; the last is written by the loss
 * @param grads one buffer per arena
 */
export function backwardSpecs(
  network: Network,
  data: DeviceData,
  batch: BatchBuffers,
  indices: BufferRange,
  deltas: readonly GPUBuffer[],
  grads: readonly GPUBuffer[],
): PassSpec[] {
  const { model, plan, replicas, label } = network;
  const specs: PassSpec[] = [];
  for (let layer = plan.layers.length - 1; layer >= 0; layer--) {
    const { inputs, outputs, pieces } = plan.layers[layer]!;
    const dy = range(deltas[layer]!);
    for (const piece of pieces) {
      const shape = { rows: batch.rows, inputs, outputs, replicas, parameterStride: plan.arenas[piece.arena]!, piece };
      specs.push(
        denseWeightGradient({
          ...shape,
          label: `${label}/weight-gradient-${layer}${pieceName(pieces, piece)}`,
          bias: piece.bias,
          x: layer === 0 ? data.x : range(batch.outputs[layer - 1]!),
          dy,
          grads: pieceRange(network, grads[piece.arena]!, piece, outputs),
          ...(layer === 0 && { batch: asBatch(data, indices) }),
        }),
      );
      if (layer === 0) continue;
      specs.push(
        denseInputGradient({
          ...shape,
          label: `${label}/input-gradient-${layer}${pieceName(pieces, piece)}`,
          dy,
          params: pieceRange(network, network.params[piece.arena]!, piece, outputs),
          saved: range(batch.preActivations[layer - 1] ?? batch.outputs[layer - 1]!),
          dx: range(deltas[layer - 1]!),
          activation: model.activation,
        }),
      );
    }
  }
  return specs;
}
