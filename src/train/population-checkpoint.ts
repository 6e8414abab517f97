import { DownhillError, show } from '../gpu/errors.js';
import { type Clock, clockBytes, FAULT, readClocks } from '../kernels/advance.js';
import { readControls } from '../kernels/judge.js';
import type { Rule } from '../optim/rule.js';
import { loadGroups, saveGroups, sourcesOf } from '../optim/rules-state.js';
import type { Source } from '../optim/schedules/core.js';
import { liveSlots, type Updater } from '../optim/updater.js';
import { loadUpdater } from '../optim/updater-state.js';
import type { Copies, Json } from '../space/stateful.js';
import { readTensors, writeTensor } from '../space/vectors.js';
import { counterTest, type Snapshot } from './checkpoint.js';
import { deviceValues, mismatch } from './checkpoint-file.js';
import { type SafeTensor, toFloats } from './dtypes.js';
import type { PlacedWeights } from './evaluate.js';
import { encodeSnapshot, openCheckpoint } from './persist.js';
import type { CheckedPopulation } from './population-options.js';
import { countNow, type MemberPlace } from './population-refill.js';
import { dataOf, memberRanges, memberVectors, recordsOf, takeMember } from './population-snapshot.js';
import type { MemberReport, MemberStop } from './population-types.js';
import { floatTensor, savedShape, transposed } from './saved-tensor.js';

/*
 * A population into a file and back: of each member what a trainer of it would save, its tensors' names behind 'members.<index>.'.
 */

/** What a member's place was filled with. */
export type Seat = { -readonly [K in 'rule' | 'seed' | 'batchSeed' | 'born' | 'from']: MemberReport[K] } & {
  /** Why it was stopped, but by its validations, and at which step. */
  halted: { readonly reason: Exclude<MemberStop, 'early-stopping'>; readonly step: number } | undefined;
};

export type SeatedMember = Seat & MemberPlace;

/** A member in the file's metadata. */
interface SavedMember {
  readonly seed: number;
  readonly batchSeed: number;
  readonly born: number;
  readonly from: number | null;
  readonly halted: Seat['halted'] | null;
  /** Its rule, before groups of tensors change it. */
  readonly rule: Json;
  readonly parts: Readonly<Record<string, Json>>;
}

const VERSION = 1;
const ALL = { tensors: [], frozen: false };

/** What a trainer of the member would have saved; or of other weights the network alone. */
export async function encodeMember(
  checked: CheckedPopulation,
  { pass, replica, rule }: SeatedMember,
  weights?: PlacedWeights,
): Promise<Uint8Array<ArrayBuffer>> {
  const snapshot = weights
    ? await networkOf(weights, pass.program.options.label, pass.program.device, replica)
    : await takeMember(pass, replica, rule, checked.groupsAlone(rule));
  return encodeSnapshot(snapshot, checked, !weights);
}

async function networkOf(
  { space, params, statistics }: PlacedWeights,
  label: string,
  device: GPUDevice,
  replica: number,
): Promise<Snapshot> {
  const placed = [{ space, vector: params }, statistics];
  const read = await Promise.all(placed.map((each) => readTensors(device, label, each.space, [each.vector], replica)));
  const tensors = placed.flatMap((each, i) =>
    each.space.tensors.map(({ name, shape }): [string, SafeTensor] => [
      name,
      floatTensor(savedShape(shape), transposed(read[i]![0]!.get(name)!, shape)),
    ]),
  );
  return { step: 0, tensors: new Map(tensors), parts: {}, plan: {} };
}

export async function encodePopulation(
  checked: CheckedPopulation,
  step: number,
  seats: readonly SeatedMember[],
): Promise<Uint8Array<ArrayBuffer>> {
  // All begin before the first is awaited: they show the same moment.
  const saved = seats.map(({ seed, batchSeed, born, from, halted }) => ({ seed, batchSeed, born, from, halted }));
  const snapshots = await Promise.all(
    seats.map(({ pass, replica, rule }) => takeMember(pass, replica, rule, checked.groupsAlone(rule))),
  );
  const tensors = new Map<string, SafeTensor>();
  for (const [i, snapshot] of snapshots.entries())
    for (const [name, tensor] of snapshot.tensors) tensors.set(`members.${i}.${name}`, tensor);
  const members = saved.map(
    ({ from, halted, ...rest }, i): SavedMember => ({
      ...{ ...rest, from: from ?? null, halted: halted ?? null },
      rule: saveGroups([{ ...ALL, rules: [seats[i]!.rule] }], [seats[i]!.rule], [countIn(snapshots[i]!)]),
      parts: snapshots[i]!.parts,
    }),
  );
  const parts = { population: { version: VERSION, members } as unknown as Json };
  return encodeSnapshot({ step, tensors, parts, plan: {} }, checked, true);
}

const countIn = ({ tensors }: Snapshot) =>
  readClocks(tensors.get('optimizer.clock')!.bytes.slice().buffer as ArrayBuffer)[0]!.count;

