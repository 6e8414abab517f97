import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { ADVANCE_FORMS, accumulate, advance, CLOCK_BYTES, norm, readClocks } from '../kernels/advance.js';
import { foreignMap, type Stretch, updateForeign } from '../kernels/foreign.js';
import type { Form, Op } from '../kernels/op.js';
import { passForms } from '../kernels/passes.js';
import { HYPER_BYTES, update, updateForms } from '../kernels/update.js';
import { groupTable } from '../space/arena.js';
import type { PlacedVector, Space, Span, Vector } from '../space/space.js';
import type { Copies, Json, NamedRange, Stateful } from '../space/stateful.js';
import { fillTensor } from '../space/vectors.js';
import type { GradientSettings } from './gradient.js';
import { nextRules } from './groups.js';
import { type PassState, passesOf } from './passes.js';
import { allSlots, type RuleRow, slotFlags } from './rule.js';
import { type Group, ScalarRing } from './scalars.js';
import { groupIndex, planSegments } from './segments.js';
import { checkKind, loadUpdater, saveUpdater } from './updater-state.js';

export type { GradientSettings } from './gradient.js';

export interface UpdaterOptions extends GradientSettings {
  /** Of the plan: what stands before the '/' of every pass. */
  readonly label: string;
  readonly row: RuleRow;
  readonly space: Space;
  readonly param: Vector;
  /** In a padded space f32, and not cleared. */
  readonly grad: Vector;
  readonly groups: readonly Group[];
  /** {@link arenaUpdate} in a padded space, else {@link rangeUpdate}: given, so that a page has only what it uses. */
  readonly apply: SpanUpdate;
  /** Updates written ahead, a multiple of 256; by default as many as fit 4 MiB. */
  readonly updates?: number;
}

const hasFlag = ({ shader }: RuleRow, slot: string) => slot.toUpperCase() in shader.overrides;

