/**
 * `downhill/onnx`: a trained network as an ONNX file, for ONNX Runtime and whatever else reads it.
 *
 * @module downhill/onnx
 */
import { DownhillError, show } from '../gpu/errors.js';
import type { ModelLayer } from '../nn/model.js';
import { readModel, type SavedModel } from '../train/checkpoint-file.js';
import type { SavedScale } from '../train/data-json.js';
import { Graph, INPUT } from './graph.js';
import { entryOf, LAYERS, LOSSES, type Written } from './rows.js';

/**
 * The network of a checkpoint as an ONNX file, opset 17, that does what `trainer.predict` does: 'input' takes raw values,
 * [batch, features] of float32, as they were in the data set (bytes of images as numbers from 0 to 255); scaling is in the
 * file, with the layers as in evaluation; 'output' gives probabilities where the loss has them, else values in their
 * own units, [batch, outputs]. Names of classes and columns are in the file's metadata.
 *
 * @param model bytes of `trainer.checkpoint()`, of a run's model.safetensors, or what `readModel` made of them
 * @example await writeFile('model.onnx', toOnnx(await trainer.checkpoint()));
 * @throws DownhillError CHECKPOINT-* for bytes that are none; EXPORT-UNSUPPORTED for a layer or a loss of one's own, and for
 *   weights of 2 GiB and more
 */
export function toOnnx(model: Uint8Array | SavedModel): Uint8Array<ArrayBuffer> {
  const saved = model instanceof Uint8Array ? readModel(model) : model;
  if (saved?.model?.kind !== 'model') {
    throw new DownhillError(
      'OPTION-TYPE',
      `toOnnx takes a saved model, got ${show(saved)}.`,
      'Pass await trainer.checkpoint().',
    );
  }
  checkSize(saved);
  const graph = new Graph();
  const { layers, loss, input, output } = saved.model;
  const finish = entryOf(LOSSES, 'The loss', loss.row.name);
  const entries = layers.map(({ row }, i) => entryOf(LAYERS, `layers[${i}]`, row.name));

  let x = scaled(graph, INPUT, saved.scaling);
  entries.forEach((entry, i) => {
    x = entry(written(graph, saved, layers[i]!, i, x));
  });
  x = unscaled(graph, finish(graph, x), saved.targets);
  const { step, version, labels, featureNames, targetNames } = saved;
  const lists = { labels, featureNames, targetNames };
  const texts = Object.entries(lists).flatMap(([key, list]) => (list ? [[key, JSON.stringify(list)]] : []));
  return graph.encode(x, { input, output }, { version, step: String(step), ...Object.fromEntries(texts) });
}

/** Readers of protobuf refuse 2 GiB; a little goes to what is no weight. */
const MOST_BYTES = 2 ** 31 - 2 ** 20;

function checkSize({ tensors, statistics }: SavedModel): void {
  const bytes = [...tensors.values(), ...statistics.values()].reduce((sum, { values }) => sum + 4 * values.length, 0);
  if (bytes <= MOST_BYTES) return;
  throw new DownhillError(
    'EXPORT-UNSUPPORTED',
    `The weights take ${bytes} bytes; an ONNX file holds ${MOST_BYTES}.`,
    'Export them as safetensors or npy.',
  );
}

function written(
  graph: Graph,
  { tensors, statistics }: SavedModel,
  layer: ModelLayer,
  place: number,
  x: string,
): Written {
  const find = (name: string) => tensors.get(`${place}.${name}`) ?? statistics.get(`${place}.${name}`);
  return {
    graph,
    x,
    settings: layer.settings,
    has: (name) => find(name) !== undefined,
    tensor(name, instead) {
      const { shape, values } = find(name) ?? { shape: [layer.input], values: new Array(layer.input).fill(instead) };
      return graph.constant(`${place}.${name}`, shape, values);
    },
  };
}

const list = (scale: SavedScale): readonly number[] => (typeof scale === 'number' ? [scale] : scale);

/**
 * raw · scale + shift, written as (raw - mean) · scale: in float32, raw · scale loses the digits of a value that is large beside
 * its deviation. The mean is the sum of two floats, so that it has all digits, too. Where the scale is 0, the shift is all.
 */
function scaled(graph: Graph, x: string, { scale, shift }: SavedModel['scaling']): string {
  const [scales, shifts] = [list(scale), list(shift)];
  const columns = Array.from({ length: Math.max(scales.length, shifts.length) }, (_, i) => {
    const [by, plus] = [scales[scales.length === 1 ? 0 : i]!, shifts[shifts.length === 1 ? 0 : i]!];
    const mean = by === 0 ? 0 : -plus / by;
    const high = Math.fround(mean);
    return { by, high, low: Math.fround(mean - high), plus: by === 0 ? plus : 0 };
  });
  const of = (key: 'by' | 'high' | 'low' | 'plus') => columns.map((column) => column[key]);
  const near = graph.columns('Sub', x, 'input.mean', of('high'), 0);
  const centred = graph.columns('Sub', near, 'input.mean_rest', of('low'), 0);
  return graph.columns('Add', graph.columns('Mul', centred, 'input.scale', of('by'), 1), 'input.shift', of('plus'), 0);
}

/** Outputs in the targets' own units: (y - shift) / scale. */
function unscaled(graph: Graph, y: string, targets: SavedModel['targets']): string {
  if (targets.kind !== 'values') return y;
  const { scale = 1, shift = 0 } = targets;
  const shifted = graph.columns('Sub', y, 'output.shift', list(shift), 0);
  return graph.columns('Div', shifted, 'output.scale', list(scale), 1);
}
