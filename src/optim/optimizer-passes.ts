import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import type { PassSpec } from '../gpu/pipelines.js';
import {
  accumulate,
  advance,
  CLOCK_BYTES,
  gradientNorm,
  HYPER_BYTES,
  ROW_BLOCK,
  ROW_WORDS,
  rangeMap,
  rangeWords,
  updateRange,
} from '../kernels/update.js';
import type { OptimizerSettings } from './optimizer-options.js';
import { allSlots, type RuleRow, slotFlags } from './rule.js';
import { type GroupRow, planSegments, type Run } from './runs.js';

/*
 * The memory an optimizer makes beside the caller's, and the passes of one step over both:
 * [accumulate] [norm] advance update, each once per run but `advance`.
 */

/** Bytes of the ring of rows: as many rows as fit, so that steps can be recorded far ahead. */
const RING_BYTES = 2 ** 22;
const MAX_RING = 8192;
/** A run's own memory. */
export interface RunMemory {
  readonly run: Run;
  readonly slots: Readonly<Record<string, GPUBuffer>>;
  readonly accumulated: GPUBuffer | undefined;
}

export interface Made {
  readonly specs: readonly PassSpec[];
  readonly memory: readonly RunMemory[];
  readonly clock: GPUBuffer;
  readonly ring: GPUBuffer;
  readonly ringRows: number;
  readonly slots: readonly string[];
}

/** A foreign range as a binding: from the boundary below, and how many elements in the range begins. */
function bind({ buffer, offset }: Run['param'], elements: number, alignment: number) {
  const begin = Math.floor(offset / alignment) * alignment;
  return { range: { buffer, offset: begin, size: offset - begin + 4 * elements }, first: (offset - begin) / 4 };
}

