import { roundUp } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { ARENA_BLOCK } from '../kernels/update.js';
import { type Model, tensorsOf } from './model.js';

/*
 * Where the tensors lie. All parameters share one arena, so that one dispatch updates them all; gradients and every state
 * slot have arenas of the same layout. Only where a limit asks does an arena end and another begin: at a layer, or within
 * a weight matrix at a multiple of 64 of its rows, which keeps every piece aligned. Nothing is ever copied together.
 */

/** Rows [begin, begin + inputs) of a layer's weights, and with the last of them the bias. */
export interface Piece {
  readonly arena: number;
  /** Of the first weight, in elements from the start of a replica's stride; a multiple of 64. */
  readonly offset: number;
  readonly begin: number;
  readonly inputs: number;
  readonly first: boolean;
  readonly last: boolean;
  /** Elements from the first weight to the bias; meaningful on the last piece. */
  readonly bias: number;
}

export interface LayerPlace {
  /** In the model's layers. */
  readonly layer: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly pieces: readonly Piece[];
}

export interface ArenaPlan {
  /** Elements per replica of each arena, multiples of 64. */
  readonly arenas: readonly number[];
  readonly layers: readonly LayerPlace[];
}

const pad = (elements: number) => roundUp(elements, ARENA_BLOCK);

/**
 * Places the tensors of a network.
 *
 * @param maxBytes largest storage binding; all replicas of an arena must fit in it
 * @throws DownhillError LIMIT-BINDING when not even 64 rows of a weight matrix fit
 */
export function planArenas(model: Model, maxBytes: number, replicas = 1): ArenaPlan {
  const capacity = Math.floor(maxBytes / 4 / replicas / ARENA_BLOCK) * ARENA_BLOCK;
  const arenas: number[] = [0];
  const layers: LayerPlace[] = [];
  for (const [layer, { tensors, input: inputs, output: outputs }] of model.layers.entries()) {
    if (tensors.length === 0) continue;
    const bias = tensors.length > 1 ? pad(outputs) : 0;
    const whole = pad(inputs * outputs) + bias;
    const smallest = pad(Math.min(inputs, 64) * outputs) + bias;
    if (smallest > capacity) {
      throw new DownhillError(
        'LIMIT-BINDING',
        `${Math.min(inputs, 64)} rows of layer ${layer}'s weights, ${outputs} wide, with the bias take ${smallest * 4 * replicas} bytes, but an arena holds at most ${capacity * 4 * replicas} here.`,
        'Make the layer narrower, or use an adapter with a larger maxStorageBufferBindingSize.',
      );
    }
    if (arenas.at(-1)! + whole > capacity && arenas.at(-1)! > 0) arenas.push(0);
    const pieces: Piece[] = [];
    for (let begin = 0; begin < inputs; ) {
      const offset = arenas.at(-1)!;
      const room = capacity - offset;
      const rest = inputs - begin;
      const last = pad(rest * outputs) + bias <= room;
      // A last piece that would fit only without its bias gives up its last rows to a piece with the bias.
      const rows = last ? rest : Math.min(Math.floor(room / outputs / 64), Math.ceil(rest / 64) - 1) * 64;
      if (rows > 0) {
        const weights = pad(rows * outputs);
        pieces.push({ arena: arenas.length - 1, offset, begin, inputs: rows, first: begin === 0, last, bias: weights });
        arenas[arenas.length - 1] = offset + weights + (last ? bias : 0);
        begin += rows;
      }
      if (!last) arenas.push(0);
    }
    layers.push({ layer, inputs, outputs, pieces });
  }
  return { arenas, layers };
}

/** Part of a tensor in an arena, in elements: where one tensor's numbers are copied from and to. */
export interface TensorPart {
  readonly arena: number;
  readonly offset: number;
  /** First element of the tensor that lies here. */
  readonly start: number;
  readonly elements: number;
}

/** Where each tensor's elements lie, by name; one part unless its arena was split. */
export function tensorParts(
  model: Model,
  plan: ArenaPlan,
): Map<string, { shape: readonly number[]; parts: TensorPart[] }> {
  const places = new Map<string, { shape: readonly number[]; parts: TensorPart[] }>();
  for (const { name, shape, layer, role } of tensorsOf(model)) {
    const { pieces, outputs } = plan.layers.find((place) => place.layer === layer)!;
    const parts =
      role === 'weight'
        ? pieces.map(({ arena, offset, begin, inputs }) => ({
            arena,
            offset,
            start: begin * outputs,
            elements: inputs * outputs,
          }))
        : pieces
            .filter(({ last }) => last)
            .map(({ arena, offset, bias }) => ({ arena, offset: offset + bias, start: 0, elements: outputs }));
    places.set(name, { shape, parts });
  }
  return places;
}
