import { range } from '../../gpu/buffers.js';
import { flag, number } from '../../gpu/fields.js';
import { mix, mixForms } from '../../kernels/mix.js';
import { samForms, samNorm, samPerturb } from '../../kernels/sam.js';
import type { Vector } from '../../space/space.js';
import { bind, spanName } from '../source.js';
import { trainedSegments } from '../trained.js';
import { type Wrapper, type WrapperRow, wrapperOf } from './wrapper.js';

/** Options of {@link sam}. */
export interface SamOptions {
  /** How far uphill the second gradient is taken: above 0. Default 0.05. */
  readonly rho?: number;
  /** ASAM: farther where weights are larger; rho is then 0.5 to 2. Default false. */
  readonly adaptive?: boolean;
}

const row: WrapperRow<{ rho: number; adaptive: boolean }> & { name: 'sam' } = {
  name: 'sam',
  title: 'SAM',
  formula: 'g = ∇L(p + ρ·∇L(p)/‖∇L(p)‖); adaptive: p + ρ·p²·∇L(p)/‖p·∇L(p)‖',
  paper: 'https://arxiv.org/abs/2010.01412',
  fields: {
    rho: number('how far uphill the second gradient is taken', 0.05, { above: 0 }),
    adaptive: flag('farther where weights are larger'),
  },
  forms: [...mixForms, ...samForms],
  bind: () => () => ({}),
  again({ rho, adaptive }, { buffers, clock, options }) {
    const { space, groups, param, grad } = options;
    const { replicas } = space;
    const { spans, all } = trainedSegments(buffers, space, groups);
    const kept = space.vector(buffers, 'kept');
    const partial = range(buffers.storage('sam-partial', 8 * all * replicas));
    const ops = spans.map(({ span, count, range: segments }) => {
      const at = ({ ranges }: Vector) => bind(buffers.device, ranges[span]!);
      const [w, g, k] = [at(param), at(grad), at(kept)];
      const stride = space.spans[span]!.elements;
      const shape = { segments: count, all, stride, grad_first: g.first, param_first: w.first, adaptive };
      const label = (pass: string) => spanName(options, pass, { span });
      const operands = { segments, partial, grad: g.range, param: w.range };
      const uphill = { ...shape, kept_first: k.first, rho };
      return {
        norm: samNorm(label('sam-norm'), shape, operands, replicas),
        perturb: samPerturb(label('sam-perturb'), uphill, { ...operands, kept: k.range }, replicas),
        back: mix({ label: label('sam-back'), clock, segments, count, stride, replicas, target: w, base: k }),
      };
    });
    return {
      // Parameters may lie in several spans: the whole norm first.
      between: [...ops.map(({ norm }) => norm), ...ops.map(({ perturb }) => perturb)],
      behind: ops.map(({ back }) => back),
    };
  },
};

/**
 * Sharpness-aware minimization round any rule: the gradient of a step is taken twice on the same batch, the second time where
 * the first one leads uphill, and only that one is the rule's. With the parameters of all tensors that are trained as one vector
 *
 *   e = rho·g / (‖g‖ + 1e-12);  adaptive: e = rho·p²·g / (‖p·g‖ + 1e-12);  g = gradient at p + e
 *
 * The parameters are put back bit for bit before the update. A step costs two gradients; the loss it reports is that at p,
 * batch norm's running statistics are of the second. With `accumulate` each batch has its own e. 4 bytes per parameter, none
 * of them state. Only a trainer can: an optimizer has no gradient to ask for again.
 *
 * @example createTrainer(device, { model, rule, data, wrappers: [sam({ rho: 0.05 })] })
 * @throws DownhillError OPTION-*; by createOptimizer OPTION-RANGE
 * Papers: Foret et al. 2020, Sharpness-aware minimization, https://arxiv.org/abs/2010.01412; Kwon et al. 2021, ASAM,
 * https://arxiv.org/abs/2102.11600.
 */
export const sam = Object.assign((options: SamOptions = {}): Wrapper => wrapperOf(row, options), { row });
