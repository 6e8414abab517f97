import { type BufferRange, BufferSet, guarded, readRanges } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { inTurns } from '../gpu/turns.js';
import { type Clock, clockBytes, FAULT, readClocks } from '../kernels/advance.js';
import { drawTensors } from '../nn/init.js';
import type { Model } from '../nn/model.js';
import type { Group } from '../optim/group.js';
import { type Rule, startOf } from '../optim/rule.js';
import type { SharedUpdates } from '../optim/shared-updates.js';
import { liveSlots, Updater } from '../optim/updater.js';
import type { Space, Vector } from '../space/space.js';
import { fillTensor, writeTensor } from '../space/vectors.js';
import type { PopulationPass } from './population-pass.js';
import { dataOf, memberVectors } from './population-snapshot.js';

/*
 * A stopped member's place is filled: with weights that are drawn, or with a copy of another's weights and state, on the GPU. The
 * population's counters stay, so that all replicas go on with the same commands; only where the member's own updates begin is noted.
 */

/** Where a member is. */
export interface MemberPlace {
  readonly pass: PopulationPass;
  readonly replica: number;
}

export interface Filling {
  readonly model: Model;
  /** By the updater's groups, with the rules that the member is to have. */
  readonly rules: readonly Rule[];
  readonly batchSeed: number;
  /** Steps of the population. */
  readonly step: number;
  readonly seed?: number;
  readonly from?: MemberPlace;
}

/** The replicas of an updater as they are, halted or not, once nothing is under way. */
const clocksNow = async ({ buffers, clock }: Updater): Promise<Clock[]> =>
  readClocks((await readRanges(buffers.device, buffers.label, [clock]))[0]!);

const isHalted = ({ fault }: Clock) => (fault & FAULT.halted) !== 0;

/** The update that those which train are at, or whoever came furthest. */
export function countNow(clocks: readonly Clock[]): number {
  const going = clocks.filter((clock) => !isHalted(clock));
  return Math.max(...(going.length > 0 ? going : clocks).map(({ count }) => count));
}

/** The rules of a member by the groups of its updater. @throws DownhillError OPTION-RANGE for state that there is no memory for */
export function rulesFor(updater: Updater, rule: Rule, groups: readonly Group[]): Rule[] {
  const live = liveSlots(updater.options.row, updater.groups);
  return groups.map(({ rules: [own] }) => {
    const missing = rule.row.slots(own!.hyper).find((slot) => !live.includes(slot));
    if (missing === undefined) return own!;
    throw new DownhillError(
      'OPTION-RANGE',
      `This rule needs the state ${missing}, which no member of ${rule.row.name} had when the population was made.`,
      `Make the population with a member that has it.`,
    );
  });
}

/** Fills a place. Only while no step is under way. */
export async function refillPlace({ pass, replica }: MemberPlace, filling: Filling): Promise<void> {
  const { rules, step, batchSeed, from } = filling;
  const { updater, local } = pass.updaterOf(replica);
  const { scalars, options } = updater;
  const { device, validation } = pass.program;
  const clocks = await clocksNow(updater);
  const count = countNow(clocks);
  const source = from && (await stateOf(from, rules));
  if (from) await copyMember(from, { pass, replica });
  else await drawMember(pass, replica, filling);

  const age = source?.age ?? 0;
  const own: Clock = {
    step,
    count,
    fault: 0,
    skipped: 0,
    streak: 0,
    micro: step % options.micro,
    grad_norm: 0,
    fate: 0,
  };
  for (const { buffer, offset } of pass.clocksOf(replica)) device.queue.writeBuffer(buffer, offset, clockBytes([own]));
  const next = clocks.map((clock, i) => (i === local ? own : clock));
  const carries = scalars.rules.map((_, record) => {
    if (record % clocks.length !== local) return scalars.carry(record, clocks[record % clocks.length]!.count);
    return source?.carries[Math.floor(record / clocks.length)] ?? startOf(options.row);
  });
  const all = scalars.rules.map((rule, record) =>
    record % clocks.length === local ? rules[Math.floor(record / clocks.length)]! : rule,
  );
  const born = scalars.born.map((each, i) => (i === local ? count - age : each));
  scalars.restart(next, carries, all, born);
  for (const tell of updater.changed) tell();
  dataOf(pass.program).join(replica, step, batchSeed);
  validation?.restart(replica);
  pass.program.scheduler.goOn(step);
}

/**
 * Members that left out many updates get the count of those that train, and keep their own in what is noted of them: the ring of records
 * need not reach back to where they are. Only while no step is under way.
 *
 * @returns whether there were such
 */
export async function catchUp(pass: PopulationPass): Promise<boolean> {
  const { updater } = pass.program;
  const all = updater instanceof Updater ? [{ updater, first: 0 }] : (updater as SharedUpdates).updaters;
  let found = false;
  for (const { updater: own, first } of all) {
    const { scalars } = own;
    const clocks = await clocksNow(own);
    const count = countNow(clocks);
    const behind = (clock: Clock) => !isHalted(clock) && clock.count < count;
    if (!clocks.some(behind)) continue;
    found = true;
    const next = clocks.map((clock) => (behind(clock) ? { ...clock, count } : clock));
    for (const [local, clock] of next.entries()) {
      if (clock === clocks[local]) continue;
      for (const { buffer, offset } of pass.clocksOf(first + local))
        own.buffers.device.queue.writeBuffer(buffer, offset, clockBytes([clock]));
    }
    const carries = scalars.rules.map((_, record) => {
      const local = record % clocks.length;
      return scalars.carry(record, clocks[local]!.count);
    });
    const born = scalars.born.map((each, local) => each + next[local]!.count - clocks[local]!.count);
    scalars.restart(next, carries, scalars.rules, born);
  }
  return found;
}

