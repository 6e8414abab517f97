import { DownhillError } from '../gpu/errors.js';
import type { PassSpec } from '../gpu/pipelines.js';
import type { Form, Op, Plan } from './op.js';

/** A pass's label without the name of the plan in front: what a choice is kept by, whatever the plan is called. */
export const passName = (label: string) => label.slice(label.indexOf('/') + 1);

/**
 * Turns ops into passes. Of the forms that fit and suit, the first wins: what takes several ops at once, and what is faster
 * on this device, stands first in the list.
 *
 * @param choice forms by pass name, where another one is wanted: a plan that was fixed before, or one that is compared
 * @throws DownhillError PLAN-UNKNOWN where the choice names a form that is not there, or does not fit.
 */
export function lower(
  ops: readonly Op[],
  forms: readonly Form[],
  device: GPUDevice,
  choice: Readonly<Record<string, string>> = {},
): Plan {
  const passes: PassSpec[] = [];
  const chosen: Record<string, string> = {};
  for (let at = 0; at < ops.length; ) {
    const op = ops[at]!;
    const name = passName(op.label);
    const wanted = choice[name];
    const form = forms.find(
      (each) =>
        (wanted === undefined || each.name === wanted) &&
        each.match(ops, at, device) > 0 &&
        (wanted !== undefined || (each.suits?.(ops, at, device) ?? true)),
    );
    if (!form) throw noForm(op, wanted);
    const taken = form.match(ops, at, device);
    passes.push(...form.lower(ops.slice(at, at + taken), device));
    chosen[name] = form.name;
    at += taken;
  }
  return { passes, choice: chosen };
}

/** Loads the kernels that forms may need for ops: before {@link lower}, which cannot wait. */
export async function loadKernels(ops: readonly Op[], forms: readonly Form[], device: GPUDevice): Promise<void> {
  await Promise.all(forms.map((form) => form.load?.(ops, device)));
}

function noForm({ kind, label }: Op, wanted: string | undefined): DownhillError {
  return wanted === undefined
    ? new DownhillError('INTERNAL', `${label}: there is no form of ${kind}.`, 'Report this.')
    : new DownhillError(
        'PLAN-UNKNOWN',
        `${label}: the form ${wanted} does not fit here.`,
        'Leave the choice out, or take that of a plan for the same model, options and adapter.',
      );
}

/** A form of one op alone, whatever its shape. */
export const formOf = <O extends Op>(
  name: string,
  kind: O['kind'],
  lowerOne: (op: O, device: GPUDevice) => PassSpec[],
): Form => ({
  name,
  match: (ops, at) => (ops[at]!.kind === kind ? 1 : 0),
  lower: ([op], device) => lowerOne(op as O, device),
});
