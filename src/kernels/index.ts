/**
 * The kernels as dispatches: describe one (`denseForward(…)` and so on give a `PassSpec`), compile any number of them
 * (`createPasses`), record them into your own compute pass as often as you like (`encodePass`, which creates nothing).
 *
 * @module downhill/kernels
 */
export { type BufferRange, range } from '../gpu/buffers.js';
export { createPasses, encodePass, type Pass, type PassSpec } from '../gpu/pipelines.js';
export type { Shader, ShaderBinding, ShaderField, ShaderStruct } from '../shaders/shader.js';
export {
  type DenseBatch,
  type DensePiece,
  type DenseShape,
  denseForward,
  denseInputGradient,
  denseWeightGradient,
  KERNEL_ACTIVATIONS,
  type KernelActivation,
  matrixBytes,
  rowStride,
  savesInput,
} from './dense.js';
export { type LossOperands, meanSquaredError, softmaxCrossEntropy } from './loss.js';
export {
  ARENA_BLOCK,
  advance,
  CLOCK_BYTES,
  clockWord,
  HYPER_BYTES,
  packRow,
  ROW_BLOCK,
  ROW_RING,
  ROW_WORDS,
  update,
} from './update.js';
