import { range } from '../../gpu/buffers.js';
import { mix, mixForms } from '../../kernels/mix.js';
import { cautiousForms, cautious as cautiousOp, cautiousSign } from '../../kernels/wrappers.js';
import { placed, trainedSegments } from '../trained.js';
import { type Wrapper, type WrapperRow, wrapperOf, wrapperPass } from './wrapper.js';

const row: WrapperRow<Record<never, never>> & { name: 'cautious' } = {
  name: 'cautious',
  title: 'Cautious updates',
  formula: 'p -= u·mask / max(mean(mask), 1e-3), mask = u·g > 0, u the update that the rule would apply, by tensor',
  paper: 'https://arxiv.org/abs/2411.16085',
  fields: {},
  forms: [...mixForms, ...cautiousForms],
  bind(_, { updater, grads, hyper }) {
    const { buffers, clock, options } = updater;
    const { space, groups, param } = options;
    const { replicas } = space;
    const { spans, tensors, all } = trainedSegments(buffers, space, groups);
    // By place: first place of the segment's tensor, the one behind its last, elements.
    const byPlace = tensors.flatMap(([begin, end, , elements]) =>
      Array.from({ length: end - begin }, () => [begin, end, elements, 0]).flat(),
    );
    const [before, signs] = [space.vector(buffers, 'before'), space.vector(buffers, 'signs')];
    const shared = {
      hyper,
      tensors: range(buffers.upload('cautious-tensors', Uint32Array.from(byPlace))),
      counts: range(buffers.storage('cautious-counts', 4 * all * replicas)),
    };
    const ops = spans.map(({ span, count, range: segments }) => {
      const at = ({ ranges }: typeof before) => placed(buffers.device, ranges[span]!);
      const [old, sign, own] = [at(before), at(signs), at(param)];
      const { range: grad, first } = grads[span]!;
      const stride = space.spans[span]!.elements;
      const label = (pass: string) => wrapperPass(updater, pass, span);
      const firsts = { segments: count, stride, before_first: old.first, signs_first: sign.first };
      const buffersOf = { ...shared, segments, before: old.range, signs: sign.range, param: own.range };
      const hold = (pass: string, apply: boolean) =>
        cautiousOp(label(pass), { ...firsts, all, first: own.first, apply }, buffersOf, replicas);
      return {
        before: [
          mix({
            ...{ clock, segments, count, stride, replicas },
            label: label('cautious-keep'),
            target: old,
            base: own,
          }),
          cautiousSign(
            label('cautious-sign'),
            { ...firsts, first, unit: undefined },
            { hyper, segments, grad, before: old.range, signs: sign.range },
            replicas,
          ),
        ],
        count: hold('cautious-count', false),
        apply: hold('cautious', true),
      };
    });
    return {
      before: ops.flatMap((each) => each.before),
      // A tensor may lie in several spans: all are counted first.
      after: [...ops.map((each) => each.count), ...ops.map((each) => each.apply)],
    };
  },
};

/**
 * Cautious updates round any rule: elements of an update u whose sign is not that of the gradient are left out, the others
 * scaled by how many of the tensor's those are. g is the gradient that the rule sees, with its L2 penalty; decoupled decay is
 * no part of u.
 *
 *   p -= u·mask / max(mean(mask), 1e-3),  mask = u·g > 0
 *
 * Four dispatches to a span and 8 bytes per parameter, none of them state. u is taken from the parameters before and after the
 * update: within a rounding of those.
 *
 * @example createTrainer(device, { model, rule, data, wrappers: [cautious()] })
 * @throws DownhillError OPTION-*
 * Paper: Liang et al. 2024, Cautious optimizers: improving training with one line of code, https://arxiv.org/abs/2411.16085.
 */
export const cautious = Object.assign((options: Record<never, never> = {}): Wrapper => wrapperOf(row, options), {
  row,
});
