import type { BufferRange } from '../gpu/buffers.js';
import { activation } from '../kernels/activation.js';
import { matrixBytes } from '../kernels/matrix.js';
import type { Op } from '../kernels/op.js';
import type { LayerBinding } from './layer.js';

/*
 * A layer's input as a matrix, for kernels that do not read the data set by themselves: where the layer is the first one, the
 * batch's samples are decoded into memory of its own.
 */

/** Where the matrix lies. */
export const inputMatrix = ({ batch, x, rows, input, replicas, scratch }: LayerBinding<unknown>): BufferRange =>
  batch ? scratch('input', matrixBytes(rows, input, replicas)) : x;

/** The op that writes it; none where another layer does. */
export function gatherInput(binding: LayerBinding<unknown>, pass: string): readonly Op[] {
  const { batch, x, rows, input: width, replicas, label } = binding;
  if (!batch) return [];
  const y = inputMatrix(binding);
  return [activation({ label: label(pass), rows, width, replicas, activation: 'identity', x, batch, y })];
}
