import { type BufferRange, BufferSet, guarded, range, readRanges } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkDevice } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { createPasses, encodePass, type Pass } from '../gpu/pipelines.js';
import { CLOCK_BYTES, clockWord, FAULT, packRow, ROW_BLOCK, ROW_WORDS } from '../kernels/update.js';
import { adoptTensors, changed, probeTensors, type TensorOptions } from './adopt.js';
import {
  checkOptimizerOptions,
  checkRule,
  type OptimizerOptions,
  type OptimizerSettings,
} from './optimizer-options.js';
import { type Made, makeOptimizer } from './optimizer-passes.js';
import { checkStart, checkState } from './optimizer-state.js';
import type { Optimizer, OptimizerDescription, OptimizerReport, OptimizerState } from './optimizer-types.js';
import { allSlots, hyperAt, type Rule, type RuleRow, RuleRows } from './rule.js';
import { type GroupRow, groupRows, longestRun, planRuns } from './runs.js';
import { type DynamicSchedule, isDynamic } from './schedules/core.js';

const ACCUMULATED = 'accumulated';

/**
 * The update rule on memory that somebody else owns: adopts the device and the ranges, updates in place.
 *
 * @param device adopted, never destroyed
 * @param rule for example adamw({ lr: 1e-3 }); every number may be a schedule of the update count
 * @param tensors where parameters and gradients lie; neighbours in memory are updated in one dispatch
 * @example
 * const optimizer = await createOptimizer(device, adamw({ lr: 1e-3 }), [
 *   { name: 'w', shape: [784, 100], param: { buffer, offset: 0 }, grad: { buffer: gradients, offset: 0 } },
 * ], { clip: { globalNorm: 1 }, skipNonFinite: true });
 * optimizer.step(encoder);
 * @throws DownhillError before any GPU work: OPTION-*, HYPER-*, SHAPE-INVALID, BUFFER-USAGE, BUFFER-RANGE, BUFFER-OVERLAP,
 * LIMIT-BINDING; then BUFFER-INVALID for a destroyed buffer or one of another device, DEVICE-LOST, SHADER-COMPILE.
 */