/** Goes on from a file, in queue order. Everything is checked before anything changes. */
export function restorePopulation(
  checked: CheckedPopulation,
  seats: readonly SeatedMember[],
  bytes: Uint8Array,
): { readonly step: number; readonly seats: readonly Seat[] } {
  const { step, tensors, saved } = openCheckpoint(bytes, checked);
  const population = saved.parts.population as unknown as { version?: unknown; members?: unknown } | undefined;
  if (!population)
    throw mismatch(
      'The file is of one training, not of a population.',
      'Restore it with a trainer: trainer.restore(bytes).',
    );
  if (population.version !== VERSION) {
    throw new DownhillError(
      'CHECKPOINT-VERSION',
      `The population in the file has the version ${show(population.version)}; this release reads ${VERSION}.`,
      'Go on with the release that wrote it.',
    );
  }
  const members = population.members as readonly SavedMember[];
  if (!Array.isArray(members) || members.length !== seats.length) {
    throw mismatch(
      `The file has ${Array.isArray(members) ? members.length : show(members)} members, this population ${seats.length}.`,
      'Make the population with as many members, of the same rules in the same order.',
    );
  }
  const loads = members.map(
    (member, i) => new MemberLoad(checked, seats[i]!, member, named(tensors, `members.${i}.`), i),
  );
  const updaters = new Map<Updater, MemberLoad[]>();
  for (const load of loads) updaters.set(load.updater, [...(updaters.get(load.updater) ?? []), load]);
  const merged = [...updaters].map(([updater, own]) => mergedUpdater(updater, own));
  for (const load of loads) load.check();

  for (const load of loads) load.write();
  for (const each of merged) each.restart(step);
  for (const load of loads) load.join(step);
  for (const pass of new Set(seats.map((seat) => seat.pass))) pass.program.scheduler.goOn(step);
  return { step, seats: loads.map((load) => load.seat) };
}

const named = (tensors: ReadonlyMap<string, SafeTensor>, prefix: string) =>
  new Map([...tensors].flatMap(([name, each]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), each]] : [])));

/** One member's part of a file, and where it goes. */
class MemberLoad {
  readonly updater: Updater;
  readonly local: number;
  readonly clock: Clock;
  readonly #values: readonly { readonly write: () => void }[];

  constructor(
    readonly checked: CheckedPopulation,
    readonly now: SeatedMember,
    readonly saved: SavedMember,
    readonly tensors: ReadonlyMap<string, SafeTensor>,
    readonly member: number,
  ) {
    const { pass, replica, rule } = now;
    const { updater, local } = pass.updaterOf(replica);
    [this.updater, this.local] = [updater, local];
    const bytes = this.#bytes('optimizer.clock');
    const [clock] = readClocks(bytes);
    if (!clock || typeof saved.parts !== 'object' || saved.parts === null)
      throw mismatch(`The file has no state of member ${member}.`, 'Use a file that downhill wrote.');
    this.clock = clock;
    updater.checkKind(this.saved.parts.optimizer!);
    const { device } = pass.program;
    const isCounter = counterTest(pass.program);
    const live = liveSlots(rule.row, checked.groupsAlone(rule));
    this.#values = memberVectors(pass, replica).flatMap(({ placed: { space, vector }, replica: at, prefix, network }) =>
      space.tensors
        .filter(({ name }) => space.partsOf(name).length > 0)
        .map(({ name, shape }) => {
          const key = prefix + name;
          const counter = isCounter({ space, vector }, name);
          const unused = updater.slots.includes(vector) && !live.includes(vector.name) && !tensors.has(key);
          const values = unused
            ? new Float32Array(shape.reduce((product, size) => product * size, 1))
            : network || counter
              ? deviceValues(tensors, key, shape, counter ? 'u32' : 'f32')
              : transposed(this.#floats(key, savedShape(shape)), savedShape(shape));
          return { write: () => writeTensor(device, space, vector, name, values, at) };
        }),
    );
  }

  /** The file's groups are those of a trainer of the member alone. */
  get alone() {
    return this.checked.groupsAlone(this.now.rule);
  }

  /** What the rule's owner has in the file. */
  get optimizer() {
    return this.saved.parts.optimizer as unknown as {
      readonly groups: readonly { readonly tensors: readonly string[]; readonly rules: readonly Json[] }[];
      readonly carries: readonly Json[];
      readonly sources: readonly Json[];
    };
  }

  get seat(): Seat {
    const { seed, batchSeed, born, from, halted } = this.saved;
    const own = this.now.rule;
    const [rule = own] = loadGroups([{ ...ALL, rules: [own] }], [own], [this.clock.count], this.saved.rule);
    return { rule, seed, batchSeed, born, from: from ?? undefined, halted: halted ?? undefined };
  }

