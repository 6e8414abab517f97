import { readRanges } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { clockBytes, readClocks } from '../kernels/advance.js';
import { elementsOf, type TensorShape } from '../space/space.js';
import { readTensors, writeTensor } from '../space/vectors.js';
import type { OptimizerState } from './optimizer-types.js';
import type { Updater } from './updater.js';

/* An updater's state as plain data: tensor by tensor, by names, whatever the layout. One replica's. */

const COUNTERS = ['step', 'count', 'skipped', 'streak', 'micro'] as const;
const VERSION = 1;

const vectorsOf = ({ slots, accumulated }: Updater) => (accumulated ? [...slots, accumulated] : slots);

/** Tensors that have a state: what is frozen or empty never changes and is nobody's business. */
const tensorsWithState = ({ options: { space, groups } }: Updater): string[] => {
  const frozen = new Set(groups.filter((group) => group.frozen).flatMap(({ tensors }) => tensors));
  return space.tensors.map(({ name }) => name).filter((name) => !frozen.has(name) && space.partsOf(name).length > 0);
};

/** The state after everything submitted so far. */
export async function readState(updater: Updater, replica = 0): Promise<OptimizerState> {
  const { buffers, options, clock, scalars } = updater;
  const { device, label } = buffers;
  const names = tensorsWithState(updater);
  const vectors = vectorsOf(updater);
  const carryOf = scalars.carries();
  // Both are recorded before either is awaited: they show the same moment.
  const [[bytes], copies] = await Promise.all([
    readRanges(device, label, [clock]),
    readTensors(device, label, options.space, vectors, replica, names),
  ]);
  const { step, count, skipped, streak, micro } = readClocks(bytes!)[replica]!;
  const tensors = names.map((name): [string, Record<string, Float32Array>] => {
    const slots = vectors.map((vector, i) => {
      const values = copies[i]!.get(name)!;
      // Between updates the sum is spent, whatever stands there.
      return [vector.name, vector === updater.accumulated && micro === 0 ? values.fill(0) : values];
    });
    return [name, Object.fromEntries(slots)];
  });
  const carries = updater.groups.flatMap(({ frozen, tensors: own }, group) =>
    frozen || !options.row.carry
      ? []
      : [{ tensors: [...own], value: carryOf(group * options.space.replicas + replica, count) }],
  );
  const counters = { step, count, skipped, streak, micro };
  // Names are the caller's: '__proto__' becomes a property like any other.
  return { version: VERSION, rule: options.row.name, ...counters, tensors: Object.fromEntries(tensors), carries };
}

/**
 * Goes on from a state, one per replica.
 *
 * @throws DownhillError STATE-MISMATCH, before anything changes.
 */
export function loadStates(updater: Updater, states: readonly OptimizerState[]): void {
  const { buffers, options, clock } = updater;
  const { device } = buffers;
  const names = tensorsWithState(updater);
  const carries = states.map((state) => {
    checkState(updater, names, state);
    return carriesOf(updater, state);
  });
  for (const [replica, state] of states.entries()) {
    for (const name of names) {
      for (const vector of vectorsOf(updater))
        writeTensor(device, options.space, vector, name, state.tensors[name]![vector.name]!, replica);
    }
  }
  const clocks = clockBytes(
    states.map(({ step, count, skipped, streak, micro }) => ({ step, count, skipped, streak, micro })),
  );
  device.queue.writeBuffer(clock.buffer, clock.offset, clocks);
  updater.scalars.restart(
    readClocks(clocks),
    updater.groups.flatMap((_, group) => carries.map((own) => own[group]!)),
  );
}

const refuse = (message: string, fix: string): never => {
  throw new DownhillError('STATE-MISMATCH', message, fix);
};

/** Refuses a state that is not of this rule, these tensors and these options. @throws DownhillError STATE-MISMATCH. */
function checkState(updater: Updater, names: readonly string[], state: OptimizerState): void {
  const { row, micro, space } = updater.options;
  if (typeof state !== 'object' || state === null || typeof state.tensors !== 'object' || state.tensors === null) {
    refuse(`load needs the state of an optimizer, got ${show(state)}.`, 'Pass what `state` returned.');
  }
  if (state.rule !== row.name)
    refuse(
      `The state is of the rule ${show(state.rule)}, this optimizer runs ${row.name}.`,
      `Load a state of ${row.name}.`,
    );
  if (state.version !== VERSION) {
    refuse(
      `The state has the version ${show(state.version)}; this release reads version ${VERSION}.`,
      'Load it with the release that saved it, or start the state anew.',
    );
  }
  for (const field of COUNTERS) {
    if (!Number.isInteger(state[field]) || state[field] < 0 || state[field] > 2 ** 32 - 1) {
      refuse(`The state's ${field} is ${show(state[field])}.`, 'Pass what `state` returned.');
    }
  }
  if (state.micro >= micro) {
    refuse(
      `The state is ${state.micro} micro-steps into an update, this optimizer makes one of ${micro}.`,
      'Load it where accumulate.steps is the same.',
    );
  }
  const slots = vectorsOf(updater).map(({ name }) => name);
  checkTensors(slots, space.tensors, names, state);
}

function checkTensors(
  slots: readonly string[],
  tensors: readonly TensorShape[],
  names: readonly string[],
  state: OptimizerState,
): void {
  const same = 'Load a state of the same tensors and options.';
  for (const [name, own] of Object.entries(state.tensors)) {
    if (!names.includes(name)) refuse(`The state has a tensor ${show(name)}, which has none in this optimizer.`, same);
    const extra = Object.keys(own ?? {}).find((slot) => !slots.includes(slot));
    if (extra !== undefined)
      refuse(`The state of ${show(name)} has ${show(extra)}, which this optimizer does not use.`, same);
  }
  const sizes = new Map(tensors.map((tensor) => [tensor.name, elementsOf(tensor)]));
  for (const name of names) {
    const own = Object.hasOwn(state.tensors, name) ? state.tensors[name] : undefined;
    for (const slot of slots) {
      const values = own?.[slot];
      if (values instanceof Float32Array && values.length === sizes.get(name)) continue;
      refuse(
        `The state of ${show(name)}, ${slot}, is ${values?.length ?? 'no'} float32; ${sizes.get(name)} are needed.`,
        same,
      );
    }
  }
}

/** What the state says each group carries; 1 where a group carries nothing. */
function carriesOf({ groups, options }: Updater, state: OptimizerState): number[] {
  if (!options.row.carry) return groups.map(() => 1);
  const list = Array.isArray(state.carries) ? state.carries : [];
  return groups.map(({ tensors, frozen }) => {
    if (frozen) return 1;
    const values = new Set(tensors.map((name) => list.find((each) => each?.tensors?.includes(name))?.value));
    const [value] = values;
    if (values.size === 1 && typeof value === 'number' && Number.isFinite(value)) return value;
    return refuse(
      `What the state carries for ${tensors.map(show).join(', ')} is ${[...values].map(show).join(', ')}; one number is needed.`,
      'Load a state of the same tensors, in the same groups.',
    );
  });
}
