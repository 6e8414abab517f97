import { DownhillError, show } from '../../gpu/errors.js';
import { choice } from '../../gpu/fields.js';
import { centralizeForms, centralize as centralizeOp } from '../../kernels/wrappers.js';
import { elementsOf } from '../../space/space.js';
import { checkFloats, type Wrapper, type WrapperRow, type WrapperStep, wrapperOf } from './wrapper.js';

/** Options of {@link centralize}. */
export interface CentralizeOptions {
  /** Which axis of a tensor counts its outputs: 'last' as in a trainer ([in, out]), or 'first', PyTorch's. Default 'last'. */
  readonly outputs?: 'first' | 'last';
}

const row: WrapperRow<{ outputs: 'first' | 'last' }> & { name: 'centralize' } = {
  name: 'centralize',
  title: 'Gradient centralisation',
  formula: 'g -= mean of g over all axes but that of the outputs, of tensors with 2 axes and more',
  paper: 'https://arxiv.org/abs/2004.01461',
  fields: { outputs: choice('which axis of a tensor counts its outputs', ['last', 'first']) },
  forms: centralizeForms,
  bind({ outputs: axis }, { options: { space, groups, label } }) {
    const frozen = new Set(groups.filter((group) => group.frozen).flatMap(({ tensors }) => tensors));
    const matrices = space.tensors.filter(
      (tensor) => tensor.shape.length > 1 && elementsOf(tensor) > 0 && !frozen.has(tensor.name),
    );
    const gradient = ({ grads }: WrapperStep) =>
      matrices.map((tensor) => {
        const [part, other] = space.partsOf(tensor.name);
        if (other) {
          throw new DownhillError(
            'LIMIT-BINDING',
            `centralize: tensor ${show(tensor.name)} is larger than a binding of this device.`,
            'Leave centralize out, or split the tensor.',
          );
        }
        const { span, at } = part!;
        const { range: grad, first } = grads.find(({ parts }) => parts.some((each) => each.tensor === tensor.name))!;
        const outputs = axis === 'last' ? tensor.shape.at(-1)! : tensor.shape[0]!;
        const inputs = elementsOf(tensor) / outputs;
        const steps = axis === 'last' ? { inner: outputs, outer: 1 } : { inner: 1, outer: inputs };
        const shape = { first: first + at, stride: space.spans[span]!.elements, inputs, outputs, ...steps };
        return centralizeOp(`${label}/centralize-${tensor.name}`, shape, { grad }, space.replicas);
      });
    return (step) => {
      checkFloats('centralize', step);
      return { gradient: gradient(step) };
    };
  },
};

/**
 * Gradient centralisation: the gradient of every tensor with two axes or more has mean 0 over all but the output axis, before
 * it is clipped and before the rule sees it; that of `createOptimizer` is changed in place.
 *
 *   g[i, o] -= 1/I · Σ g[i, o] over i
 *
 * One dispatch per such tensor, no state.
 *
 * @example createTrainer(device, { model, rule, data, wrappers: [centralize()] })
 * @throws DownhillError OPTION-*; by who gets it OPTION-RANGE for fixed-point gradients
 * Paper: Yong et al. 2020, Gradient centralization, https://arxiv.org/abs/2004.01461.
 */
export const centralize = Object.assign((options: CentralizeOptions = {}): Wrapper => wrapperOf(row, options), { row });
