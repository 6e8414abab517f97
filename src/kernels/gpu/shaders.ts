import { denseForward64x64Shader } from '../../shaders/nn/dense_forward_64x64.gen.js';
import { denseForward64x128Shader } from '../../shaders/nn/dense_forward_64x128.gen.js';
import { denseForward128x128Shader } from '../../shaders/nn/dense_forward_128x128.gen.js';
import { denseForward128x128F16Shader } from '../../shaders/nn/dense_forward_128x128_f16.gen.js';
import { denseForwardSubgroupShader } from '../../shaders/nn/dense_forward_subgroup.gen.js';
import { denseForwardSumShader } from '../../shaders/nn/dense_forward_sum.gen.js';
import { denseInputGradient64x64Shader } from '../../shaders/nn/dense_input_gradient_64x64.gen.js';
import { denseInputGradient64x128Shader } from '../../shaders/nn/dense_input_gradient_64x128.gen.js';
import { denseInputGradient128x128Shader } from '../../shaders/nn/dense_input_gradient_128x128.gen.js';
import { denseInputGradient128x128F16Shader } from '../../shaders/nn/dense_input_gradient_128x128_f16.gen.js';
import { denseInputGradientSubgroupShader } from '../../shaders/nn/dense_input_gradient_subgroup.gen.js';
import { denseInputGradientSumShader } from '../../shaders/nn/dense_input_gradient_sum.gen.js';
import { denseWeightGradient64x64Shader } from '../../shaders/nn/dense_weight_gradient_64x64.gen.js';
import { denseWeightGradient64x128Shader } from '../../shaders/nn/dense_weight_gradient_64x128.gen.js';
import { denseWeightGradient128x128Shader } from '../../shaders/nn/dense_weight_gradient_128x128.gen.js';
import { denseWeightGradient128x128F16Shader } from '../../shaders/nn/dense_weight_gradient_128x128_f16.gen.js';
import { denseWeightGradientSubgroupShader } from '../../shaders/nn/dense_weight_gradient_subgroup.gen.js';
import { denseWeightGradientSumShader } from '../../shaders/nn/dense_weight_gradient_sum.gen.js';
import type { Shader } from '../../shaders/shader.js';

/** The kernels of the GPU forms (harness/generate/emit-tile.ts), by the names that forms have behind their ops. */

export type ProductName = 'forward' | 'inputGradient' | 'weightGradient';
type Trio = Readonly<Record<ProductName, Shader>>;

export interface Kernel extends Trio {
  readonly name: string;
  /** Rows and columns of the result that a workgroup computes. */
  readonly m: number;
  readonly n: number;
  /** What the kernel needs of the device. */
  readonly feature?: 'subgroups' | 'shader-f16';
  /** Sums are split over workgroups and added up in a second pass. */
  readonly split?: true;
}

const SMALL: Trio = {
  forward: denseForward64x64Shader,
  inputGradient: denseInputGradient64x64Shader,
  weightGradient: denseWeightGradient64x64Shader,
};
const WIDE: Trio = {
  forward: denseForward64x128Shader,
  inputGradient: denseInputGradient64x128Shader,
  weightGradient: denseWeightGradient64x128Shader,
};
const LARGE: Trio = {
  forward: denseForward128x128Shader,
  inputGradient: denseInputGradient128x128Shader,
  weightGradient: denseWeightGradient128x128Shader,
};
const HALF: Trio = {
  forward: denseForward128x128F16Shader,
  inputGradient: denseInputGradient128x128F16Shader,
  weightGradient: denseWeightGradient128x128F16Shader,
};
const SUBGROUP: Trio = {
  forward: denseForwardSubgroupShader,
  inputGradient: denseInputGradientSubgroupShader,
  weightGradient: denseWeightGradientSubgroupShader,
};

export const KERNELS: readonly Kernel[] = [
  { name: 'tile-128x128', m: 128, n: 128, ...LARGE },
  { name: 'tile-64x128', m: 64, n: 128, ...WIDE },
  { name: 'tile-64x64-split', m: 64, n: 64, split: true, ...SMALL },
  { name: 'tile-64x64', m: 64, n: 64, ...SMALL },
  // Operands are rounded to f16 on their way into the tile, sums stay f32: only where it is asked for by name.
  { name: 'tile-128x128/f16', m: 128, n: 128, feature: 'shader-f16', ...HALF },
  // No GPU has been measured that it is faster on.
  { name: 'subgroup', m: 8, n: 256, feature: 'subgroups', ...SUBGROUP },
];

/** The second pass of split sums. */
export const SUMS: Trio = {
  forward: denseForwardSumShader,
  inputGradient: denseInputGradientSumShader,
  weightGradient: denseWeightGradientSumShader,
};
