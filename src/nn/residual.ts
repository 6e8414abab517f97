/* What losses of residuals, target minus output, share. */

/** Their second derivative by the outputs, applied to a tangent. */
export const residualProduct = () =>
  import('../shaders/nn/residual_product.gen.js').then(({ residualProductShader }) => residualProductShader);

/** Of f32: for a loss that bends alike everywhere. */
export { MAX_F32 as LARGEST } from '../gpu/constants.js';