export function makeOptimizer(
  buffers: BufferSet,
  row: RuleRow,
  runs: readonly Run[],
  rows: readonly GroupRow[],
  settings: OptimizerSettings,
): Made {
  const { device, label } = buffers;
  const { micro, zero, skip, clip, gradScale } = settings;
  const alignment = Math.max(device.limits.minStorageBufferOffsetAlignment, 4);
  const slots = allSlots(row.shader).filter((slot) =>
    rows.some(({ rule }) => row.slots(rule.hyper).includes(slot) || !hasFlag(row, slot)),
  );
  const ringRows = Math.max(
    2 * ROW_BLOCK,
    Math.min(MAX_RING, Math.floor(RING_BYTES / (4 * ROW_WORDS * rows.length) / ROW_BLOCK) * ROW_BLOCK),
  );
  const clock = buffers.storage('clock', CLOCK_BYTES);
  const ring = buffers.storage('ring', 4 * ROW_WORDS * ringRows * rows.length);
  const hyper = buffers.make('hyper', HYPER_BYTES, USAGE.STORAGE | USAGE.UNIFORM);
  const uniform = (name: string, words: Uint32Array<ArrayBuffer>) => {
    const buffer = buffers.make(name, words.byteLength, USAGE.UNIFORM | USAGE.COPY_DST);
    device.queue.writeBuffer(buffer, 0, words);
    return range(buffer, 0, words.byteLength);
  };

  const memory: RunMemory[] = runs.map((run, i) => ({
    run,
    slots: Object.fromEntries(slots.map((slot) => [slot, buffers.storage(`${slot}-${i}`, 4 * run.elements)])),
    accumulated: micro > 1 ? buffers.storage(`accumulated-${i}`, 4 * run.elements) : undefined,
  }));
  for (const each of memory) writeInitialState(device, row, each);

  const specs: PassSpec[] = [];
  /** Where the gradient of a run is read after micro-steps were added up: in foreign memory, or in ours. */
  const grads = memory.map(({ run, accumulated }, i) => {
    const foreign = bind(run.grad, run.elements, alignment);
    if (!accumulated) return { ...foreign, unit: settings.unit, zero };
    const bounds = uniform(`accumulate-${i}`, rangeWords(foreign.first, run.elements, settings.unit ?? 1));
    const fixed = settings.unit !== undefined;
    const operands = { elements: run.elements, bounds, grad: foreign.range, total: range(accumulated), fixed, zero };
    specs.push(accumulate({ label: `${label}/accumulate-${i}`, ...operands }));
    return { range: range(accumulated, 0, 4 * run.elements), first: 0, unit: undefined, zero: true };
  });

  const measured = skip !== undefined || clip !== undefined;
  const { segments, begins, tables } = planSegments(runs, rows);
  const partial = buffers.storage('partial', 8 * Math.max(segments, 1));
  const rowBegins = buffers.upload('rows', begins);
  if (measured) {
    for (const [i, { segments: own, table }] of tables.entries()) {
      if (own === 0) continue;
      const { range: grad, first, unit } = grads[i]!;
      specs.push(
        gradientNorm({
          label: `${label}/norm-${i}`,
          segments: own,
          bounds: uniform(`norm-${i}`, rangeWords(first, own, unit ?? 1)),
          grad,
          table: range(buffers.upload(`segments-${i}`, table)),
          partial: range(partial),
          fixed: unit !== undefined,
        }),
      );
    }
  }
  specs.push(
    advance({
      label: `${label}/advance`,
      groups: rows.length,
      ringRows,
      micro,
      clock: range(clock),
      ring: range(ring),
      hyper: range(hyper),
      ...(measured && {
        control: {
          segments,
          partial: range(partial),
          rows: range(rowBegins),
          unit: gradScale,
          ...(clip && { clip }),
          ...(skip && { skip }),
        },
      }),
    }),
  );
  for (const [i, { run, slots: state }] of memory.entries()) {
    const param = bind(run.param, run.elements, alignment);
    const { range: grad, first, unit, zero: clear } = grads[i]!;
    // Two writable bindings may share a buffer, but not a byte: ranges that meet below the boundary go into one binding.
    const shared = grad.buffer === param.range.buffer && touches(grad, param.range);
    const union = shared ? unite(param.range, grad) : param.range;
    const map = rangeMap(
      run.parts.map(({ elements, row: own }) => ({ elements, row: own })),
      {
        param: shared ? (run.param.offset - union.offset) / 4 : param.first,
        grad: shared ? (run.grad.offset - union.offset) / 4 : first,
        unit: unit ?? 1,
      },
    );
    specs.push(
      updateRange({
        label: `${label}/update-${i}`,
        shader: row.shader,
        elements: run.elements,
        flags: slotFlags(row, slots),
        fixed: unit !== undefined,
        zero: clear,
        hyper: range(hyper),
        param: union,
        ...(!shared && { grad }),
        state: Object.fromEntries(Object.entries(state).map(([slot, buffer]) => [slot, range(buffer)])),
        map: range(buffers.upload(`map-${i}`, map)),
      }),
    );
  }
  return { specs, memory, clock, ring, ringRows, slots };
}

const hasFlag = ({ shader }: RuleRow, slot: string) => slot.toUpperCase() in shader.overrides;
const touches = (a: BufferRange, b: BufferRange) => a.offset < b.offset + b.size && b.offset < a.offset + a.size;

function unite(a: BufferRange, b: BufferRange): BufferRange {
  const offset = Math.min(a.offset, b.offset);
  return range(a.buffer, offset, Math.max(a.offset + a.size, b.offset + b.size) - offset);
}

/** State starts at 0 unless the rule says otherwise, tensor by tensor. */
function writeInitialState(device: GPUDevice, row: RuleRow, { run, slots }: RunMemory): void {
  for (const [slot, buffer] of Object.entries(slots)) {
    for (const { tensor, at, elements } of run.parts) {
      const value = row.initial?.(slot, tensor.rule.hyper) ?? 0;
      if (value !== 0) device.queue.writeBuffer(buffer, 4 * at, new Float32Array(elements).fill(value));
    }
  }
}