export async function createOptimizer<R extends Rule>(
  device: GPUDevice,
  rule: R,
  tensors: readonly TensorOptions[],
  options: OptimizerOptions = {},
): Promise<Optimizer> {
  checkDevice('createOptimizer', device);
  checkRule(rule);
  const settings = checkOptimizerOptions(options);
  const adopted = adoptTensors(rule, tensors);
  const bindings = allSlots(rule.row.shader).length + 3;
  const most = device.limits.maxStorageBuffersPerShaderStage;
  if (Math.max(bindings, 8) > most) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `The kernels bind 8 storage buffers, but this device allows ${most}.`,
      'Request the device with a higher maxStorageBuffersPerShaderStage.',
    );
  }
  const { rows, rowOf } = groupRows(adopted, settings.clip?.by === 'tensor');
  const runs = planRuns(adopted, rowOf, longestRun(device));
  await checkNotLost(device);
  await probeTensors(device, adopted, settings.label);

  const buffers = new BufferSet(device, settings.label);
  try {
    const made = await guarded(device, settings.label, () => makeOptimizer(buffers, rule.row, runs, rows, settings));
    const passes = await createPasses(device, made.specs);
    await probe(device, passes, settings.label).catch(async (error: unknown) => {
      // A buffer destroyed meanwhile?
      await probeTensors(device, adopted, settings.label);
      throw error;
    });
    return new BufferOptimizer(buffers, rule.row, rows, passes, made, settings);
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

/** Binds every pass and dispatches none: an error in one shows here, not in the caller's first step. */
async function probe(device: GPUDevice, passes: readonly Pass[], label: string): Promise<void> {
  await guarded(device, label, () => {
    const encoder = device.createCommandEncoder({ label: `downhill:${label}/probe` });
    const pass = encoder.beginComputePass();
    for (const { pipeline, bindGroup } of passes) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  });
}

/** The schedules that change by more than the count. */
const dynamicOf = (rows: readonly { readonly source: RuleRows }[]): DynamicSchedule[] =>
  rows.flatMap(({ source }) => Object.values(source.rule.hyper as object).flat()).filter(isDynamic);

class BufferOptimizer implements Optimizer {
  #dynamic: readonly DynamicSchedule[];
  #version: number;
  /** Loads so far: a read that was under way when one happened is about another history. */
  #generation = 0;
  readonly #buffers: BufferSet;
  readonly #row: RuleRow;
  #rows: { readonly frozen: boolean; readonly source: RuleRows }[];
  readonly #passes: readonly Pass[];
  readonly #made: Made;
  readonly #settings: OptimizerSettings;
  readonly #block: { readonly u32: Uint32Array<ArrayBuffer>; readonly f32: Float32Array<ArrayBuffer> };
  /** Updates whose rows were written to the ring, from the first on: whole blocks, or up to where a schedule fails. */
  #written = 0;
  /** Steps recorded since the count was known, and the count and micro-step then: an upper bound of the GPU's count. */
  #recorded = 0;
  #known = { count: 0, micro: 0 };
  /** Steps the GPU had done when the count was known. */
  #stepBase = 0;
  #destroyed = false;

  constructor(
    buffers: BufferSet,
    row: RuleRow,
    rows: readonly GroupRow[],
    passes: readonly Pass[],
    made: Made,
    settings: OptimizerSettings,
  ) {
    this.#buffers = buffers;
    this.#row = row;
    this.#rows = rows.map(({ rule, frozen }) => ({ frozen, source: new RuleRows(rule) }));
    this.#dynamic = dynamicOf(this.#rows);
    this.#version = this.#versions();
    this.#passes = passes;
    this.#made = made;
    this.#settings = settings;
    const bytes = new ArrayBuffer(4 * ROW_WORDS * ROW_BLOCK * rows.length);
    this.#block = { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) };
  }

  step(encoder: GPUCommandEncoder | GPUComputePassEncoder): void {
    this.#checkAlive();
    const command = encoder as GPUCommandEncoder | null;
    const begins = typeof command?.beginComputePass === 'function';
    if (!begins && typeof (encoder as GPUComputePassEncoder | null)?.dispatchWorkgroups !== 'function') {
      throw new DownhillError(
        'OPTION-TYPE',
        `step needs a command or compute pass encoder, got ${show(encoder)}.`,
        'Pass the encoder you submit.',
      );
    }
    // May throw: before a pass is open in the caller's encoder.
    this.#writeRows();
    this.#recorded++;
    const pass = begins ? command.beginComputePass() : (encoder as GPUComputePassEncoder);
    for (const each of this.#passes) encodePass(each, pass);
    if (begins) pass.end();
  }

  set(options: Readonly<Record<string, unknown>>): void {
    this.#checkAlive();
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw new DownhillError(
        'OPTION-TYPE',
        `set needs an object of hyper-parameters, got ${show(options)}.`,
        'Pass for example { lr: 1e-4 }.',
      );
    }
    const rows = this.#rows.map(({ frozen, source }) => {
      const next = changed(source.rule, options);
      const missing = next.row.slots(next.hyper).find((slot) => !this.#made.slots.includes(slot));
      if (missing) {
        throw new DownhillError(
          'OPTION-RANGE',
          `These options need the state ${missing}, which this optimizer was made without.`,
          'Make a new optimizer with them.',
        );
      }
      checkStart(source.rule, next);
      return { frozen, source: new RuleRows(next) };
    });
    const before = this.#rows;
    this.#rows = rows;
    try {
      this.#rewriteRows();
      this.#dynamic = dynamicOf(rows);
      this.#version = this.#versions();
    } catch (error) {
      this.#rows = before;
      this.#rewriteRows();
      throw error;
    }
  }

  async read(): Promise<OptimizerReport> {
    this.#checkAlive();
    const generation = this.#generation;
    const words = await this.#readClock();
    const at = (field: Parameters<typeof clockWord>[0]) => words[clockWord(field)]!;
    if ((at('fault') & FAULT.stale) !== 0) {
      throw new DownhillError(
        'RUN-AHEAD',
        `More than ${this.#ahead} steps were recorded ahead of the GPU, or skipped since the last read; those beyond were left out.`,
        'Submit, or call read, more often; load a state to go on.',
      );
    }
    // Steps recorded and not yet seen may still come, or never: the count is at most this many updates further. What was
    // read before a `load` says nothing about after it.
    if (generation === this.#generation) {
      const pending = Math.max(this.#stepBase + this.#recorded - at('step'), 0);
      this.#setKnown(at('count'), at('micro'), at('step'), pending);
    }
    const measured = this.#settings.clip !== undefined || this.#settings.skip !== undefined;
    return {
      step: at('step'),
      count: at('count'),
      skipped: at('skipped'),
      stopped: (at('fault') & FAULT.stopped) !== 0,
      gradNorm: measured ? new Float32Array(words.buffer)[clockWord('grad_norm')]! : undefined,
      lr: this.#lrAt(at('count')),
    };
  }

  /** NaN where a schedule has no good value: that is for `step` to refuse. */
  #lrAt(count: number): number {
    try {
      return hyperAt(this.#rows[0]!.source.rule, count).lr as number;
    } catch {
      return Number.NaN;
    }
  }

  get #ahead(): number {
    return this.#made.ringRows - ROW_BLOCK;
  }

  /** @param pending steps recorded that may still run */
  #setKnown(count: number, micro: number, step: number, pending: number): void {
    this.#known = { count, micro };
    this.#recorded = pending;
    this.#stepBase = step;
    // Blocks beyond the one the count is in were written for steps that were skipped: they are still right.
  }

  async #readClock(): Promise<Uint32Array<ArrayBuffer>> {
    const [bytes] = await readRanges(this.#buffers.device, this.#buffers.label, [
      range(this.#made.clock, 0, CLOCK_BYTES),
    ]);
    return new Uint32Array(bytes!);
  }

  /** Which part of which buffer holds a tensor's slot; a frozen tensor's never changes and is nobody's business. */
  #places(): { tensor: string; elements: number; slot: string; start: number; range: BufferRange }[] {
    return this.#made.memory.flatMap(({ run, slots, accumulated }) =>
      run.parts
        .filter(({ tensor }) => !tensor.frozen)
        .flatMap(({ tensor, start, at, elements }) =>
          [...Object.entries(slots), ...(accumulated ? [[ACCUMULATED, accumulated] as const] : [])].map(
            ([slot, buffer]) => ({
              tensor: tensor.name,
              elements: tensor.elements,
              slot,
              start,
              range: range(buffer, 4 * at, 4 * elements),
            }),
          ),
        ),
    );
  }

  async state(): Promise<OptimizerState> {
    this.#checkAlive();
    const places = this.#places();
    const [clock, ...copies] = await readRanges(this.#buffers.device, this.#buffers.label, [
      range(this.#made.clock, 0, CLOCK_BYTES),
      ...places.map((place) => place.range),
    ]);
    const words = new Uint32Array(clock!);
    // Names are the caller's: '__proto__' must become a property like any other.
    const tensors = new Map<string, Record<string, Float32Array>>();
    for (const [i, { tensor, slot, start, elements }] of places.entries()) {
      const own = tensors.get(tensor) ?? {};
      tensors.set(tensor, own);
      own[slot] ??= new Float32Array(elements);
      own[slot].set(new Float32Array(copies[i]!), start);
    }
    const at = (field: Parameters<typeof clockWord>[0]) => words[clockWord(field)]!;
    return {
      rule: this.#row.name,
      step: at('step'),
      count: at('count'),
      skipped: at('skipped'),
      streak: at('streak'),
      micro: at('micro'),
      tensors: Object.fromEntries(tensors),
    };
  }

  load(state: OptimizerState): void {
    this.#checkAlive();
    const places = this.#places();
    checkState(this.#row.name, this.#settings.micro, state, places);
    for (const { tensor, slot, start, range: to } of places) {
      const values = state.tensors[tensor]![slot]!;
      this.#buffers.device.queue.writeBuffer(
        to.buffer,
        to.offset,
        new Float32Array(values.subarray(start, start + to.size / 4)),
      );
    }
    const words = new Uint32Array(CLOCK_BYTES / 4);
    for (const field of ['step', 'count', 'skipped', 'streak', 'micro'] as const)
      words[clockWord(field)] = state[field];
    this.#buffers.device.queue.writeBuffer(this.#made.clock, 0, words);
    this.#generation++;
    this.#setKnown(state.count, state.micro, state.step, 0);
    this.#written = Math.floor(state.count / ROW_BLOCK) * ROW_BLOCK;
  }

  describe(): OptimizerDescription {
    const elements = this.#made.memory.reduce((sum, { run }) => sum + run.elements, 0);
    const { clip, skip, zero, micro } = this.#settings;
    // Parameters and state are read and written, gradients read, and once more for their norm.
    const streams = 2 + 1 + 2 * this.#made.slots.length + (clip || skip ? 1 : 0) + (zero ? 1 : 0) + (micro > 1 ? 4 : 0);
    return {
      label: this.#buffers.label,
      dispatches: this.#passes.length,
      passes: this.#passes.map(({ label, kernel, grid }) => ({ label, kernel, grid })),
      bytesPerStep: 4 * elements * streams,
      stateBytes: 4 * elements * (this.#made.slots.length + (micro > 1 ? 1 : 0)),
      stepsAhead: this.#ahead,
    };
  }

  destroy(): void {
    this.#destroyed = true;
    this.#buffers.destroy();
  }

  #checkAlive(): void {
    if (this.#destroyed)
      throw new DownhillError('RUN-DESTROYED', 'This optimizer was destroyed.', 'Make a new one with createOptimizer.');
  }

  /** The update that a step recorded after so many others belongs to, or one later than it. */
  #updateOf(recorded: number): number {
    return this.#known.count + Math.floor((this.#known.micro + recorded) / this.#settings.micro);
  }

  /** Makes sure the row of the next update is in the ring. @throws DownhillError HYPER-* where a schedule has no value. */
  #writeRows(): void {
    const version = this.#versions();
    if (version !== this.#version) {
      this.#version = version;
      this.#rewriteRows();
    }
    const next = this.#updateOf(this.#recorded);
    while (this.#written <= next) this.#writeBlock(Math.floor(this.#written / ROW_BLOCK), next);
  }

  /** Changes when a schedule that is fed a metric has changed its value. */
  #versions(): number {
    return this.#dynamic.reduce((sum, schedule) => sum + schedule.version, 0);
  }

  /** Writes what the ring holds anew, but for updates known to have happened: their rows are not read again. */
  #rewriteRows(): void {
    const end = Math.ceil(this.#written / ROW_BLOCK);
    const oldest = Math.max(end - this.#made.ringRows / ROW_BLOCK, 0);
    const last = this.#updateOf(this.#recorded - 1);
    for (let block = Math.max(oldest, Math.floor(this.#known.count / ROW_BLOCK)); block < end; block++) {
      if (!this.#writeBlock(block, last)) break;
    }
  }

  /**
   * @param needed the update up to which a schedule must have values; where one fails later, the rows before it are written.
   * @returns whether the block is complete.
   */
  #writeBlock(block: number, needed: number): boolean {
    const first = block * ROW_BLOCK;
    let rows = 0;
    try {
      for (; rows < ROW_BLOCK; rows++) this.#packRows(first + rows, rows);
    } catch (error) {
      if (first + rows <= needed) throw error;
    }
    const words = ROW_WORDS * this.#rows.length;
    const at = 4 * words * (first % this.#made.ringRows);
    this.#buffers.device.queue.writeBuffer(this.#made.ring, at, this.#block.u32, 0, words * rows);
    this.#written = first + rows;
    return rows === ROW_BLOCK;
  }

  /** The rows of one update, one per group. */
  #packRows(count: number, place: number): void {
    const { gradScale, clipValue } = this.#settings;
    for (const [row, { frozen, source }] of this.#rows.entries()) {
      const values = source.at(count);
      packRow(this.#row.shader, this.#block, place * this.#rows.length + row, {
        ...values,
        skip: frozen ? 1 : 0,
        grad_scale: values.grad_scale! * gradScale,
        clip_value: clipValue ?? values.clip_value!,
      });
    }
  }
}
