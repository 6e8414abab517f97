import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { checkNumber, type Fields, type HyperOf } from '../gpu/fields.js';
import { type Clock, FAULT } from '../kernels/advance.js';
import { packRecord, RECORD_BLOCK, RECORD_WORDS } from '../kernels/update.js';
import { hyperAt, isSteady, type Rule, type RuleRow, recordOf, startOf } from './rule.js';
import { type DynamicSchedule, isDynamic } from './schedules/core.js';

/** Tensors that share their hyper-parameters. */
export interface Group {
  readonly tensors: readonly string[];
  /** Never updated. */
  readonly frozen: boolean;
  /** One per replica, all of one row. */
  readonly rules: readonly Rule[];
}

/** Bytes of the ring, where nobody says how many updates it holds: so many that steps can be recorded far ahead. */
const RING_BYTES = 2 ** 22;
const MOST_UPDATES = 8192;

export interface ScalarOptions {
  readonly row: RuleRow;
  readonly groups: readonly Group[];
  readonly replicas: number;
  /** Attempts to an update. */
  readonly micro: number;
  readonly gradScale: number;
  readonly clipValue: number | undefined;
  /** Updates the ring holds, a multiple of `block`. */
  readonly updates?: number | undefined;
  /** Updates that are written at once. Default 256. */
  readonly block?: number | undefined;
}

const dynamicOf = (rules: readonly Rule[]): DynamicSchedule[] =>
  rules.flatMap(({ hyper }) => Object.values(hyper).flat()).filter(isDynamic);

/** How the record of an update comes about. */
interface RecordPlan {
  readonly record: number;
  readonly replica: number;
  readonly rule: Rule;
  readonly frozen: boolean;
  /** Its settings, where no schedule is among them. */
  readonly hyper: Rule['hyper'] | undefined;
  /** A record before it that is the same in every update. */
  readonly same: number | undefined;
}

/** The learning rate of an update by record, as it was when this was taken. */
export type Rates = (record: number, count: number) => number;

/**
 * The ring of records on the GPU: the per-step scalars of every update that may come next, one record of 64 bytes per
 * group and replica (record = group · replicas + replica), written ahead in blocks of updates. A record is overwritten
 * only when no step can need it any more: the GPU's count lies between one that was read back and the attempts issued
 * since. Records that a step may still read can be written again in queue order, with other values.
 */
export class ScalarRing {
  readonly range: BufferRange;
  /** Updates it holds. */
  readonly updates: number;
  readonly #queue: GPUQueue;
  readonly #options: ScalarOptions;
  /** By record. */
  #rules: readonly Rule[];
  /** The schedules among their settings that change by more than the count. */
  #dynamic: readonly DynamicSchedule[];
  #version: number;
  /** One block, packed here and uploaded at once. */
  readonly #block: { readonly u32: Uint32Array<ArrayBuffer>; readonly f32: Float32Array<ArrayBuffer> };
  /** By block of the ring, the learning rates in it; replaced, never changed. */
  #rates: readonly Float64Array[];
  /** What each record's rule carries to an update, by update and record: `#width` numbers; and the last update known. */
  readonly #carries: Float64Array;
  readonly #width: number;
  #carried = 0;
  /** By replica: the update that the carries were loaded for. */
  #starts: readonly number[];
  /** By replica: the update that was its first one, where it joined later. */
  #born: readonly number[];
  /** By replica: whether its clock was halted. It needs no records, and keeps what its rules carried then, by record. */
  #halted: readonly boolean[];
  readonly #kept = new Map<number, readonly number[]>();
  /** How records come about; made anew when rules or replicas change. */
  #plans: readonly RecordPlan[] | undefined;
  readonly #blockSize: number;
  /** What was read back last, of all replicas: attempts and micro-steps, the lowest and the highest count. */
  #seen = { step: 0, micro: 0, low: 0, high: 0 };
  /** Attempts in all, also those the GPU has not seen. */
  #issued = 0;
  /** Records of updates below this one are in the ring. */
  #written = 0;
  #failure: unknown;

