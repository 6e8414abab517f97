import { DownhillError } from '../gpu/errors.js';
import { buffersOf } from '../nn/model.js';
import type { CheckedOptions } from './options.js';
import type { TrainerOptions } from './types.js';

/* What a trainer cannot do beside a minimizer, which looks at its loss at several points for one step. */

/** What stands between a gradient and an update of it, and why a minimizer has no use for it. */
const BETWEEN: readonly [keyof TrainerOptions & string, string][] = [
  ['clip', 'a clipped gradient is not that of the loss it compares'],
  ['skipNonFinite', 'it takes no point whose loss or gradient is not finite in any case'],
  ['accumulate', 'it compares losses of one batch: a full batch is one step'],
  ['wrappers', 'they change gradients or updates, and it compares losses along the step that it chose itself'],
  ['average', 'it ends at a minimum; the weights before it are no better'],
  ['augment', 'what is drawn anew in each step changes the loss under it'],
];

/** Loaded where a rule is a minimizer. @throws DownhillError OPTION-RANGE */
export function checkMinimizer(options: TrainerOptions, { row, groups, model, sampling }: CheckedOptions): void {
  const { hyper } = groups[0]!.rules[0]!;
  const { name } = row;
  const refuse = (what: string, fix: string): never => {
    throw new DownhillError('OPTION-RANGE', `${name}: ${what}.`, fix);
  };
  const stochastic = (hyper as { readonly stochastic?: unknown }).stochastic === true;
  for (const [option, why] of BETWEEN) {
    const drawn = option === 'augment' && stochastic;
    if (options[option] !== undefined && options[option] !== false && !drawn)
      refuse(`there is ${option} beside it, but ${why}`, `Leave ${option} out, or take another rule.`);
  }
  if (options.state !== undefined && options.state !== 'f32')
    refuse(`its state is kept as f32 alone, but state is '${options.state}'`, 'Leave state out.');
  if (sampling !== 'full' && !stochastic) {
    if (!('stochastic' in row.fields)) {
      refuse(
        `it compares losses at points that a model of one batch foretold, over several steps of the trainer; sampling is '${sampling}'`,
        "Pass sampling: 'full'.",
      );
    }
    refuse(
      `it builds its curvature from differences of gradients, and those of two mini-batches differ by the batches more than by the step; sampling is '${sampling}'`,
      "Pass sampling: 'full'. With stochastic: true it takes both gradients of a pair on one batch, and damps the pair.",
    );
  }
  const kept = buffersOf(model)[0];
  if (kept) {
    refuse(
      `the model keeps ${kept.name}, an average over steps, and steps that were tried and not taken would be in it`,
      'Leave the layer out, or take another rule.',
    );
  }
  const drawn = model.layers.find(({ row: layer }) => layer.random);
  if (drawn && !stochastic)
    refuse(
      `the layer ${drawn.row.name} draws anew in each step, which changes the loss under it`,
      'Leave the layer out, or take another rule.',
    );
  const trained = groups.filter(({ frozen }) => !frozen);
  if (trained.length > 1)
    refuse('one step moves all tensors, so groups have no settings of their own', 'Use groups for frozen: true alone.');
  if (trained.length === 0) refuse('every tensor is frozen', 'Leave one to be trained.');
}
