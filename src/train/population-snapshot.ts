import { DataStream } from '../data/stream.js';
import { type BufferRange, readRanges } from '../gpu/buffers.js';
import { type Clock, clockBytes, readClocks } from '../kernels/advance.js';
import { passName } from '../kernels/lower.js';
import type { Group } from '../optim/group.js';
import type { Rule } from '../optim/rule.js';
import { liveSlots, type Updater } from '../optim/updater.js';
import { saveUpdater } from '../optim/updater-state.js';
import type { PlacedVector } from '../space/space.js';
import type { Json, NamedRange, Stateful } from '../space/stateful.js';
import { readTensors } from '../space/vectors.js';
import { counterTest, prefixOf, rawTensor, type Snapshot } from './checkpoint.js';
import type { SafeTensor } from './dtypes.js';
import type { PopulationPass } from './population-pass.js';
import type { Program } from './program.js';
import { floatTensor, integerTensor, savedShape, transposed } from './saved-tensor.js';

/*
 * What one member remembers, as the trainer of that member alone would have it: its rule's updates count from its own beginning.
 */

/** A vector of a member, and which of the vector's replicas it is. */
export interface MemberVector {
  readonly placed: PlacedVector;
  readonly replica: number;
  /** Of its tensors' names in a file. */
  readonly prefix: string;
  /** Of the network itself. */
  readonly network: boolean;
}

/** A member's part of a range that has one for each replica. */
export interface MemberRange {
  readonly part: Stateful;
  readonly name: string;
  readonly saved: string;
  readonly range: BufferRange;
}

export const dataOf = ({ bound }: Program): DataStream => bound.parts.find((part) => part instanceof DataStream)!;

/** Where a member's numbers are. @param slots of the rule's state, those that it uses; default all that there are */
export function memberVectors(pass: PopulationPass, replica: number, slots?: readonly string[]): MemberVector[] {
  const { program } = pass;
  const { updater, local } = pass.updaterOf(replica);
  const unused = updater.slots.filter(({ name }) => slots && !slots.includes(name));
  const others = [program.average, program.validation].filter((part) => part !== undefined);
  const of = (part: Stateful, at: number) =>
    (part.vectors?.() ?? [])
      .filter(({ vector }) => !unused.includes(vector))
      .map((placed) => ({ placed, replica: at, prefix: prefixOf(part, placed), network: false }));
  return [
    ...program.network.map((placed) => ({ placed, replica, prefix: '', network: true })),
    ...of(updater, local),
    ...others.flatMap((part) => of(part, replica)),
  ];
}

/** The same of what else it remembers. */
export function memberRanges(pass: PopulationPass, replica: number): MemberRange[] {
  const { program } = pass;
  const { updater, local } = pass.updaterOf(replica);
  const cut = (part: Stateful, at: number, replicas: number) =>
    part.ranges().map((each: NamedRange): MemberRange => {
      const size = each.size / replicas;
      const range = { buffer: each.buffer, offset: each.offset + at * size, size };
      return { part, name: each.name, saved: `${part.key}.${each.name}`, range };
    });
  const others = [...program.bound.parts, program.average, program.validation].filter((part) => part !== undefined);
  return [...cut(updater, local, updater.replicas), ...others.flatMap((part) => cut(part, replica, pass.replicas))];
}

/** Records of a member's groups alone, in the rings of all. */
export const recordsOf = (updater: Updater, local: number, alone: readonly Group[]): number[] =>
  alone.map(({ tensors }) => {
    const group = updater.groups.findIndex((each) => each.tensors.includes(tensors[0]!));
    return group * updater.replicas + local;
  });

/**
 * Takes a snapshot of a member in queue order.
 *
 * @param rule as it is now
 * @param alone its groups of tensors, as a trainer makes them
 */
export async function takeMember(
  pass: PopulationPass,
  replica: number,
  rule: Rule,
  alone: readonly Group[],
): Promise<Snapshot> {
  const { program } = pass;
  const { device, options, scheduler } = program;
  while (scheduler.awaited) await scheduler.awaited;
  const { updater, local } = pass.updaterOf(replica);
  const { scalars } = updater;
  const records = recordsOf(updater, local, alone);
  const born = scalars.born[local]!;
  const carryOf = scalars.carries();
  const own = {
    rules: records.map((record) => scalars.rules[record]!),
    carries: () => (record: number, count: number) => carryOf(records[record]!, count + born),
  };
  const saved = saveUpdater({ ...updater.options, groups: alone }, own);
  const vectors = memberVectors(pass, replica, liveSlots(rule.row, alone));
  const ranges = memberRanges(pass, replica);
  // All are recorded before the first is awaited: they show the same moment.
  const [copies, ...read] = await Promise.all([
    readRanges(
      device,
      options.label,
      ranges.map((each) => each.range),
    ),
    ...vectors.map(({ placed: { space, vector }, replica: at }) =>
      readTensors(device, options.label, space, [vector], at),
    ),
  ]);
  const tensors = new Map<string, SafeTensor>();
  const isCounter = counterTest(program);
  for (const [i, { placed, prefix }] of vectors.entries()) {
    const shapes = new Map(placed.space.tensors.map(({ name, shape }) => [name, shape]));
    for (const [name, values] of read[i]![0]!) {
      const shape = shapes.get(name)!;
      const tensor = isCounter(placed, name)
        ? integerTensor(shape, new Uint32Array(values.buffer))
        : floatTensor(savedShape(shape), transposed(values, shape));
      tensors.set(prefix + name, tensor);
    }
  }
  const clock = ranges.findIndex(({ part, name }) => part === updater && name === 'clock');
  const [now] = readClocks(copies[clock]!) as [Clock];
  copies[clock] = clockBytes([{ ...now, count: now.count - born, fault: 0 }]);
  for (const [i, each] of ranges.entries()) tensors.set(each.saved, rawTensor(copies[i]!));
  const copiesOf = (part: Stateful) =>
    new Map(ranges.flatMap((each, i) => (each.part === part ? [[each.name, copies[i]!] as const] : [])));
  const parts: Record<string, Json> = {
    [updater.key]: saved.host(copiesOf(updater)),
    [scheduler.key]: { step: now.step },
  };
  for (const part of [...program.bound.parts, program.average, program.validation]) {
    if (part) parts[part.key] = part.host(copiesOf(part));
  }
  const data = dataOf(program);
  parts[data.key] = { ...data.plan, seeds: [data.seeds[replica]!] };
  return { step: now.step, tensors, parts, plan: planOf(pass, updater) };
}

/** The forms of a member's step, by the names of a trainer's passes. */
function planOf({ program }: PopulationPass, updater: Updater): Readonly<Record<string, string>> {
  const { choice } = program;
  if (updater === program.updater) return choice;
  const own = `${passName(updater.options.label)}/`;
  const others = (program.updater as { readonly updaters?: readonly { readonly updater: Updater }[] })
    .updaters!.map((each) => `${passName(each.updater.options.label)}/`)
    .filter((prefix) => prefix !== own);
  return Object.fromEntries(
    Object.entries(choice)
      .filter(([name]) => name !== 'clocks' && !others.some((prefix) => name.startsWith(prefix)))
      .map(([name, form]) => [name.startsWith(own) ? name.slice(own.length) : name, form]),
  );
}
