import { activationProductShader } from '../shaders/nn/activation_product.gen.js';
import { addShader } from '../shaders/space/add.gen.js';
import { type ActivationProductOp, activationConstants, QUAD_LANES, quads } from './activation.js';
import type { AddOp } from './add.js';
import { formOf } from './lower.js';
import { rowStride } from './matrix.js';
import type { Form } from './op.js';

/** What products of the Hessian with a vector need beside the forms of a network: loaded with them. */
export const productForms: readonly Form[] = [
  formOf<AddOp>('add', 'add', ({ label, shape: { elements, scale, onto }, buffers, replicas }) => [
    {
      label,
      shader: addShader,
      constants: { ONTO: onto },
      shape: { quads: elements / 4, stride: elements / 4, scale },
      buffers,
      groups: Math.ceil(elements / 4 / 64),
      replicas,
    },
  ]),
  formOf<ActivationProductOp>(
    'activation-product/quads',
    'activation-product',
    ({ label, shape, buffers, replicas }) => [
      {
        label,
        shader: activationProductShader,
        constants: { ...activationConstants(shape), WORKGROUP: QUAD_LANES },
        shape: { rows: shape.rows, stride: rowStride(shape.width) },
        buffers,
        groups: quads(shape),
        replicas,
      },
    ],
  ),
];
