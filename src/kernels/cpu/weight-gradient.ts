import type { BufferRange } from '../../gpu/buffers.js';
import type { PassSpec } from '../../gpu/passes.js';
import { denseGradient4Shader } from '../../shaders/nn/dense_gradient_4.gen.js';
import { denseGradient8Shader } from '../../shaders/nn/dense_gradient_8.gen.js';
import type { Shader } from '../../shaders/shader.js';
import { type DenseWeightGradientOp, gradientPlace } from '../dense.js';
import { formOf } from '../lower.js';
import { inputConstants } from '../matrix.js';
import type { Form } from '../op.js';
import { many, type TileLayer, tileLayer, tilePasses } from './gradient.js';
import { onSubgroups } from './stationary.js';

/* The weight gradient of one layer, by the tiles that compute those of a whole network (src/kernels/cpu/gradient.ts). */

/** The pieces of W one after another, the bias with the last one, or behind it where it lies in another buffer. */
function weightGradientPasses(op: DenseWeightGradientOp, shader: Shader, lanes: 4 | 8): PassSpec[] {
  const { shape, buffers, label, replicas } = op;
  const { rows, decoding, pieces } = shape;
  const { x, dy, batch } = buffers;
  const tiles = (name: string, layer: TileLayer, grads: BufferRange) =>
    tilePasses({
      label: label + name,
      shader,
      lanes,
      layers: [layer],
      rows,
      replicas,
      constants: { ...inputConstants({ decoding }), MANY: many(rows) },
      buffers: { dy, grads, ...(decoding ? { data: x, batch } : { x }) },
    });
  return pieces.flatMap(({ begin, inputs, stride }, i) => {
    const last = i === pieces.length - 1;
    const place = gradientPlace(buffers[`weight-${i}`]!, last ? buffers.bias : undefined);
    const { words } = tileLayer(op, { xAt: begin, dyAt: 0, weightAt: place.weightAt, biasAt: place.biasAt });
    const layer = {
      inputs,
      outputs: shape.outputs,
      bias: place.shared,
      words: { ...words, inputs, weight_stride: stride },
    };
    const own = tiles(pieces.length > 1 ? `.${i}` : '', layer, place.grads);
    if (!place.bias) return own;
    // A layer of no inputs but the bias.
    const alone = { ...layer, inputs: 0, bias: true, words: { ...layer.words, inputs: 0 } };
    return [...own, ...tiles('.bias', alone, place.bias)];
  });
}

/** The sum is written out over 64 rows: of 16 tiles are 10 % faster (100 x 100), of 8 40 %. */
const FEW_ROWS = 16;

function weightGradientForm(lanes: 4 | 8, shader: Shader): Form {
  const form = formOf<DenseWeightGradientOp>(
    `dense-weight-gradient/stationary-${lanes}`,
    'dense-weight-gradient',
    (op) => weightGradientPasses(op, shader, lanes),
  );
  return onSubgroups(form, lanes, FEW_ROWS);
}

export const weightGradientForms: readonly Form[] = [
  weightGradientForm(8, denseGradient8Shader),
  weightGradientForm(4, denseGradient4Shader),
];