  constructor(buffers: BufferSet, options: ScalarOptions) {
    const { groups, replicas, row } = options;
    const records = groups.length * replicas;
    const block = options.block ?? RECORD_BLOCK;
    const fitting = Math.floor(RING_BYTES / (4 * RECORD_WORDS * records) / block) * block;
    this.updates = options.updates ?? Math.max(2 * block, Math.min(MOST_UPDATES, fitting));
    this.#blockSize = block;
    this.#options = options;
    this.#queue = buffers.device.queue;
    this.#rules = groups.flatMap(({ rules }) => rules);
    this.#dynamic = dynamicOf(this.#rules);
    this.#version = this.#versions();
    this.range = range(buffers.storage('ring', 4 * RECORD_WORDS * this.updates * records));
    const bytes = new ArrayBuffer(4 * RECORD_WORDS * block * records);
    this.#block = { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) };
    this.#rates = Array.from({ length: this.updates / block }, () => new Float64Array(0));
    const start = startOf(row);
    this.#width = start.length;
    this.#carries = Float64Array.from(
      { length: this.updates * records * this.#width },
      (_, i) => start[i % start.length]!,
    );
    this.#starts = new Array<number>(replicas).fill(0);
    this.#born = this.#starts;
    this.#halted = new Array<boolean>(replicas).fill(false);
  }

  /** By record. */
  get rules(): readonly Rule[] {
    return this.#rules;
  }

  /** By replica: the update that was its first one. */
  get born(): readonly number[] {
    return this.#born;
  }

  /** Attempts issued so far. */
  get issued(): number {
    return this.#issued;
  }

  /** Why the last `issue` gave fewer attempts than it was asked for. */
  get failure(): unknown {
    return this.#failure;
  }

  /**
   * Issues up to `attempts` steps: makes sure that they find their records, as the schedules are now.
   *
   * @param bounded never overwrite a record that a replica, as it was seen last, may still need: for who reads the clocks
   * @returns how many of them do, in any case: fewer, or none, where a schedule has no value for an update they may reach
   * @throws DownhillError HYPER-* where it is certain that the next update is such a one; RUN-AHEAD where one replica has
   *   left out so many more updates than another that the ring cannot hold both's
   */
  issue(attempts: number, bounded = false): number {
    const ready = this.ready(attempts, bounded);
    this.#issued += ready;
    return ready;
  }

