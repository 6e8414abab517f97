import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { DownhillError } from '../gpu/errors.js';
import { ADVANCE_FORMS, accumulate, advance, CLOCK_BYTES, norm, readClocks } from '../kernels/advance.js';
import type { Form, Op } from '../kernels/op.js';
import { HYPER_BYTES, update, updateForms } from '../kernels/update.js';
import { groupTable } from '../space/arena.js';
import type { PlacedVector, Space, Vector } from '../space/space.js';
import type { Copies, Json, NamedRange, Stateful } from '../space/stateful.js';
import { fillTensor } from '../space/vectors.js';
import type { AdoptedTensor } from './adopt.js';
import type { GradientSettings } from './gradient.js';
import type { Group } from './group.js';
import { nextRules } from './groups.js';
import type { Minimizer, MinimizerMemory } from './minimizer.js';
import type { PackedWords } from './optimizer-types.js';
import type { PassState, passesOf } from './passes.js';
import { allSlots, type Rule, type RuleRow, slotFlags } from './rule.js';
import { ScalarRing } from './scalars.js';
import { groupIndex, planSegments } from './segments.js';
import { type BoundSource, bind, type Source, spanName } from './source.js';
import { checkKind, loadUpdater, saveUpdater } from './updater-state.js';
import type { BoundWrapper, WrapperOps } from './wrappers/wrapper.js';

export type { GradientSettings } from './gradient.js';
export { type BoundSource, bind, type Source, spanName } from './source.js';

export interface UpdaterOptions extends GradientSettings {
  /** Of the plan: what stands before the '/' of every pass. */
  readonly label: string;
  readonly row: RuleRow;
  readonly space: Space;
  readonly param: Vector;
  /** In a padded space f32, and not cleared. */
  readonly grad: Vector;
  readonly groups: readonly Group[];
  /** {@link arenaUpdate} in a padded space, else `rangeUpdate`: given, so that a page has only what it uses. */
  readonly apply: SpanUpdate;
  /** For a rule of several passes: passes.ts, loaded where there is one. */
  readonly passesOf?: typeof passesOf | undefined;
  /** One per replica, of random numbers. Default 0. */
  readonly seeds?: readonly number[];
  /** Whoever sets the parameters sets {@link Updater.copies} as well. Default false: they are theirs at the first update. */
  readonly copied?: boolean;
  /** Of parameters that their owner has in fewer bytes: their float32, which is part of the state. */
  readonly master?: PlacedVector | undefined;
  /** Keeps the state in fewer bytes, in place of vectors: packed.ts, loaded where it is asked for. */
  readonly packed?: ((buffers: BufferSet, space: Space, groups: readonly Group[]) => Packed) | undefined;
  /** What an integer of a tensor's gradient is worth, where tensors have units of their own. */
  readonly units?: ReadonlyMap<string, number | undefined>;
  /** For spans of records; given where there are some. */
  readonly rows?: RowOps;
  /** Updates written ahead, a multiple of `block`; by default as many as fit 4 MiB. */
  readonly updates?: number;
  /** Updates that are written at once. Default 256. */
  readonly block?: number;
  /** Where the clocks lie, one per replica. Default in a buffer of their own. */
  readonly clock?: BufferRange;
}

/** State in fewer bytes. */
export interface Packed {
  readonly forms: readonly Form[];
  /** How each slot is kept. */
  readonly encodings: Readonly<Record<string, string>>;
  /** Of state, of a parameter and in all. */
  readonly bytesPerElement: number;
  readonly bytes: number;
  /** All it remembers; of one replica, or of all. */
  ranges(replica?: number): readonly NamedRange[];
  read(replica: number): Promise<PackedWords>;
  /** @throws DownhillError STATE-MISMATCH */
  check(words: PackedWords | undefined): void;
  load(words: PackedWords, replica: number): void;
  readonly update: SpanUpdate;
}

const hasFlag = ({ shader }: RuleRow, slot: string) => slot.toUpperCase() in shader.overrides;

/** The state slots that some of these groups use. */
export function liveSlots(row: RuleRow, groups: readonly Group[]): string[] {
  const rules = groups.flatMap((group) => group.rules);
  if (row.passes) return [...new Set(rules.flatMap(({ hyper }) => row.slots(hyper)))];
  return allSlots(row.shader).filter(
    (slot) => !hasFlag(row, slot) || rules.some(({ hyper }) => row.slots(hyper).includes(slot)),
  );
}

/**
 * Gradients become updates: the memory that takes, beside parameters and gradients, and the ops of one step over all of it,
 * `[accumulate] [norm] advance update`, each once per span but `advance`. N replicas and G groups in the same dispatches.
 */
