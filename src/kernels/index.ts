/**
 * The kernels as dispatches. Operations (`dense(…)`, `update(…)` and so on) are `Op`s, which `lower` turns into passes by one of
 * their forms (`loadForms`, `updateForms`). Compile any number of them (`createPasses`), record them into your own compute pass
 * as often as you like (`encodePass`, which creates nothing).
 *
 * @module downhill/kernels
 */
export { type BufferRange, BufferSet, type LaterRange, range } from '../gpu/buffers.js';
export { createPasses, encodePass, type Pass, type PassSpec } from '../gpu/passes.js';
export type { Shader, ShaderBinding, ShaderField, ShaderStruct } from '../shaders/shader.js';
export { account, accountForms, STREAM_BYTES, streamWord } from './account.js';
export { activation, activationGradient, KERNEL_ACTIVATIONS, type KernelActivation, savesInput } from './activation.js';
export { ADVANCE_FORMS, advance, CLOCK_BYTES, clockBytes, readClocks } from './advance.js';
export {
  batchNorm,
  batchNormGradient,
  batchNormStatistics,
  momentsBytes,
  type NormOperands,
  type RunningMoments,
} from './batch-norm.js';
export {
  type DenseOperands,
  dense,
  denseInputGradient,
  denseWeightGradient,
  type Piece,
  wholePiece,
} from './dense.js';
export { dropout } from './dropout.js';
export { BLOCK_ENCODINGS, encodeBlock } from './encode.js';
export { layerNorm, layerNormGradient, layerNormWeightGradient, rowMomentsBytes } from './layer-norm.js';
export { type LossKernel, type LossOperands, loss } from './loss.js';
export { loadKernels, lower } from './lower.js';
export { type DenseBatch, matrixBytes, rowStride } from './matrix.js';
export { loadForms, nnForms } from './nn-forms.js';
export type { Form, Op, Plan } from './op.js';
export { ARENA_BLOCK, HYPER_BYTES, packRecord, RECORD_BLOCK, RECORD_WORDS, update, updateForms } from './update.js';
