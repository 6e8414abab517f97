import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Fields, HyperOf } from '../gpu/fields.js';
import { type Clock, FAULT } from '../kernels/advance.js';
import { packRecord, RECORD_BLOCK, RECORD_WORDS } from '../kernels/update.js';
import { Carries } from './carries.js';
import type { Group } from './group.js';
import { planRecords, type RecordPlan } from './record-plan.js';
import { hyperAt, type Rule, type RuleRow, recordOf, startOf } from './rule.js';
import { type DynamicSchedule, isDynamic } from './schedules/core.js';

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

/** Steps and updates have 32 bits on the GPU: behind the last one the first would come again. */
const MOST_COUNTED = 2 ** 32 - 1;

function checkCounters(count: number): void {
  if (count <= MOST_COUNTED) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${MOST_COUNTED} steps were counted, as many as 32 bits hold.`,
    'Load the state with lower counters: load({ ...(await state()), step: 0 }).',
  );
}

const dynamicOf = (rules: readonly Rule[]): DynamicSchedule[] =>
  rules.flatMap(({ hyper }) => Object.values(hyper).flat()).filter(isDynamic);

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
  readonly #carries: Carries;
  /** By replica: the update that the carries were loaded for. */
  #starts: readonly number[];
  /** By replica: the update that was its first one, where it joined later. */
  #born: readonly number[];
  /** By replica: whether its clock was halted. It needs no records, and keeps what its rules carried then. */
  #halted: readonly boolean[];
  /** How records come about; made anew when rules or replicas change. */
  #plans: readonly RecordPlan[] | undefined;
  readonly #blockSize: number;
  /** What was read back last, of all replicas: attempts and micro-steps, the lowest and the highest count. */
  #seen = { step: 0, micro: 0, low: 0, high: 0 };
  /** Attempts in all, also those the GPU has not seen. */
  #issued = 0;
  /** What `recorded` was at the last look. */
  #looked = 0;
  /** Attempts that were issued before a look and not done by the next: most likely nobody will submit them. */
  #dropped = 0;
  /** Attempts that no longer count as issued. */
  #forgotten = 0;
  /** What rules carried to an update that was seen, by record. */
  #seenCarries: { readonly count: number; readonly carries: readonly (readonly number[])[] } = {
    count: 0,
    carries: [],
  };
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
    this.#carries = new Carries(this.updates, records, startOf(row));
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

  /** The same with those that were forgotten: to be told to {@link look}. */
  get recorded(): number {
    return this.#issued + this.#forgotten;
  }

  /** Attempts that can be issued ahead of the GPU. */
  get #most(): number {
    return (this.updates - this.#blockSize) * this.#options.micro;
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
    if (!bounded && this.#issued + attempts - this.#seen.step > this.#most) this.#forget(this.#dropped);
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
    checkCounters(Math.max(this.#issued + attempts, last + 1));
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
   * The same where others submit the steps, or drop what they recorded: nobody is told of that. Those that have been waiting since
   * the look before this one count as long as the ring holds them and what comes behind; then they are taken for dropped.
   *
   * @param recorded when the clocks were asked for
   */
  look(clocks: readonly Clock[], recorded: number): void {
    // One that was asked for later came first: this one tells nothing new.
    if (recorded < this.#looked || clocks[0]!.step < this.#seen.step) return;
    this.see(clocks);
    const waiting = Math.max(recorded - this.#forgotten - this.#seen.step, 0);
    this.#dropped = Math.max(waiting - (recorded - this.#looked), 0);
    this.#looked = recorded;
    const { low } = this.#seen;
    if (this.#carries.width > 0 && this.#carries.known < low + this.updates)
      this.#seenCarries = { count: low, carries: this.#rules.map((_, record) => this.carry(record, low)) };
    // More than can be ahead of the GPU: records that it needs next were overwritten.
    if (this.#written <= low + this.updates) return;
    if (this.#carries.width > 0 && this.#seenCarries.count !== low) return;
    this.#forget(waiting);
    for (const [record, carry] of this.#seenCarries.carries.entries()) this.#carries.set(record, low, carry);
    this.#written = low;
    this.#carries.known = low;
  }

  #forget(attempts: number): void {
    this.#issued -= attempts;
    this.#forgotten += attempts;
    this.#dropped = 0;
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
    this.#carries.letAllGo();
    this.#plans = undefined;
    this.#rules = rules;
    this.#dynamic = dynamicOf(rules);
    this.#version = this.#versions();
    this.#failure = undefined;
    // What those that are halted carry is told by the same numbers.
    for (const [record, carry] of carries.entries())
      this.#carries.set(record, clocks[record % clocks.length]!.count, carry);
    this.see(clocks);
    this.#issued = this.#seen.step;
    this.#looked = this.recorded;
    this.#dropped = 0;
    this.#written = this.#seen.low;
    this.#carries.known = this.#seen.low;
    this.#starts = clocks.map(({ count }) => count);
    for (const [record, carry] of carries.entries()) this.#carries.set(record, this.#seen.low, carry);
  }

  /** Takes down what rules of replicas carry that are halted now. */
  #halt(halted: readonly boolean[], clocks: readonly Clock[]): void {
    const replicas = halted.length;
    for (let record = 0; record < this.#rules.length; record++) {
      const replica = record % replicas;
      if (!halted[replica]) this.#carries.letGo(record);
      else if (!this.#halted[replica]) this.#carries.keep(record, clocks[replica]!.count);
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
    return this.#carries.snapshot();
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
    return this.#carries.at(record, count);
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
    this.#carries.known = Math.min(this.#carries.known, this.#issuedUpdates());
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
    this.#plans ??= planRecords(this.#options.groups, this.#rules, {
      born: this.#born,
      halted: this.#halted,
      carrying: this.#carries.width > 0,
    });
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
      const carried = this.#carries.width === 0 ? NOTHING : this.carry(record, count);
      const { values, lr, carry } = recordOf(rule, (hyper as HyperOf<Fields>) ?? hyperAt(rule, age), age, carried);
      const own = values as Record<string, number>;
      own.count = count;
      own.skip = frozen ? 1 : 0;
      own.grad_scale = own.grad_scale! * gradScale;
      own.clip_value = clipValue ?? own.clip_value!;
      packRecord(row.shader, this.#block, first + record, own);
      rates[at + record] = lr;
      if (this.#carries.width > 0) carries[record] = count < this.#starts[replica]! ? carried : carry;
    }
    // Only once all records of the update have a value; what is known stays.
    if (count < this.#carries.known) return;
    carries.forEach((carry, record) => {
      this.#carries.set(record, count + 1, carry);
    });
    this.#carries.known = count + 1;
  }
}

const NOTHING: readonly number[] = [];