  /** As many as {@link issue} would issue, with their records written. */
  ready(attempts: number, bounded = false): number {
    const version = this.#versions();
    if (version !== this.#version) this.#rewrite();
    this.#version = version;
    const pending = Math.max(this.#issued - this.#seen.step, 0);
    const last = this.#updateOf(pending + attempts - 1);
    const end = bounded ? this.#seen.low + this.updates : Number.POSITIVE_INFINITY;
    const block = this.#blockSize;
    const fits = () => this.#written - (this.#written % block) + block <= end;
    while (this.#written <= last && fits() && this.#writeBlock());
    const { micro } = this.#options;
    const found = (this.#written - this.#seen.high) * micro - this.#seen.micro - pending;
    const ready = Math.max(Math.min(attempts, found), 0);
    if (ready === 0 && this.#updateOf(pending) === this.#seen.high) throw fits() ? this.#failure : this.#tooFarApart();
    return ready;
  }

  #tooFarApart(): DownhillError {
    return new DownhillError(
      'RUN-AHEAD',
      `One replica has applied ${this.#seen.low} updates, another ${this.#seen.high}: the ring holds ${this.updates}.`,
      'Train networks that leave out many updates apart from the others.',
    );
  }

  /** Takes in what the clocks said. Halted ones need no records; where all are, what was issued behind that did nothing. */
  see(clocks: readonly Clock[]): void {
    const halted = clocks.map(({ fault }) => (fault & FAULT.halted) !== 0);
    const going = clocks.filter((_, replica) => !halted[replica]);
    // (Those halted last of all may be let go on, from where the ring is.)
    if (going.length > 0 && halted.some((each, replica) => each !== this.#halted[replica])) this.#halt(halted, clocks);
    const counts = (going.length > 0 ? going : clocks).map(({ count }) => count);
    const { step, micro } = going[0] ?? clocks[0]!;
    this.#seen = { step, micro, low: Math.min(...counts), high: Math.max(...counts) };
    if (going.length === 0) this.#issued = step;
  }

  /**
   * Goes on from a state: what was issued before belongs to another history.
   *
   * @param carries by record
   * @param rules by record; default as they are
   * @param born by replica: the update that was its first one; default as it is
   */
  restart(
    clocks: readonly Clock[],
    carries: readonly (readonly number[])[],
    rules: readonly Rule[] = this.#rules,
    born: readonly number[] = this.#born,
  ): void {
    this.#born = born;
    this.#halted = clocks.map(() => false);
    this.#kept.clear();
    this.#plans = undefined;
    this.#rules = rules;
    this.#dynamic = dynamicOf(rules);
    this.#version = this.#versions();
    this.#failure = undefined;
    // What those that are halted carry is told by the same numbers.
    for (const [record, carry] of carries.entries())
      this.#setCarry(record, clocks[record % clocks.length]!.count, carry);
    this.see(clocks);
    this.#issued = this.#seen.step;
    this.#written = this.#seen.low;
    this.#carried = this.#seen.low;
    this.#starts = clocks.map(({ count }) => count);
    for (const [record, carry] of carries.entries()) this.#setCarry(record, this.#seen.low, carry);
  }

  /** Takes down what rules of replicas carry that are halted now. */
  #halt(halted: readonly boolean[], clocks: readonly Clock[]): void {
    const replicas = halted.length;
    for (let record = 0; record < this.#rules.length; record++) {
      const replica = record % replicas;
      if (!halted[replica]) this.#kept.delete(record);
      else if (!this.#halted[replica]) this.#kept.set(record, this.carry(record, clocks[replica]!.count));
    }
    this.#halted = halted;
    this.#plans = undefined;
  }

  /** Other rules for every record, from the next submit on. @throws DownhillError HYPER-*, with the rules as before. */
  change(rules: readonly Rule[]): void {
    const before = this.#rules;
    this.#use(rules);
    if (this.#written < this.#issuedUpdates()) {
      const failure = this.#failure;
      this.#use(before);
      throw failure;
    }
    this.#version = this.#versions();
  }

  #use(rules: readonly Rule[]): void {
    this.#rules = rules;
    this.#plans = undefined;
    this.#dynamic = dynamicOf(rules);
    this.#rewrite();
  }

  /** What rules carry to updates as it is now, whatever is written or loaded later. */
  carries(): (record: number, count: number) => readonly number[] {
    const values = this.#carries.slice();
    const kept = new Map(this.#kept);
    return (record, count) => kept.get(record) ?? [...this.#carryIn(values, record, count)];
  }

  /** The learning rates as they are now, whatever is written later. */
  rates(): Rates {
    const blocks = this.#rates;
    const [records, block] = [this.#rules.length, this.#blockSize];
    return (record, count) => {
      const at = count % this.updates;
      return blocks[Math.floor(at / block)]![(at % block) * records + record] ?? Number.NaN;
    };
  }

  /** What a record's rule carries to an update that is not older than the ring. */
  carry(record: number, count: number): readonly number[] {
    return this.#kept.get(record) ?? [...this.#carryIn(this.#carries, record, count)];
  }

  #carryIn(values: Float64Array, record: number, count: number): Float64Array {
    const at = ((count % this.updates) * this.#rules.length + record) * this.#width;
    return values.subarray(at, at + this.#width);
  }

  #setCarry(record: number, count: number, carry: readonly number[]): void {
    this.#carryIn(this.#carries, record, count).set(carry);
  }

  /** The update that an attempt so many after the last one seen belongs to, or one later than it. */
  #updateOf(attempt: number): number {
    return this.#seen.high + Math.floor((this.#seen.micro + attempt) / this.#options.micro);
  }

  /** Updates that the attempts issued may make. */
  #issuedUpdates(): number {
    return this.#updateOf(Math.max(this.#issued - this.#seen.step, 0));
  }

  /** Changes when a schedule that is fed a metric has changed its value. */
  #versions(): number {
    return this.#dynamic.reduce((sum, { version }) => sum + version, 0);
  }

  /**
   * Writes what the ring holds anew, but for updates known to have happened. What rules carry stays as it was for updates
   * that attempts were issued for, and goes on from there.
   */
  #rewrite(): void {
    const end = this.#written;
    this.#carried = Math.min(this.#carried, this.#issuedUpdates());
    this.#written = Math.min(Math.max(this.#seen.low, end - this.updates), end);
    while (this.#written < end && this.#writeBlock());
  }

  /**
   * Writes on to the end of a block, or to the update before one that fails: most likely nobody gets that far.
   *
   * @returns whether it came to the end
   */
  #writeBlock(): boolean {
    const records = this.#rules.length;
    const block = this.#blockSize;
    const first = this.#written;
    const place = first % block;
    const slot = Math.floor((first % this.updates) / block);
    const rates = new Float64Array(block * records);
    if (place > 0) rates.set(this.#rates[slot]!);
    let done = 0;
    this.#failure = undefined;
    this.#plans ??= this.#plan();
    try {
      for (; place + done < block; done++) this.#pack(first + done, done, rates, (place + done) * records);
    } catch (error) {
      this.#failure = error;
    }
    const words = RECORD_WORDS * records;
    const at = this.range.offset + 4 * words * (first % this.updates);
    if (done > 0) this.#queue.writeBuffer(this.range.buffer, at, this.#block.u32, 0, words * done);
    this.#rates = this.#rates.map((block, i) => (i === slot ? rates : block));
    this.#written = first + done;
    return this.#failure === undefined;
  }

  /** What the records of updates are made of: those of equal settings and age are computed once. */
  #plan(): RecordPlan[] {
    const { groups, replicas } = this.#options;
    const numbers = new Map<unknown, number>();
    const nameOf = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(nameOf);
      if (typeof value !== 'function') return value;
      if (!numbers.has(value)) numbers.set(value, numbers.size);
      return { schedule: numbers.get(value) };
    };
    const known = new Map<string, number>();
    return this.#rules.flatMap((rule, record) => {
      const replica = record % replicas;
      if (this.#halted[replica]) return [];
      const { frozen } = groups[Math.floor(record / replicas)]!;
      const key = JSON.stringify([frozen, this.#born[replica], Object.values(rule.hyper).map(nameOf)]);
      // What rules carry depends on when they began.
      const same = this.#width === 0 ? known.get(key) : undefined;
      if (same === undefined) known.set(key, record);
      return [{ record, replica, rule, frozen, hyper: isSteady(rule) ? rule.hyper : undefined, same }];
    });
  }

  /** The records of one update, into a place of the block, and their rates from `at` on. */
  #pack(count: number, place: number, rates: Float64Array, at: number): void {
    const { row, gradScale, clipValue } = this.#options;
    const { u32 } = this.#block;
    const first = place * this.#rules.length;
    const carries: (readonly number[])[] = [];
    for (const { record, replica, rule, frozen, hyper, same } of this.#plans!) {
      if (same !== undefined) {
        const from = (first + same) * RECORD_WORDS;
        u32.copyWithin((first + record) * RECORD_WORDS, from, from + RECORD_WORDS);
        rates[at + record] = rates[at + same]!;
        continue;
      }
      const age = Math.max(count - this.#born[replica]!, 0);
      const carried = this.#width === 0 ? NOTHING : this.carry(record, count);
      const { values, lr, carry } = recordOf(rule, (hyper as HyperOf<Fields>) ?? hyperAt(rule, age), age, carried);
      const own = values as Record<string, number>;
      own.count = count;
      own.skip = frozen ? 1 : 0;
      own.grad_scale = own.grad_scale! * gradScale;
      own.clip_value = clipValue ?? own.clip_value!;
      packRecord(row.shader, this.#block, first + record, own);
      rates[at + record] = lr;
      if (this.#width > 0) carries[record] = count < this.#starts[replica]! ? carried : carry;
    }
    // Only once all records of the update have a value; what is known stays.
    if (count < this.#carried) return;
    carries.forEach((carry, record) => {
      this.#setCarry(record, count + 1, carry);
    });
    this.#carried = count + 1;
  }
}

const NOTHING: readonly number[] = [];

/** A factor on what a hyper-parameter is: made by {@link scale}. */
export class Scale {
  constructor(readonly factor: number) {}
}

/**
 * For `set`: a factor on each group's own value, number or schedule, so that the ratios of groups stay.
 *
 * @example optimizer.set({ lr: scale(0.1) });
 * @throws DownhillError OPTION-* unless it is finite and at least 0.
 */
export const scale = (factor: number): Scale => new Scale(checkNumber('scale: the factor', factor, { min: 0 }));
