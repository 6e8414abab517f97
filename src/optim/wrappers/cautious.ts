import { range } from '../../gpu/buffers.js';
import { mix, mixForms } from '../../kernels/mix.js';
import { cautiousForms, cautious as cautiousOp, cautiousSign } from '../../kernels/wrappers.js';
import { bind, spanName } from '../source.js';
import { segmentsOf, trainedSegments } from '../trained.js';
import { type Wrapper, type WrapperRow, wrapperOf } from './wrapper.js';

type Bound = ReturnType<typeof bind>;

const row: WrapperRow<Record<never, never>> & { name: 'cautious' } = {
  name: 'cautious',
  title: 'Cautious updates',
  formula: 'p -= u·mask / max(mean(mask), 1e-3), mask = u·g > 0, u the update that the rule would apply, by tensor',
  paper: 'https://arxiv.org/abs/2411.16085',
  fields: {},
  forms: [...mixForms, ...cautiousForms],
  bind(_, { buffers, clock, hyper, options }) {
    const { space, groups, param } = options;
    const { replicas } = space;
    const trained = trainedSegments(buffers, space, groups);
    const { spans, tensors, all } = trained;
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
    const at = (span: number) => {
      const [old, sign, own] = [before, signs, param].map(({ ranges }) =>
        bind(buffers.device, ranges[span]!),
      ) as Bound[];
      const stride = space.spans[span]!.elements;
      return {
        ...{ old: old!, sign: sign!, own: own!, stride },
        firsts: { before_first: old!.first, signs_first: sign!.first },
      };
    };
    const ops = spans.map(({ span, count, range: segments }) => {
      const { old, sign, own, stride, firsts } = at(span);
      const label = (pass: string) => spanName(options, pass, { span });
      const operands = { ...shared, segments, before: old.range, signs: sign.range, param: own.range };
      const hold = (pass: string, apply: boolean) => {
        const shape = { ...firsts, segments: count, stride, all, first: own.first, apply };
        return cautiousOp(label(pass), shape, operands, replicas);
      };
      const place = { clock, segments, count, stride, replicas };
      return {
        keep: mix({ ...place, label: label('cautious-keep'), target: old, base: own }),
        count: hold('cautious-count', false),
        apply: hold('cautious', true),
      };
    });
    return ({ grads, tables }) => ({
      before: [
        ...ops.map((each) => each.keep),
        ...grads.flatMap((source) => {
          const { count, range: segments } = segmentsOf(trained, source, tables);
          const { old, sign, stride, firsts } = at(source.span);
          const shape = {
            ...firsts,
            segments: count,
            stride,
            first: source.first,
            unit: source.unitOf(source.parts[0]!.tensor),
          };
          const operands = { hyper, segments, grad: source.range, before: old.range, signs: sign.range };
          return count === 0
            ? []
            : [cautiousSign(spanName(options, 'cautious-sign', source), shape, operands, replicas)];
        }),
      ],
      // A tensor may lie in several spans: all are counted first.
      after: [...ops.map((each) => each.count), ...ops.map((each) => each.apply)],
    });
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
