import type { BufferRange } from '../../gpu/buffers.js';
import type { PassSpec } from '../../gpu/passes.js';
import type { Shader } from '../../shaders/shader.js';
import type { DenseWeightGradientOp } from '../dense.js';
import { rowStride } from '../matrix.js';
import { packStructs } from './chain.js';

/*
 * Weight gradients by tiles, of one layer or of a whole network in one dispatch: the kernels of harness/generate/emit-gradient.ts.
 */

/** A layer as the tiles see it; elements, and of replica 0. */
export interface TileLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  readonly words: Readonly<Record<string, number>>;
}

/** Columns of a tile: every lane has two quads. */
const columnsOf = (lanes: number) => 8 * lanes;
/** Inputs of a tile, bias included: filling its deltas costs as much as 35 inputs. */
const INPUTS = 200;
/** Tiles of one dispatch, and bytes of its table's layers: as in the kernel. */
const MOST_TILES = 1024;
const LAYER_WORDS = 32 * 16;
/** Rows of a block: the sum over more is kept in the gradient between blocks. */
const BLOCK = 64;
export const many = (rows: number) => rows > BLOCK;
/** Layers of one dispatch. */
export const MOST_LAYERS = 32;

interface Tile {
  readonly layer: number;
  readonly first: number;
  readonly inputs: number;
  readonly column: number;
}

/** What a tile takes, in inputs: half a tile's columns cost three quarters, and each has its deltas to fill. */
const costOf = ({ inputs, column, layer }: Tile, layers: readonly TileLayer[], columns: number) =>
  inputs * (column + columns > layers[layer]!.outputs ? 0.75 : 1) + 35;

function tilesOf(layers: readonly TileLayer[], columns: number): Tile[] {
  return layers.flatMap(({ inputs, outputs, bias }, layer) => {
    const all = inputs + (bias ? 1 : 0);
    const height = Math.ceil(Math.ceil(all / Math.ceil(all / INPUTS)) / 4) * 4;
    const tiles: Tile[] = [];
    for (let column = 0; column < outputs; column += columns)
      for (let first = 0; first < all; first += height)
        tiles.push({ layer, first, inputs: Math.min(height, all - first), column });
    return tiles;
  });
}

/**
 * Heavy and light ones in turn, by bit-reversed places: lavapipe gives each thread one stretch of the grid, so its parts, however
 * many, must cost the same. (In the order of the layers one of two threads had 76 % of the work.)
 */
function balanced(tiles: readonly Tile[], layers: readonly TileLayer[], columns: number): Tile[] {
  const byCost = [...tiles].sort((a, b) => costOf(b, layers, columns) - costOf(a, layers, columns));
  const bits = Math.ceil(Math.log2(Math.max(tiles.length, 1)));
  const reversed = (i: number) => {
    let place = 0;
    for (let bit = 0; bit < bits; bit++) place = 2 * place + ((i >> bit) & 1);
    return place;
  };
  const placed = new Array<Tile>(tiles.length);
  let next = 0;
  for (let i = 0; i < 2 ** bits; i++) {
    const place = reversed(i);
    if (place < tiles.length) placed[place] = byCost[next++]!;
  }
  return placed;
}

/** What all passes of some layers share. */
export interface TilePasses {
  readonly label: string;
  readonly shader: Shader;
  /** Of its subgroups. */
  readonly lanes: 4 | 8;
  readonly layers: readonly TileLayer[];
  readonly rows: number;
  readonly replicas: number;
  readonly constants: PassSpec['constants'];
  readonly shape?: PassSpec['shape'];
  readonly buffers: PassSpec['buffers'];
}

/** The passes that work through all tiles: one, but for huge layers. */
export function tilePasses({ label, shader, lanes, layers, rows, shape, constants, ...rest }: TilePasses): PassSpec[] {
  const columns = columnsOf(lanes);
  const tiles = balanced(tilesOf(layers, columns), layers, columns);
  const words = packStructs(
    shader,
    'Layer',
    layers.map((layer) => layer.words),
  );
  const passes = Math.ceil(tiles.length / MOST_TILES);
  return Array.from({ length: passes }, (_, i) => {
    const own = tiles.slice(i * MOST_TILES, (i + 1) * MOST_TILES);
    const table = new Uint32Array(LAYER_WORDS + 4 * own.length);
    table.set(words);
    for (const [k, { layer, first, inputs, column }] of own.entries())
      table.set([layer, first, inputs, column], LAYER_WORDS + 4 * k);
    return {
      label: passes > 1 ? `${label}.${i}` : label,
      shader,
      constants: { ...constants, SINGLE: rest.replicas === 1 },
      ...rest,
      shape: { rows, block: Math.min(rows, BLOCK), one: 1, is_first: i === 0 ? 1 : 0, ...shape },
      tables: { table },
      groups: own.length,
    };
  });
}

/** A weight gradient's layer, with its matrices where they lie in their bindings. */
export function tileLayer(
  { shape }: DenseWeightGradientOp,
  place: { readonly xAt: number; readonly dyAt: number; readonly weightAt: number; readonly biasAt: number },
  rows: { readonly weight: number; readonly bias: number } = { weight: 0, bias: 0 },
): TileLayer {
  const { inputs, outputs, decoding, pieces, biasStride } = shape;
  const starts = [outputs, place.weightAt, pieces[0]!.stride, place.biasAt, biasStride ?? 0];
  return {
    inputs,
    outputs,
    bias: biasStride !== undefined,
    words: {
      ...{ inputs, outputs, x_at: place.xAt, x_stride: rowStride(inputs), gather: decoding ? 1 : 0 },
      ...{ dy_at: place.dyAt, dy_stride: rowStride(outputs) },
      ...{ weight_at: place.weightAt, weight_stride: pieces[0]!.stride, weight_row: rows.weight },
      ...{ bias_at: place.biasAt, bias_stride: biasStride ?? 0, bias_row: rows.bias },
      whole: starts.every((each) => each % 4 === 0) ? 1 : 0,
    },
  };
}

/** First element of a range in a binding that begins at `base`. */
export const elementIn = (range: BufferRange | undefined, base: BufferRange): number =>
  range ? (range.offset - base.offset) / 4 : 0;