export class Updater implements Minimizer<Rule> {
  readonly key = 'optimizer';
  readonly ops: readonly Op[];
  readonly scalars: ScalarRing;
  /** One per replica, as `advance` has them. */
  readonly clock: BufferRange;
  /** A rule's state, by slot; none where it is packed. */
  readonly slots: readonly Vector[];
  readonly packed: Packed | undefined;
  /** The sum of micro-steps so far, where an update takes several. */
  readonly accumulated: Vector | undefined;
  /** The records of the update that is due. */
  readonly hyper: BufferRange;
  /** Of the gradient, where they are asked for. */
  readonly norms: ReturnType<typeof makeNorms> | undefined;
  /** What a rule of several passes remembers beside its slots. */
  readonly kept: PassState;
  /** What comes behind the clock where a rule is no single function of an element. */
  readonly passes: readonly Op[];
  /** What wrappers remember. */
  readonly added: Vector[] = [];
  /** Of these, what starts as the parameters. */
  readonly copies: Vector[] = [];
  /** What goes round the rule, for gradients wherever they lie. */
  readonly wrapped: readonly BoundWrapper[];
  /** Called when hyper-parameters have changed. */
  readonly changed: (() => void)[] = [];

  constructor(
    readonly buffers: BufferSet,
    readonly options: UpdaterOptions,
  ) {
    const { row, space, groups, micro } = options;
    this.scalars = new ScalarRing(buffers, { ...options, replicas: space.replicas });
    const clocks = CLOCK_BYTES * space.replicas;
    this.clock = options.clock ?? range(buffers.storage('clock', clocks), 0, clocks);
    this.packed = options.packed?.(buffers, space, groups);
    this.slots = this.packed ? [] : liveSlots(row, groups).map((slot) => space.vector(buffers, slot));
    this.accumulated = micro > 1 ? space.vector(buffers, 'accumulated', true) : undefined;
    for (const slot of this.slots) fillInitial(buffers.device, options, slot);
    this.hyper = range(buffers.make('hyper', HYPER_BYTES, USAGE.STORAGE | USAGE.UNIFORM | USAGE.COPY_SRC));
    this.norms = options.skip || options.clip ? makeNorms(this) : undefined;
    const passes = rulePasses(this);
    this.kept = passes?.state ?? { factors: [], scalars: [] };
    this.passes = passes?.ops ?? [];
    this.wrapped = (options.wrappers ?? []).map(({ row: own, settings }) => own.bind(settings, this));
    this.ops = stepOps(this, wholeSpans(space, options.grad), buffers);
  }

  get replicas(): number {
    return this.options.space.replicas;
  }

  /** Groups of tensors, as they were made. */
  get groups(): readonly Group[] {
    return this.options.groups;
  }

  /** A vector that a wrapper remembers. @param copy whether it starts as the parameters */
  keep(name: string, copy = false): Vector {
    const vector = this.options.space.vector(this.buffers, name);
    this.added.push(vector);
    if (copy) this.copies.push(vector);
    return vector;
  }

  /**
   * Changes hyper-parameters of every group, or of those of the tensors named, in queue order: for all steps submitted
   * after the call.
   *
   * @throws DownhillError OPTION-*, HYPER-*; all stays as it was.
   */
  set(options: unknown, names?: unknown): void {
    const slots = liveSlots(this.options.row, this.groups);
    this.scalars.change(nextRules(this.groups, this.scalars.rules, slots, options, names));
    for (const tell of this.changed) tell();
  }

  get gradient(): Vector {
    return this.options.grad;
  }

  memory(): MinimizerMemory {
    const size = (vectors: readonly Vector[]) =>
      vectors.flatMap(({ ranges }) => ranges).reduce((sum, range) => sum + range.size, 0);
    return {
      encodings: this.packed?.encodings ?? Object.fromEntries(this.slots.map(({ name }) => [name, 'f32'])),
      gradients: size([this.gradient]),
      state: (this.packed?.bytes ?? 0) + size(this.vectors().map(({ vector }) => vector)),
    };
  }

  vectors(): readonly PlacedVector[] {
    const { space, master } = this.options;
    const vectors = [...this.slots, ...(this.accumulated ? [this.accumulated] : []), ...this.added];
    return [...(master ? [master] : []), ...vectors.map((vector) => ({ space, vector })), ...this.kept.factors];
  }

  ranges(): readonly NamedRange[] {
    const scalars = this.kept.scalars.map(({ name, buffer, offset, size }) => ({ name, buffer, offset, size }));
    return [{ name: 'clock', ...this.clock }, ...scalars, ...(this.packed?.ranges() ?? [])];
  }