/** How many updates a member has behind it, and what its rules carry, by group. */
async function stateOf({ pass, replica }: MemberPlace, rules: readonly Rule[]) {
  const { updater, local } = pass.updaterOf(replica);
  const clocks = await clocksNow(updater);
  const { count } = clocks[local]!;
  const carries = rules.map((_, group) => updater.scalars.carry(group * clocks.length + local, count));
  return { age: count - updater.scalars.born[local]!, carries };
}

/** One replica's share of a vector, span by span, padding included. */
const shares = ({ spans }: Space, { ranges }: Vector, replica: number): BufferRange[] =>
  ranges.map(({ buffer, offset }, span) => {
    const size = 4 * spans[span]!.elements;
    return { buffer, offset: offset + replica * size, size };
  });

/** Weights that are drawn, and state as it is at first. */
async function drawMember(pass: PopulationPass, replica: number, { model, rules, seed }: Filling): Promise<void> {
  const { device, network, options, space, params, statistics, average } = pass.program;
  const { updater, local } = pass.updaterOf(replica);
  const tensors = await inTurns(drawTensors(model, seed!));
  for (const [i, { name }] of options.objective.tensors.entries())
    writeTensor(device, space, params, name, tensors[i]!, replica);
  for (const { name, initial } of options.objective.statistics)
    fillTensor(device, statistics.space, statistics.vector, name, initial, replica);

  const encoder = device.createCommandEncoder({ label: `downhill:${options.label}/refill` });
  for (const { placed, replica: at } of memberVectors(pass, replica)) {
    if (network.some(({ vector }) => vector === placed.vector)) continue;
    for (const { buffer, offset, size } of shares(placed.space, placed.vector, at))
      if (size > 0) encoder.clearBuffer(buffer, offset, size);
  }
  // What starts as the parameters, of the updater and of what is evaluated beside them.
  const { evaluation } = updater.options.row;
  const slot = updater.slots.filter(({ name }) => name === evaluation?.slot);
  const copies = [
    ...[...updater.copies, ...slot].map((copy) => shares(updater.options.space, copy, local)),
    ...(average ? [shares(space, average.vector, replica)] : []),
  ];
  for (const [span, { buffer, offset, size }] of shares(space, params, replica).entries())
    for (const copy of copies) encoder.copyBufferToBuffer(buffer, offset, copy[span]!.buffer, copy[span]!.offset, size);
  device.queue.submit([encoder.finish()]);
  startState(updater, local, rules);
}

/** State that does not start at 0. */
function startState(
  { buffers: { device }, options, slots, groups, kept }: Updater,
  local: number,
  rules: readonly Rule[],
) {
  const { row, space } = options;
  for (const slot of slots) {
    for (const [g, { tensors }] of groups.entries()) {
      const value = row.initial?.(slot.name, rules[g]!.hyper) ?? 0;
      if (value !== 0) for (const tensor of tensors) fillTensor(device, space, slot, tensor, value, local);
    }
  }
  for (const { space: own, vector } of kept.factors) {
    for (const tensor of own.tensors as readonly { readonly name: string; readonly initial?: number }[])
      if (tensor.initial) fillTensor(device, own, vector, tensor.name, tensor.initial, local);
  }
  for (const { buffer, offset, initial } of kept.scalars)
    device.queue.writeBuffer(buffer, offset + 4 * initial.length * local, Float32Array.from(initial));
}

/** Everything of one member that another gets, by way of memory of its own: a buffer cannot be copied into itself. */
async function copyMember(from: MemberPlace, to: MemberPlace): Promise<void> {
  const { device, options } = to.pass.program;
  const [source, target] = [from, to].map(({ pass, replica }) => {
    const validated = new Set(pass.program.validation?.vectors().map(({ vector }) => vector));
    const { updater, local } = pass.updaterOf(replica);
    const scalars = updater.kept.scalars.map(({ name, buffer, offset, initial }) => {
      const size = 4 * initial.length;
      return [name, [{ buffer, offset: offset + size * local, size }]] as [string, BufferRange[]];
    });
    const vectors = memberVectors(pass, replica)
      .filter(({ placed }) => !validated.has(placed.vector))
      .map(({ placed, replica: at, prefix, network }) => {
        const name = network ? placed.vector.name : prefix;
        return [name, shares(placed.space, placed.vector, at)] as [string, BufferRange[]];
      });
    return new Map<string, BufferRange[]>([...vectors, ...scalars]);
  }) as [Map<string, BufferRange[]>, Map<string, BufferRange[]>];
  const scratch = new BufferSet(device, options.label);
  try {
    await guarded(device, options.label, () => {
      const encoder = device.createCommandEncoder({ label: `downhill:${options.label}/refill` });
      for (const [name, ranges] of target) {
        const others = source.get(name);
        for (const [i, { buffer, offset, size }] of ranges.entries()) {
          if (size === 0) continue;
          if (!others) {
            encoder.clearBuffer(buffer, offset, size); // state that the other's rule does without
            continue;
          }
          const between = scratch.storage('between', size);
          encoder.copyBufferToBuffer(others[i]!.buffer, others[i]!.offset, between, 0, size);
          encoder.copyBufferToBuffer(between, 0, buffer, offset, size);
        }
      }
      device.queue.submit([encoder.finish()]);
    });
  } finally {
    scratch.destroy(); // once what was submitted is done with it
  }
}
