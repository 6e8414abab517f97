import { DownhillError } from '../gpu/errors.js';
import type { PassSpec } from '../gpu/passes.js';
import type { Form, Op, Plan } from './op.js';

/** A pass's label without the name of the plan in front: what a choice is kept by, whatever the plan is called. */
export const passName = (label: string) => label.slice(label.indexOf('/') + 1);

/**
 * Turns ops into passes. Of the forms that fit and suit, the first wins: what takes several ops at once, and what is faster
 * on this device, stands first in the list. A form of several ops is not taken over one whose form the choice names.
 *
 * @param choice forms by pass name, where another one is wanted: a plan that was fixed before, or one that is compared
 * @throws DownhillError PLAN-UNKNOWN where the choice names a form or a pass that is not there, or does not fit.
 */
export function lower(
  ops: readonly Op[],
  forms: readonly Form[],
  device: GPUDevice,
  choice: Readonly<Record<string, string>> = {},
): Plan {
  const passes: PassSpec[] = [];
  const chosen: Record<string, string> = {};
  const lacking: Record<string, string[]> = {};
  for (let at = 0; at < ops.length; ) {
    const op = ops[at]!;
    const name = passName(op.label);
    const wanted = choice[name];
    const lacks = (each: Form) => {
      const missing = each.needs?.(ops, at, device);
      if (missing === undefined) return false;
      const what = `${each.name} needs ${missing}`;
      lacking[what] = [...(lacking[what] ?? []), name];
      return true;
    };
    const free = (each: Form, taken: number) =>
      (each.suits?.(ops, at, device) ?? true) &&
      !ops.slice(at + 1, at + taken).some(({ label }) => Object.hasOwn(choice, passName(label)));
    let taken = 0;
    const form = forms.find((each) => {
      if (wanted !== undefined && each.name !== wanted) return false;
      taken = each.match(ops, at, device);
      if (taken > 1 && ops.slice(at, at + taken).some(({ alone }) => alone)) return false;
      return taken > 0 && (wanted !== undefined || free(each, taken)) && !lacks(each);
    });
    if (!form) throw noForm(op, wanted, Object.keys(lacking).at(-1));
    passes.push(...form.lower(ops.slice(at, at + taken), device));
    chosen[name] = form.name;
    at += taken;
  }
  const stray = Object.keys(choice).find((name) => !Object.hasOwn(chosen, name));
  if (stray !== undefined) throw unknown(`There is no pass ${stray} to choose the form ${choice[stray]} for.`);
  const notes = Object.entries(lacking).map(
    ([what, names]) => `${what}, which this device has not: ${names.join(', ')}`,
  );
  return { passes, choice: chosen, notes };
}

/** Loads the kernels that forms may need for ops: before {@link lower}, which cannot wait. */
export async function loadKernels(ops: readonly Op[], forms: readonly Form[], device: GPUDevice): Promise<void> {
  await Promise.all(forms.map((form) => form.load?.(ops, device)));
}

function noForm({ kind, label }: Op, wanted: string | undefined, missing = ''): DownhillError {
  if (wanted === undefined)
    return new DownhillError('INTERNAL', `${label}: there is no form of ${kind}.`, 'Report this.');
  return unknown(
    `${label}: the form ${wanted} does not fit here${missing.startsWith(`${wanted} `) ? `: ${missing}` : ''}.`,
  );
}

const unknown = (what: string) =>
  new DownhillError(
    'PLAN-UNKNOWN',
    what,
    'Leave the choice out, or take that of a plan for the same model, options and adapter.',
  );

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