  freeze(): Pick<Stateful, 'host'> {
    return saveUpdater(this.options, this.scalars);
  }

  host(copies: Copies): Json {
    return this.freeze().host(copies);
  }

  checkKind(host: Json): void {
    checkKind(this.options, host);
  }

  stepIn(copies: Copies): number {
    return readClocks(copies.get('clock')!)[0]!.step;
  }

  check(host: Json, copies: Copies): void {
    loadUpdater(this.options, this.scalars, host, copies, true);
  }

  load(host: Json, copies: Copies): void {
    const { clocks, carries, rules } = loadUpdater(this.options, this.scalars, host, copies);
    this.scalars.restart(clocks, carries, rules);
    for (const tell of this.changed) tell();
  }
}

/** State starts at 0 unless the rule says otherwise. */
function fillInitial(device: GPUDevice, { row, space, groups }: UpdaterOptions, slot: Vector): void {
  for (const { tensors, rules } of groups) {
    for (const [replica, { hyper }] of rules.entries()) {
      const value = row.initial?.(slot.name, hyper) ?? 0;
      if (value === 0) continue;
      for (const tensor of tensors) fillTensor(device, space, slot, tensor, value, replica);
    }
  }
}

/** What the ops of a step have in common. */
export interface StepParts {
  readonly hyper: BufferRange;
  /** Owns what is made for these sources alone. */
  readonly tables: BufferSet;
}

/** The ops that update one span, or the tensors of it that a source has. */
export type SpanUpdate = (updater: Updater, step: StepParts, source: BoundSource) => Op[];

/** The segments of one span. */
export type SpanTable = ReturnType<typeof planSegments>['tables'][number];

/** The same for a span of records, and what comes before it. */
export interface RowOps {
  accumulate(updater: Updater, tables: BufferSet, source: BoundSource): Op[];
  norm(updater: Updater, tables: BufferSet, source: BoundSource, segments: SpanTable): Op[];
  update: SpanUpdate;
  /** Where the gradients of a span lie that were summed up. */
  summed(updater: Updater, span: number): Source;
  /** Throws where gradients that are given for a step cannot be read beside what says which rows take part. */
  check(tensors: readonly AdoptedTensor[]): void;
  /** Elements that a tensor has now; none where it is not taken by rows. */
  elementsOf(tensor: string): number | undefined;
  /** Nothing made with these tables is used any more. */
  drop(tables: BufferSet): void;
}

/** The gradients as they were given first. */
export const wholeSpans = ({ spans }: Space, { ranges }: Vector): Source[] =>
  spans.map(({ parts, records }, span) => ({
    ...{ span, parts, range: ranges[span]! },
    ...(records && { places: records.fields.map(({ grad }) => grad) }),
  }));

/** Sources as kernels see them. */
export function boundSources({ buffers, options }: Updater, sources: readonly Source[]): BoundSource[] {
  const unitOf = (tensor: string) => (options.units?.has(tensor) ? options.units.get(tensor) : options.unit);
  return sources.map((source) => {
    const { range: given, first } = bind(buffers.device, source.range);
    return { ...source, range: given, first: first - source.parts[0]!.at, unitOf, zero: options.zero };
  });
}

/** The ops of a step that reads gradients from these sources. */
export function stepOps(updater: Updater, sources: readonly Source[], tables: BufferSet): Op[] {
  const { buffers, options, accumulated, clock, hyper } = updater;
  const { label, space, skip, clip, micro, gradScale } = options;
  const { replicas } = space;
  const bound = boundSources(updater, sources);
  const ops = accumulated ? bound.flatMap((source) => accumulateOps(updater, accumulated, tables, source)) : [];
  /** Where a gradient is read after micro-steps were added up: where it was given, or in the sum. */
  const grads = accumulated
    ? wholeSpans(space, accumulated).map((given, span): BoundSource => {
        const source = space.spans[span]!.records ? options.rows!.summed(updater, span) : given;
        return { ...source, ...bind(buffers.device, source.range), unitOf: () => undefined, zero: false };
      })
    : bound;

  const wrapped = updater.wrapped.map((own) => own({ grads, tables }));
  const around = (stage: keyof WrapperOps) => wrapped.flatMap((own) => own[stage] ?? []);
  ops.push(...around('gradient'));

  const { norms } = updater;
  if (norms) ops.push(...grads.flatMap((source) => normOp(updater, norms, tables, source)));
  const shape = {
    groups: options.groups.length,
    ring: updater.scalars.updates,
    micro,
    segments: norms?.all ?? 0,
    unit: gradScale,
    ...(clip && { clip }),
    ...(skip && { skip }),
  };
  const operands = { clock, ring: updater.scalars.range, hyper, partial: norms?.partial, begins: norms?.begins };
  ops.push(advance(`${label}/advance`, shape, operands, replicas));
  const apply = (source: BoundSource) => {
    const step = { hyper, tables };
    if (updater.packed) return updater.packed.update(updater, step, source);
    return (space.spans[source.span]!.records ? options.rows!.update : options.apply)(updater, step, source);
  };
  const updates = () => (options.row.passes ? updater.passes : grads.flatMap(apply));
  ops.push(...around('before'), ...updates(), ...around('after'));
  return ops;
}

