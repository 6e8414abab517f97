import { range } from '../../gpu/buffers.js';
import { integer, number } from '../../gpu/fields.js';
import { pcgHash } from '../../kernels/random.js';
import { gradientNoiseForms, gradientNoise as gradientNoiseOp } from '../../kernels/wrappers.js';
import { spanName } from '../source.js';
import { segmentsOf, trainedSegments } from '../trained.js';
import { checkFloats, type Wrapper, type WrapperRow, wrapperOf } from './wrapper.js';

/** Options of {@link gradientNoise}. */
export interface GradientNoiseOptions {
  /** Variance of the noise at the first update: at least 0. Default 0.01; the paper tried 0.01, 0.3 and 1. */
  readonly eta?: number;
  /** Power by which it falls: at least 0. Default 0.55. */
  readonly gamma?: number;
  /** Of the noise, beside the trainer's. Default 0. */
  readonly seed?: number;
}

/** Keeps these numbers apart from others of the same seed: 'GN'. */
const STREAM = 0x474e_0000;

/** What sigma is put together from: √eta·2^(x·e), and (1 + i/256)^x, in float64. */
const sigmaTables = (eta: number, x: number) =>
  Float32Array.from({ length: 32 + 256 }, (_, i) =>
    i < 32 ? Math.sqrt(eta) * 2 ** (x * i) : (1 + (i - 32) / 256) ** x,
  );

const row: WrapperRow<{ eta: number; gamma: number; seed: number }> & { name: 'gradientNoise' } = {
  name: 'gradientNoise',
  title: 'Gradient noise',
  formula: 'g += N(0, σ²), σ² = eta / (1 + t)^gamma, t the updates applied so far',
  paper: 'https://arxiv.org/abs/1511.06807',
  fields: {
    eta: number('variance of the noise at the first update', 0.01, { min: 0 }),
    gamma: number('power by which the variance falls', 0.55, { min: 0 }),
    seed: integer('of the noise', 0, { min: 0, max: 2 ** 32 - 1 }),
  },
  forms: gradientNoiseForms,
  bind({ eta, gamma, seed }, { buffers, clock, options }) {
    const { space, groups, micro, seeds } = options;
    const trained = trainedSegments(buffers, space, groups);
    const keyOf = (own = 0) => pcgHash(own, STREAM, seed);
    const shared = {
      clock,
      numbers: range(buffers.upload('noise-numbers', trained.numbers)),
      tables: range(buffers.upload('noise-sigma', sigmaTables(eta, -gamma / 2))),
      keys: range(
        buffers.upload(
          'noise-keys',
          Uint32Array.from({ length: space.replicas }, (_, i) => keyOf(seeds?.[i])),
        ),
      ),
    };
    return (step) => {
      checkFloats('gradientNoise', step);
      const gradient = step.grads.flatMap((source) => {
        const { span, range: grad, first } = source;
        const { count, range: segments } = segmentsOf(trained, source, step.tables);
        const shape = { segments: count, first, stride: space.spans[span]!.elements, micro, power: -gamma / 2 };
        const label = spanName(options, 'gradient-noise', source);
        return count === 0 ? [] : [gradientNoiseOp(label, shape, { ...shared, segments, grad }, space.replicas)];
      });
      return { gradient };
    };
  },
};

/**
 * Gradient noise: normal noise on the gradient, less of it with every applied update, before it is clipped; that of
 * `createOptimizer` is changed in place. With t = 0 at the first update
 *
 *   g += N(0, σ²),  σ² = eta / (1 + t)^gamma
 *
 * The numbers are keyed by seed (the trainer's, and this one), update and element: the same on every adapter and in any
 * layout. They are a sum of twelve uniforms, which ends at 6 σ. No state.
 *
 * @example createTrainer(device, { model, rule, data, wrappers: [gradientNoise({ eta: 0.3 })] })
 * @throws DownhillError OPTION-*; by who gets it OPTION-RANGE for fixed-point gradients
 * Paper: Neelakantan et al. 2015, Adding gradient noise improves learning for very deep networks, https://arxiv.org/abs/1511.06807.
 */
export const gradientNoise = Object.assign((options: GradientNoiseOptions = {}): Wrapper => wrapperOf(row, options), {
  row,
});
