import type { BufferRange } from '../gpu/buffers.js';
import type { LossOperands, LossProductOperands } from '../kernels/loss.js';
import type { Op } from '../kernels/op.js';
import type { Shader } from '../shaders/shader.js';
import type { SettingFields, Settings } from './layer.js';

/** What a network is to predict, by kind: as data sets have it. */
export interface TargetsOf {
  readonly classes: {
    readonly kind: 'classes';
    readonly classes: number;
    readonly labels: Uint8Array | Uint16Array | Uint32Array;
  };
  readonly values: {
    readonly kind: 'values';
    readonly width: number;
    readonly values: Float32Array;
    /** The network is trained on raw·scale + shift: for all outputs, or one for each. */
    readonly scale?: number | ArrayLike<number>;
    readonly shift?: number | ArrayLike<number>;
  };
  readonly probabilities: { readonly kind: 'probabilities'; readonly classes: number; readonly values: Float32Array };
}
export type TargetKind = keyof TargetsOf;

/** What a loss computes with, for one batch. */
export interface LossBinding<S = Settings> extends LossOperands {
  readonly settings: S;
  readonly replicas: number;
  /** Of the targets. */
  readonly kind: TargetKind;
  /**
   * Mean weight of the samples whose mean is wanted, where these are more than the batch: of an evaluation. By default
   * the batch's own.
   */
  readonly meanWeight?: number | undefined;
  /** Numbers of its settings on the GPU, made once: the same for the same name. */
  constant(name: string, values: readonly number[]): BufferRange;
  /** Memory of its own for the batch: the same for the same name. */
  scratch(name: string, bytes: number): BufferRange;
}

/** What the product of its second derivatives with a tangent of the outputs computes with. */
export type LossProduct<S = Settings> = Omit<LossBinding<S>, 'dz' | 'result'> & Pick<LossProductOperands, 'rz' | 'rdz'>;

/** How a loss bends. */
export interface LossCurvature<S = Settings> {
  /** Loads the kernel: few trainers need it. */
  shader(): Promise<Shader>;
  /** R dz of R z, behind the `ops` of the same binding. */
  product(binding: LossProduct<S>, shader: Shader): readonly Op[];
}

/** One loss (src/nn/losses). */
export interface LossRow<S = Settings> {
  readonly name: string;
  /** 'Mean squared error' */
  readonly title: string;
  readonly fields: SettingFields;
  /** Which targets it takes. */
  readonly targets: TargetKind;
  /** Others that it takes, too. */
  readonly also?: readonly TargetKind[];
  /** Targets must lie in it. */
  readonly within?: readonly [number, number];
  /**
   * What the second number of a row's result is: 'accuracy', 1 where the largest output is the right class, or the share of
   * outputs on the right side; 'mse', the row's mean squared error.
   */
  readonly counts: 'accuracy' | 'mse';
  /** Of every row of a batch, and the gradient at the outputs. */
  ops(binding: LossBinding<S>): readonly Op[];
  /** Products with second derivatives; absent where there are none. */
  readonly curvature?: LossCurvature<S>;
  /**
   * That the settings fit a network with so many outputs.
   *
   * @throws DownhillError SHAPE-MISMATCH
   */
  check?(outputs: number, settings: S): void;
  /** Mean weight of samples, where some count more than others. */
  meanWeight?(targets: TargetsOf[TargetKind], settings: S): number | undefined;
  /**
   * Of a loss that is a likelihood: loads the kernel to stand in the place of its own, with the same constants, shape and bindings, that
   * writes gradients at the outputs for targets drawn from what the outputs say. Those of a row are 0 on average, with a covariance
   * that is the Hessian of the row's loss at its outputs, over valid rows times rows.
   */
  drawn?(): Promise<Shader>;
  /** What outputs say where that is not the outputs themselves: [rows, width], of outputs [rows, width]. */
  predict?(outputs: Float32Array, width: number): Float32Array;
}

/** A loss as a model names it. Made by `softmaxCrossEntropy()`, `mse()`; plain data. */
export interface LossFunction {
  readonly row: LossRow;
  readonly settings: Settings;
}

/** Of a binding what the kernel of a loss takes. */
export const operandsOf = ({
  label,
  rows,
  outputs,
  replicas,
  z,
  targets,
  batch,
  stream,
  dz,
  result,
}: LossBinding): LossOperands => ({ label, rows, outputs, replicas, z, targets, batch, stream, dz, result });

/** The same of a product's. */
export const productOperandsOf = ({
  label,
  rows,
  outputs,
  replicas,
  z,
  targets,
  batch,
  stream,
  rz,
  rdz,
}: LossProduct): LossProductOperands => ({ label, rows, outputs, replicas, z, targets, batch, stream, rz, rdz });