/** What comes behind the clock where a rule is no single function of an element. */
function rulePasses({ buffers, options, accumulated, clock, hyper, slots }: Updater) {
  const { row, label, space, groups, param } = options;
  if (!row.passes) return undefined;
  if (!options.passesOf)
    throw new DownhillError('INTERNAL', `${label}: nobody loaded passes of ${row.title}.`, 'Report this.');
  const grad = accumulated ?? options.grad;
  return options.passesOf(row.passes, { label, buffers, space, groups, param, grad, clock, hyper, slots });
}

function accumulateOps(updater: Updater, { ranges }: Vector, tables: BufferSet, source: BoundSource): Op[] {
  const { options, clock } = updater;
  const { space } = options;
  const { span, parts, range: grad, first, unitOf, zero } = source;
  const { elements: stride, records } = space.spans[span]!;
  if (records) return options.rows!.accumulate(updater, tables, source);
  const last = parts.at(-1)!;
  const [begin, elements] = [parts[0]!.at, last.at + last.elements];
  const shape = { begin, elements, stride, first, unit: unitOf(parts[0]!.tensor), zero };
  const operands = { grad, total: ranges[span]!, clock };
  return [accumulate(spanName(options, 'accumulate', source), shape, operands, space.replicas)];
}

/** What the norm of the gradient, and of each group's, is summed in. */
function makeNorms({ buffers, options }: Pick<Updater, 'buffers' | 'options'>) {
  const { space, groups } = options;
  const { tables, begins, all } = planSegments(space, groups);
  const partial = range(buffers.storage('partial', 16 * all * space.replicas));
  return { tables, all, partial, begins: range(buffers.upload('begins', begins)) };
}

/** A pass where there is something to measure. */
function normOp(updater: Updater, norms: NonNullable<Updater['norms']>, tables: BufferSet, source: BoundSource): Op[] {
  const { space, rows } = updater.options;
  const { span, parts, range: grad, first, unitOf } = source;
  const { elements: stride, records } = space.spans[span]!;
  if (records) return rows!.norm(updater, tables, source, norms.tables[span]!);
  const whole = norms.tables[span]!.table;
  // Those of a source's tensors are next to each other: segments are planned in the order of the parts.
  const [begin, last] = [parts[0]!.at, parts.at(-1)!];
  const own = Array.from({ length: whole.length / 4 }, (_, i) => whole.subarray(4 * i, 4 * i + 4)).filter(
    ([at]) => at! >= begin && at! < last.at + last.elements,
  );
  const table = own.length === whole.length / 4 ? whole : new Uint32Array(own.flatMap((words) => [...words]));
  if (own.length === 0) return [];
  const shape = { segments: own.length, all: norms.all, first, stride, unit: unitOf(parts[0]!.tensor) };
  const places = range(tables.upload(`segments-${span}`, table));
  const operands = { grad, segments: places, partial: norms.partial };
  return [norm(spanName(updater.options, 'norm', source), shape, operands, space.replicas)];
}

/** The forms of everything an updater does; of a rule of several passes also `passForms`. */
export const UPDATER_FORMS: readonly Form[] = [...ADVANCE_FORMS, ...updateForms];

export const stateOf = ({ slots }: Updater, i: number) =>
  Object.fromEntries(slots.map(({ name, ranges }) => [name, ranges[i]!]));

export const flagsOf = ({ options, slots }: Updater) =>
  slotFlags(
    options.row,
    slots.map(({ name }) => name),
  );

/** The update of an arena, all replicas. */
export const arenaUpdate: SpanUpdate = (updater, { hyper, tables }, source) => {
  const { options } = updater;
  const { span: i, range: grad } = source;
  const { row, space, param, groups } = options;
  const span = space.spans[i]!;
  const table = groupTable(span, groupIndex(groups));
  return [
    update({
      label: spanName(options, 'update', source),
      shader: row.shader,
      elements: span.elements,
      replicas: space.replicas,
      flags: flagsOf(updater),
      hyper,
      param: param.ranges[i]!,
      grad,
      state: stateOf(updater, i),
      groupOf: range(tables.upload(`group-of-${i}`, table)),
      groups: table,
    }),
  ];
};