/** The state slots that some of these groups use. */
function liveSlots(row: RuleRow, groups: readonly Group[]): string[] {
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
export class Updater implements Stateful {
  readonly key = 'optimizer';
  readonly ops: readonly Op[];
  readonly scalars: ScalarRing;
  /** One per replica, as `advance` has them. */
  readonly clock: BufferRange;
  /** A rule's state, by slot. */
  readonly slots: readonly Vector[];
  /** The sum of micro-steps so far, where an update takes several. */
  readonly accumulated: Vector | undefined;
  /** What a rule of several passes remembers beside its slots. */
  readonly kept: PassState;

  constructor(
    readonly buffers: BufferSet,
    readonly options: UpdaterOptions,
  ) {
    const { row, space, groups, micro } = options;
    this.scalars = new ScalarRing(buffers, { ...options, replicas: space.replicas });
    this.clock = range(buffers.storage('clock', CLOCK_BYTES * space.replicas), 0, CLOCK_BYTES * space.replicas);
    this.slots = liveSlots(row, groups).map((slot) => space.vector(buffers, slot));
    this.accumulated = micro > 1 ? space.vector(buffers, 'accumulated', true) : undefined;
    for (const slot of this.slots) fillInitial(buffers.device, options, slot);
    const { ops, kept = { factors: [], scalars: [] } } = stepOps(this);
    this.ops = ops;
    this.kept = kept;
  }

  /** Groups of tensors, as they were made. */
  get groups(): readonly Group[] {
    return this.options.groups;
  }

  /**
   * Changes hyper-parameters of every group, or of those of the tensors named, in queue order: for all steps submitted
   * after the call.
   *
   * @throws DownhillError OPTION-*, HYPER-*; all stays as it was.
   */
  set(options: unknown, names?: unknown): void {
    const slots = this.slots.map(({ name }) => name);
    this.scalars.change(nextRules(this.groups, this.scalars.rules, slots, options, names));
  }

  vectors(): readonly PlacedVector[] {
    const { space } = this.options;
    const vectors = this.accumulated ? [...this.slots, this.accumulated] : this.slots;
    return [...vectors.map((vector) => ({ space, vector })), ...this.kept.factors];
  }

  ranges(): readonly NamedRange[] {
    const scalars = this.kept.scalars.map(({ name, buffer, offset, size }) => ({ name, buffer, offset, size }));
    return [{ name: 'clock', ...this.clock }, ...scalars];
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

/** The label of a span's pass: numbered where there are several, and always where the caller's ranges are. */
const spanName = ({ label, space }: UpdaterOptions, pass: string, i: number) =>
  `${label}/${pass}${space.padded && space.spans.length === 1 ? '' : `-${i}`}`;

/** A range as a binding: from the boundary below, and how many elements in it begins. */
export function bind(device: GPUDevice, { buffer, offset, size }: BufferRange) {
  const alignment = Math.max(device.limits.minStorageBufferOffsetAlignment, 4);
  const begin = Math.floor(offset / alignment) * alignment;
  return { range: { buffer, offset: begin, size: offset - begin + size }, first: (offset - begin) / 4 };
}

type Bound = ReturnType<typeof bind> & { readonly unit: number | undefined; readonly zero: boolean };
/** The ops that update one span. */
type SpanUpdate = (updater: Updater, hyper: BufferRange, grad: Bound, span: number) => Op[];

function stepOps(updater: Updater): { readonly ops: readonly Op[]; readonly kept?: PassState } {
  const { buffers, options, accumulated, clock } = updater;
  const { label, space, skip, clip, micro, gradScale } = options;
  const { spans, replicas } = space;
  const hyper = range(buffers.make('hyper', HYPER_BYTES, USAGE.STORAGE | USAGE.UNIFORM | USAGE.COPY_SRC));

  const ops: Op[] = [];
  /** Where the gradient of a span is read after micro-steps were added up: where it was given, or in the sum. */
  const grads = options.grad.ranges.map((given, i): Bound => {
    const bound = { ...bind(buffers.device, given), unit: options.unit, zero: options.zero };
    if (!accumulated) return bound;
    const { elements } = spans[i]!;
    const total = accumulated.ranges[i]!;
    const shape = { elements, stride: elements, first: bound.first, unit: bound.unit, zero: bound.zero };
    ops.push(accumulate(spanName(options, 'accumulate', i), shape, { grad: bound.range, total, clock }, replicas));
    return { ...bind(buffers.device, total), unit: undefined, zero: false };
  });

  const measured = skip !== undefined || clip !== undefined;
  const norms = measured ? normOps(updater, grads) : undefined;
  ops.push(...(norms?.ops ?? []));
  const shape = {
    groups: options.groups.length,
    ring: updater.scalars.updates,
    micro,
    segments: norms?.segments ?? 0,
    unit: gradScale,
    ...(clip && { clip }),
    ...(skip && { skip }),
  };
  const operands = { clock, ring: updater.scalars.range, hyper, partial: norms?.partial, begins: norms?.begins };
  ops.push(advance(`${label}/advance`, shape, operands, replicas));
  const { row, param, groups } = options;
  if (!row.passes) {
    ops.push(...spans.flatMap((_, i) => options.apply(updater, hyper, grads[i]!, i)));
    return { ops };
  }
  const grad = accumulated ?? options.grad;
  const memory = { label, buffers, space, groups, param, grad, clock, hyper, slots: updater.slots };
  const made = passesOf(row.passes, memory);
  return { ops: [...ops, ...made.ops], kept: made.state };
}

/** The norm of the gradient, and of each group's: a pass per span with something to measure. */
function normOps({ buffers, options }: Updater, grads: readonly Bound[]) {
  const { space, groups } = options;
  const { tables, begins, all } = planSegments(space, groups);
  const partial = range(buffers.storage('partial', 16 * all * space.replicas));
  const ops = tables.flatMap(({ segments, table }, i) => {
    if (segments === 0) return [];
    const { range: grad, first, unit } = grads[i]!;
    const shape = { segments, all, first, stride: space.spans[i]!.elements, unit };
    const places = range(buffers.upload(`segments-${i}`, table));
    return [norm(spanName(options, 'norm', i), shape, { grad, segments: places, partial }, space.replicas)];
  });
  return { ops, partial, begins: range(buffers.upload('begins', begins)), segments: all };
}

/** The forms of everything an updater does. */
export const UPDATER_FORMS: readonly Form[] = [...ADVANCE_FORMS, ...updateForms, ...passForms];

const stateOf = ({ slots }: Updater, i: number) =>
  Object.fromEntries(slots.map(({ name, ranges }) => [name, ranges[i]!]));

const flagsOf = ({ options, slots }: Updater) =>
  slotFlags(
    options.row,
    slots.map(({ name }) => name),
  );

/** The update of an arena, all replicas. */
export const arenaUpdate: SpanUpdate = (updater, hyper, { range: grad }, i) => {
  const { buffers, options } = updater;
  const { row, space, param, groups } = options;
  const span = space.spans[i]!;
  const table = groupTable(span, groupIndex(groups));
  return [
    update({
      label: spanName(options, 'update', i),
      shader: row.shader,
      elements: span.elements,
      replicas: space.replicas,
      flags: flagsOf(updater),
      hyper,
      param: param.ranges[i]!,
      grad,
      state: stateOf(updater, i),
      groupOf: range(buffers.upload(`group-of-${i}`, table)),
      groups: table,
    }),
  ];
};

const touches = (a: BufferRange, b: BufferRange) => a.offset < b.offset + b.size && b.offset < a.offset + a.size;

function unite(a: BufferRange, b: BufferRange): BufferRange {
  const offset = Math.min(a.offset, b.offset);
  return range(a.buffer, offset, Math.max(a.offset + a.size, b.offset + b.size) - offset);
}

/** A span's tensors, and the gaps in front of them. */
const stretchesOf = ({ parts }: Span, groupOf: (tensor: string) => number): Stretch[] =>
  parts.flatMap(({ tensor, at, elements }, i) => {
    const before = parts[i - 1];
    const gap = at - (before ? before.at + before.elements : 0);
    return [...(gap > 0 ? [{ elements: gap }] : []), { elements, row: groupOf(tensor) }];
  });

/** The update of ranges that somebody else owns. */
export const rangeUpdate: SpanUpdate = (updater, hyper, from, i) => {
  const { buffers, options } = updater;
  const { row, space, groups } = options;
  const { device } = buffers;
  const span = space.spans[i]!;
  const param = bind(device, options.param.ranges[i]!);
  const { range: grad, unit, zero } = from;
  // Two writable bindings may share a buffer, but not a byte: ranges that meet below the boundary go into one binding.
  const shared = grad.buffer === param.range.buffer && touches(grad, param.range);
  const union = shared ? unite(param.range, grad) : param.range;
  const shift = (bound: Pick<Bound, 'range' | 'first'>) => bound.first + (bound.range.offset - union.offset) / 4;
  const groupOf = groupIndex(groups);
  const map = foreignMap(stretchesOf(span, groupOf), {
    param: shift(param),
    grad: shared ? shift(from) : from.first,
    unit: unit ?? 1,
    shared,
    lead: span.lead,
  });
  const state = Object.entries(stateOf(updater, i)).map(([slot, own]) => [slot, bind(device, own).range] as const);
  return updateForeign({
    label: spanName(options, 'update', i),
    shader: row.shader,
    map,
    table: range(buffers.upload(`map-${i}`, map.words)),
    flags: flagsOf(updater),
    fixed: unit !== undefined,
    zero,
    hyper,
    param: union,
    grad: shared ? undefined : grad,
    state: Object.fromEntries(state),
  });
};