  /** Whether it was stopped, by whatever. */
  get halted(): boolean {
    const control = this.tensors.get('validation.control');
    const stopped = control && readControls(control.bytes.slice().buffer as ArrayBuffer)[0]!.stop !== 0;
    return stopped === true || (this.saved.halted ?? undefined) !== undefined;
  }

  #bytes(name: string): ArrayBuffer {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor.bytes.slice().buffer as ArrayBuffer;
    throw mismatch(
      `The file has no ${show(name)} of member ${this.member}.`,
      'Make the population with the same options.',
    );
  }

  #floats(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.tensors.get(name);
    if (tensor?.shape.join() === shape.join()) return toFloats(name, tensor);
    throw mismatch(
      `The file has no ${show(name)} of the shape [${shape.join(', ')}] of member ${this.member}.`,
      'Make the population with the same rules and options.',
    );
  }

  /** What is not tensors: ranges, and what parts say of themselves. */
  check(): void {
    const { pass, replica } = this.now;
    for (const { part, saved, range } of memberRanges(pass, replica)) {
      const bytes = this.#bytes(saved);
      if (bytes.byteLength !== range.size)
        throw mismatch(
          `${show(saved)} takes ${bytes.byteLength} bytes in the file, ${range.size} here.`,
          'Use the same options.',
        );
      if (part === this.updater || part === dataOf(pass.program)) continue;
      part.check?.(this.saved.parts[part.key]!, new Map());
    }
    const { plan } = dataOf(pass.program);
    const theirs = this.saved.parts.data as unknown as typeof plan;
    for (const key of Object.keys(plan) as (keyof typeof plan)[]) {
      if (theirs?.[key] !== plan[key])
        throw mismatch(
          `The file has batches with ${key} ${show(theirs?.[key])}, this population ${plan[key]}.`,
          'Make it with the same data, batch size and sampling.',
        );
    }
  }

  write(): void {
    const { pass, replica } = this.now;
    for (const each of this.#values) each.write();
    for (const { saved, range } of memberRanges(pass, replica))
      pass.program.device.queue.writeBuffer(range.buffer, range.offset, this.#bytes(saved));
  }

  /** Where its data is, and what its validations came to. */
  join(step: number): void {
    const { pass, replica } = this.now;
    dataOf(pass.program).join(replica, this.halted ? this.clock.step : step, this.saved.batchSeed);
    const control = this.tensors.get('validation.control');
    if (control) pass.program.validation?.resume(replica, this.#bytes('validation.control'));
  }
}

/** What an updater has of all its members. */
function mergedUpdater(updater: Updater, loads: readonly MemberLoad[]) {
  const { groups, scalars, options } = updater;
  const own = [...loads].sort((a, b) => a.local - b.local);
  const records = own.map((load) => {
    const alone = load.alone;
    return { load, records: recordsOf(updater, load.local, alone), alone };
  });
  const groupOf = ({ load, alone }: (typeof records)[number], tensor: string) => {
    const at = alone.findIndex((each) => each.tensors.includes(tensor));
    return { at, group: load.optimizer.groups?.[at] };
  };
  const states = new Map<Source, Json>();
  for (const { load, records: list } of records) {
    const rules = list.map((record) => scalars.rules[record]!);
    for (const [i, source] of sourcesOf(rules).entries()) states.set(source, load.optimizer.sources?.[i] ?? null);
  }
  const host = {
    ...(own[0]!.saved.parts.optimizer as object),
    groups: groups.map(({ tensors, frozen }) => ({
      ...{ tensors: [...tensors], frozen },
      rules: records.map((each) => groupOf(each, tensors[0]!).group?.rules?.[0] ?? null),
    })),
    carries: groups.flatMap(({ tensors }) =>
      records.map((each) => each.load.optimizer.carries?.[groupOf(each, tensors[0]!).at] ?? null),
    ),
    sources: sourcesOf(scalars.rules).map((source) => states.get(source) ?? null),
  } as unknown as Json;
  const copies: Copies = new Map([['clock', clockBytes(own.map(({ clock }) => clock))]]);
  loadUpdater(options, scalars, host, copies, true);
  return {
    restart(step: number): void {
      const { clocks, carries, rules } = loadUpdater(options, scalars, host, copies);
      // Whatever their own counts, all that train are at one of the population's.
      const halted = own.map((load) => load.halted);
      const counts = countNow(clocks.map((clock, i) => ({ ...clock, fault: halted[i] ? FAULT.halted : 0 })));
      const next = clocks.map((clock, i) => ({
        ...clock,
        ...(halted[i] ? { fault: FAULT.halted } : { step, count: counts, fault: 0 }),
      }));
      const born = next.map(({ count }, i) => count - clocks[i]!.count);
      for (const [i, { now }] of own.entries()) {
        for (const { buffer, offset } of now.pass.clocksOf(now.replica))
          now.pass.program.device.queue.writeBuffer(buffer, offset, clockBytes([next[i]!]));
      }
      scalars.restart(next, carries, rules as Rule[], born);
      for (const tell of updater.changed) tell();
    },
  };
}
