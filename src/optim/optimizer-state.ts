import { readRanges } from '../gpu/buffers.js';
import { DownhillError, jsonOf, show } from '../gpu/errors.js';
import { clockBytes, readClocks } from '../kernels/advance.js';
import { elementsOf } from '../space/space.js';
import { readTensors, writeTensor } from '../space/vectors.js';
import type { OptimizerState } from './optimizer-types.js';
import { startOf } from './rule.js';
import type { Updater } from './updater.js';

/* An updater's state as plain data: tensor by tensor, by names, whatever the layout. One replica's. */

const COUNTERS = ['step', 'count', 'skipped', 'streak', 'micro'] as const;
const VERSION = 1;

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
  const placed = updater.vectors();
  const { scalars: numbers } = updater.kept;
  const carryOf = scalars.carries();
  // All are recorded before any is awaited: they show the same moment.
  const [[bytes, ...numbersNow], packed, ...copies] = await Promise.all([
    readRanges(device, label, [clock, ...numbers]),
    updater.packed?.read(replica),
    ...placed.map(async ({ space, vector }) => (await readTensors(device, label, space, [vector], replica, names))[0]!),
  ]);
  const { step, count, skipped, streak, micro } = readClocks(bytes!)[replica]!;
  const tensors = names.map((name): [string, Record<string, Float32Array>] => {
    const slots = placed.flatMap(({ vector }, i) => {
      const values = copies[i]!.get(name)?.subarray(0, options.rows?.elementsOf(name)).slice();
      if (!values) return [];
      // Between updates the sum is spent, whatever stands there.
      return [[vector.name, vector === updater.accumulated && micro === 0 ? values.fill(0) : values]];
    });
    return [name, Object.fromEntries(slots)];
  });
  const carries = updater.groups.flatMap(({ frozen, tensors: own }, group) =>
    frozen || !options.row.carry
      ? []
      : [{ tensors: [...own], value: oneOrAll(carryOf(group * options.space.replicas + replica, count)) }],
  );
  const counters = { step, count, skipped, streak, micro };
  // Names are the caller's: '__proto__' becomes a property like any other.
  const own = numbers.map(({ name, initial }, i) => {
    const values = new Float32Array(numbersNow[i]!);
    return [name, values.slice(replica * initial.length, (replica + 1) * initial.length)] as const;
  });
  return {
    ...{ version: VERSION, rule: options.row.name, ...counters, tensors: Object.fromEntries(tensors), carries },
    ...(own.length > 0 && { scalars: Object.fromEntries(own) }),
    ...(packed && { packed }),
  };
}

/**
 * Goes on from a state, one per replica.
 *
 * @throws DownhillError STATE-MISMATCH, before anything changes.
 */
export function loadStates(updater: Updater, states: readonly OptimizerState[]): void {
  const { buffers, clock } = updater;
  const { device } = buffers;
  const names = tensorsWithState(updater);
  const carries = states.map((state) => {
    checkState(updater, names, state);
    return carriesOf(updater, state);
  });
  for (const [replica, state] of states.entries()) {
    for (const { space, vector } of updater.vectors()) {
      for (const name of names) {
        const values = state.tensors[name]![vector.name];
        if (values) writeTensor(device, space, vector, name, values, replica);
      }
    }
    for (const { name, buffer, offset, initial } of updater.kept.scalars)
      device.queue.writeBuffer(buffer, offset + 4 * replica * initial.length, state.scalars![name]!.slice());
    if (updater.packed) updater.packed.load(state.packed!, replica);
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
  const { row, micro } = updater.options;
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
  updater.packed?.check(state.packed);
  checkTensors(updater, names, state);
  checkScalars(updater.kept.scalars, state);
}

/** What passes keep as a few numbers: by name, so many. */
function checkScalars(scalars: Updater['kept']['scalars'], state: OptimizerState): void {
  for (const { name, initial } of scalars) {
    const values = state.scalars?.[name];
    if (values instanceof Float32Array && values.length === initial.length && !values.some(Number.isNaN)) continue;
    refuse(
      `The state's ${name} is ${values?.length ?? 'no'} float32; ${initial.length} that are numbers are needed.`,
      'Load a state of the same rule and options.',
    );
  }
}

function checkTensors(updater: Updater, names: readonly string[], state: OptimizerState): void {
  const placed = updater.vectors();
  const slots = placed.map(({ vector }) => vector.name);
  const same = 'Load a state of the same tensors and options.';
  for (const [name, own] of Object.entries(state.tensors)) {
    if (!names.includes(name)) refuse(`The state has a tensor ${show(name)}, which has none in this optimizer.`, same);
    const extra = Object.keys(own ?? {}).find((slot) => !slots.includes(slot));
    if (extra !== undefined)
      refuse(`The state of ${show(name)} has ${show(extra)}, which this optimizer does not use.`, same);
  }
  for (const name of names) {
    const own = Object.hasOwn(state.tensors, name) ? state.tensors[name] : undefined;
    for (const { space, vector } of placed) {
      if (space.partsOf(name).length === 0) continue;
      const rows = updater.options.rows?.elementsOf(name);
      const needed = rows ?? elementsOf(space.tensors.find((tensor) => tensor.name === name)!);
      const values = own?.[vector.name];
      if (values instanceof Float32Array && values.length === needed) {
        // An infinite sum of squares is that of a weight that stands still; what is NaN would come into every weight. A sum of
        // gradients may be left out by its step.
        const bad = vector === updater.accumulated ? -1 : values.findIndex(Number.isNaN);
        if (bad < 0) continue;
        refuse(`The state of ${show(name)}, ${vector.name}, is NaN in element ${bad}.`, 'Load an earlier state.');
      }
      refuse(
        `The state of ${show(name)}, ${vector.name}, is ${values?.length ?? 'no'} float32; ${needed} are needed.`,
        same,
      );
    }
  }
}

/** A rule that carries one number has it as that. */
const oneOrAll = (values: readonly number[]) => (values.length === 1 ? values[0]! : values);

/** What the state says each group carries; nothing where its rule carries nothing. */
function carriesOf({ groups, options }: Updater, state: OptimizerState): (readonly number[])[] {
  const start = startOf(options.row);
  if (start.length === 0) return groups.map(() => start);
  const list = Array.isArray(state.carries) ? state.carries : [];
  return groups.map(({ tensors, frozen }) => {
    if (frozen) return start;
    const all = tensors.map((name): unknown => [list.find((each) => each?.tensors?.includes(name))?.value].flat());
    const [values] = all as (readonly number[])[];
    const alike = new Set(all.map(jsonOf)).size === 1;
    if (alike && Array.isArray(values) && values.length === start.length && values.every(Number.isFinite))
      return values;
    return refuse(
      `What the state carries for ${tensors.map(show).join(', ')} is ${all.map(show).join(', ')}; ${start.length} number(s) are needed, the same for all.`,
      'Load a state of the same tensors, in the same groups.',
    );
  });
}
