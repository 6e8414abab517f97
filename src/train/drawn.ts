import { guarded } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { PassSpec } from '../gpu/passes.js';
import { curvatureForms } from '../kernels/curvature.js';
import { loadKernels, lower, passName } from '../kernels/lower.js';
import type { Form, Op } from '../kernels/op.js';
import { curvatureOps } from '../optim/curvature.js';
import { type Updater, wholeSpans } from '../optim/updater.js';
import type { BoundObjective, Objective } from './objective.js';
import type { FormChoice } from './plan-types.js';

/*
 * What stands in front of some steps where a rule divides by a curvature: a gradient of targets drawn from the model, which the
 * curvature takes in. Loaded where there is such a rule. A list of its own: the steps themselves are those of any rule, fused as they may
 * be. So that whatever they leave behind them is theirs, it has activations of its own, too.
 */

/** In front of the names of these passes. */
const PREFIX = 'drawn-';

/** How the pass of the same name is done in the step: where that form takes these ops, too. */
function sameForms(ops: readonly Op[], forms: readonly Form[], device: GPUDevice, choice: FormChoice): FormChoice {
  const own: Record<string, string> = {};
  for (let at = 0; at < ops.length; ) {
    const name = passName(ops[at]!.label);
    const form = forms.find((each) => each.name === choice[name.replace(PREFIX, '')]);
    // What a form needs may be asked only where it fits.
    const fits = form?.match(ops, at, device) ?? 0;
    const taken = fits > 0 && !form!.needs?.(ops, at, device) ? fits : 0;
    if (taken > 0) own[name] = form!.name;
    at += Math.max(taken, 1);
  }
  return own;
}

/** The passes, and in front of which steps they stand. */
export async function drawnPasses(
  objective: Objective,
  { bound, updater }: { readonly bound: BoundObjective; readonly updater: Updater },
  known: readonly Form[],
  choice: FormChoice,
): Promise<{ readonly specs: readonly PassSpec[]; due(step: number): boolean }> {
  const { buffers, options, scalars } = updater;
  const { device } = buffers;
  const { row, space, grad, micro, label } = options;
  const kernel = await objective.drawn?.();
  if (!kernel || !bound.drawn) throw noTargets(row.name);
  const sources = wholeSpans(space, grad);
  const ops = await guarded(device, label, () => [
    ...bound.drawn!(kernel).map((op) => ({ ...op, label: `${label}/${PREFIX}${passName(op.label)}` })),
    ...curvatureOps({ updater, gradients: () => ({ fetch: [], sources }) })([], buffers),
  ]);
  const forms = [...known, ...curvatureForms];
  await loadKernels(ops, forms, device);
  const own = sameForms(ops, forms, device, choice);
  const { passes } = await guarded(device, label, () => lower(ops, forms, device, own));
  return {
    specs: passes,
    // Every group and replica has the same interval, as `set` left it.
    due: (step) => step % (row.curvature!.interval(scalars.rules[0]!.hyper) * micro) === 0,
  };
}

const noTargets = (rule: string) =>
  new DownhillError(
    'OPTION-RANGE',
    `${rule} draws targets from what a model predicts, but what is minimized here is no likelihood.`,
    'Take another rule: adamw({ lr: 1e-3 }).',
  );
