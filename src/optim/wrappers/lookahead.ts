import { range } from '../../gpu/buffers.js';
import { integer, number } from '../../gpu/fields.js';
import { mix, mixForms } from '../../kernels/mix.js';
import type { Vector } from '../../space/space.js';
import { bind, spanName } from '../source.js';
import { trainedSegments } from '../trained.js';
import { type Wrapper, type WrapperRow, wrapperOf } from './wrapper.js';

/** Options of {@link lookahead}. */
export interface LookaheadOptions {
  /** Applied updates from one synchronisation to the next: at least 1. Default 5. */
  readonly k?: number;
  /** How far the slow weights go towards the fast ones: from 0 to 1. Default 0.5. */
  readonly alpha?: number;
}

const row: WrapperRow<{ k: number; alpha: number }> & { name: 'lookahead' } = {
  name: 'lookahead',
  title: 'Lookahead',
  formula: 'every k updates: slow += alpha·(p - slow), p = slow; first slow = p',
  paper: 'https://arxiv.org/abs/1907.08610',
  fields: {
    k: integer('applied updates from one synchronisation to the next', 5, { min: 1, max: 2 ** 31 - 1 }),
    alpha: number('how far the slow weights go towards the fast ones', 0.5, { min: 0, max: 1 }),
  },
  forms: mixForms,
  bind({ k, alpha }, updater) {
    const { buffers, clock, options } = updater;
    const { space, groups, param } = options;
    const slow = updater.keep('slow', true);
    const { spans } = trainedSegments(buffers, space, groups);
    const weights = new Float32Array(groups.length * space.replicas).fill(alpha);
    const by = range(buffers.upload('lookahead', weights));
    const ops = spans.map(({ span, count, range: segments }) => {
      const at = ({ ranges }: Vector) => bind(buffers.device, ranges[span]!);
      const [own, theirs] = [at(slow), at(param)];
      const shared = { clock, segments, count, stride: space.spans[span]!.elements, replicas: space.replicas };
      const label = (pass: string) => spanName(options, pass, { span });
      const every = { when: 'every', every: k } as const;
      return {
        start: mix({ ...shared, label: label('lookahead-start'), target: own, base: theirs, when: 'before' }),
        sync: mix({ ...shared, label: label('lookahead'), target: own, other: { ...theirs, weights: by }, ...every }),
        back: mix({ ...shared, label: label('lookahead-back'), target: theirs, base: own, ...every }),
      };
    });
    const after = ops.flatMap(({ sync, back }) => [sync, back]);
    return () => (options.copied ? { after } : { gradient: ops.map(({ start }) => start), after });
  },
};

/**
 * Lookahead round any rule: slow weights beside the fast ones that the rule moves. After every k applied updates
 *
 *   slow += alpha·(fast - slow);  fast = slow
 *
 * Slow weights start as the parameters. The rule's state stays as it is. What is evaluated are the fast weights, which are the
 * slow ones every k updates. State: one float32 per parameter.
 *
 * @example createTrainer(device, { model, rule, data, wrappers: [lookahead({ k: 5, alpha: 0.5 })] })
 * @throws DownhillError OPTION-*
 * Paper: Zhang et al. 2019, Lookahead optimizer: k steps forward, 1 step back, https://arxiv.org/abs/1907.08610.
 */
export const lookahead = Object.assign((options: LookaheadOptions = {}): Wrapper => wrapperOf(row, options), { row });
