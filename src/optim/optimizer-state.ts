import { DownhillError, show } from '../gpu/errors.js';
import type { OptimizerState } from './optimizer-types.js';
import { allSlots, type Rule } from './rule.js';

/* What may become of an optimizer's state: which options may change beside it, and which state may be loaded. */

/** What only says how the state starts cannot change once it has. */
export function checkStart(from: Rule, to: Rule): void {
  const slot = allSlots(to.row.shader).find(
    (each) => to.row.initial?.(each, to.hyper) !== from.row.initial?.(each, from.hyper),
  );
  if (slot === undefined) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `These options say what the state ${slot} starts with, but it has started.`,
    'Make a new optimizer with them.',
  );
}

/** Refuses a state that is not of this rule, these tensors and these options. @throws DownhillError STATE-MISMATCH. */
export function checkState(
  rule: string,
  microSteps: number,
  state: OptimizerState,
  places: readonly { tensor: string; slot: string; elements: number }[],
): void {
  const refuse = (message: string, fix: string) => {
    throw new DownhillError('STATE-MISMATCH', message, fix);
  };
  if (typeof state !== 'object' || state === null || typeof state.tensors !== 'object' || state.tensors === null) {
    refuse(`load needs the state of an optimizer, got ${show(state)}.`, 'Pass what `state` returned.');
  }
  if (state.rule !== rule)
    refuse(`The state is of the rule ${show(state.rule)}, this optimizer runs ${rule}.`, `Load a state of ${rule}.`);
  for (const field of ['step', 'count', 'skipped', 'streak', 'micro'] as const) {
    if (!Number.isInteger(state[field]) || state[field] < 0 || state[field] > 2 ** 32 - 1) {
      refuse(`The state's ${field} is ${show(state[field])}.`, 'Pass what `state` returned.');
    }
  }
  if (state.micro >= microSteps) {
    refuse(
      `The state is ${state.micro} micro-steps into an update, this optimizer makes one of ${microSteps}.`,
      'Load it where accumulate.steps is the same.',
    );
  }
  const known = new Map(places.map(({ tensor }) => [tensor, [] as string[]]));
  for (const { tensor, slot } of places) known.get(tensor)!.push(slot);
  const same = 'Load a state of the same tensors and options.';
  for (const [name, own] of Object.entries(state.tensors)) {
    if (!known.has(name)) refuse(`The state has a tensor ${show(name)}, which has none in this optimizer.`, same);
    const extra = Object.keys(own ?? {}).find((slot) => !known.get(name)!.includes(slot));
    if (extra !== undefined)
      refuse(`The state of ${show(name)} has ${show(extra)}, which this optimizer does not use.`, same);
  }
  for (const { tensor, slot, elements } of places) {
    const own = Object.hasOwn(state.tensors, tensor) ? state.tensors[tensor] : undefined;
    const values = own?.[slot];
    if (!(values instanceof Float32Array) || values.length !== elements) {
      refuse(
        `The state of ${show(tensor)}, ${slot}, is ${values?.length ?? 'no'} float32; ${elements} are needed.`,
        same,
      );
    }
  }
}
