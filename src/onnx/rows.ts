/** What each layer is in ONNX, and what stands behind the last for a loss: by the names of the rows in src/nn. */
import { DownhillError } from '../gpu/errors.js';
import type { Graph } from './graph.js';

/** A layer as it is written. */
export interface Written {
  readonly graph: Graph;
  /** What it takes. */
  readonly x: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Puts one of its tensors or statistics into the file; filled with `instead` where it has none of that name. */
  tensor(name: string, instead: number): string;
  /** Whether it has that. */
  has(name: string): boolean;
}

/** @returns the name of what it gives */
type Entry = (layer: Written) => string;

/** One operator of ONNX that does the same. */
const operator =
  (opType: string): Entry =>
  ({ graph, x }) =>
    graph.node(opType, [x]);

const nothing: Entry = ({ x }) => x;

/** x · (1 + f) / 2, as both forms of GELU are. */
const halves = ({ graph, x }: Written, f: string) =>
  graph.node('Mul', [graph.node('Mul', [x, graph.number(0.5)]), graph.node('Add', [f, graph.number(1)])]);

/** In evaluation: statistics are the running ones, nothing is dropped. */
export const LAYERS: Readonly<Record<string, Entry>> = {
  linear: ({ graph, x, has, tensor }) =>
    graph.node('Gemm', [x, tensor('weight', 0), ...(has('bias') ? [tensor('bias', 0)] : [])], { transB: 1n }),
  identity: nothing,
  dropout: nothing,
  relu: operator('Relu'),
  'leaky-relu': ({ graph, x, settings }) => graph.node('LeakyRelu', [x], { alpha: settings.negativeSlope as number }),
  elu: ({ graph, x, settings }) => graph.node('Elu', [x], { alpha: settings.alpha as number }),
  tanh: operator('Tanh'),
  sigmoid: operator('Sigmoid'),
  softplus: operator('Softplus'),
  silu: ({ graph, x }) => graph.node('Mul', [x, graph.node('Sigmoid', [x])]),
  gelu: (layer) => {
    const { graph, x } = layer;
    return halves(layer, graph.node('Erf', [graph.node('Mul', [x, graph.number(Math.SQRT1_2)])]));
  },
  'gelu-tanh': (layer) => {
    const { graph, x } = layer;
    const square = graph.node('Mul', [x, x]);
    const factor = graph.node('Add', [graph.node('Mul', [square, graph.number(0.044715)]), graph.number(1)]);
    const inner = graph.node('Mul', [graph.node('Mul', [x, factor]), graph.number(Math.sqrt(2 / Math.PI))]);
    return halves(layer, graph.node('Tanh', [inner]));
  },
  'batch-norm': ({ graph, x, settings, tensor }) =>
    graph.node(
      'BatchNormalization',
      [x, tensor('weight', 1), tensor('bias', 0), tensor('running_mean', 0), tensor('running_var', 1)],
      { epsilon: settings.eps as number },
    ),
  'layer-norm': ({ graph, x, settings, tensor }) =>
    graph.node('LayerNormalization', [x, tensor('weight', 1), tensor('bias', 0)], { epsilon: settings.eps as number }),
};

/** What `predict` does with the outputs of the last layer. */
export const LOSSES: Readonly<Record<string, (graph: Graph, x: string) => string>> = {
  'softmax-cross-entropy': (graph, x) => graph.node('Softmax', [x]),
  'binary-cross-entropy': (graph, x) => graph.node('Sigmoid', [x]),
  mse: (_, x) => x,
  l1: (_, x) => x,
  huber: (_, x) => x,
};

/** The entry of a row. @throws DownhillError EXPORT-UNSUPPORTED */
export function entryOf<T>(table: Readonly<Record<string, T>>, what: string, name: string): T {
  const entry = Object.hasOwn(table, name) ? table[name] : undefined;
  if (entry) return entry;
  throw new DownhillError(
    'EXPORT-UNSUPPORTED',
    `${what} is ${name}, for which there is nothing in ONNX here.`,
    `Export a model of ${Object.keys(table).join(', ')}.`,
  );
}
