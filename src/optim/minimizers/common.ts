import { type BufferRange, type BufferSet, readRanges } from '../../gpu/buffers.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { MAX_STEP } from '../../kernels/account.js';
import { CLOCK_BYTES, clockOffset, readClocks } from '../../kernels/advance.js';
import type { Op } from '../../kernels/op.js';
import type { PlacedVector, Vector } from '../../space/space.js';
import { type Copies, checkAlike, type Json, type NamedRange } from '../../space/stateful.js';
import { readTensors } from '../../space/vectors.js';
import { changed, nextRules } from '../groups.js';
import type { BoundMinimizer, MinimizerBinding, MinimizerMemory, StopReason } from '../minimizer.js';
import type { Rule } from '../rule.js';
import type { OptimizerState } from '../state-types.js';
import { goingOn, type Rounds } from './rounds.js';

/* What minimizers have in common to the host: settings, an end that `set` takes back, and what a checkpoint has of them. */

/** Of what a minimizer has on the GPU, what is there in all of them. */
export interface CommonMemory {
  readonly clock: BufferRange;
  readonly settings: BufferRange;
  readonly state: BufferRange;
  readonly g: Vector;
}

/** The rule of the tensors that are trained: these have one. */
export const trainedRule = ({ groups }: MinimizerBinding<Rule>): Rule =>
  (groups.find(({ frozen }) => !frozen) ?? groups[0]!).rules[0]!;

/** Bytes of a vector, all replicas. */
export const sizeOf = ({ ranges }: Vector): number => ranges.reduce((sum, { size }) => sum + size, 0);

/** @typeParam M its memory */
export abstract class CommonMinimizer<M extends CommonMemory> implements BoundMinimizer<Rule> {
  readonly key = 'optimizer';
  readonly replicas = 1;
  readonly copies: readonly Vector[] = [];
  abstract readonly scalars: Rounds;
  abstract readonly ops: readonly Op[];
  protected readonly rule: Rule;

  constructor(
    protected readonly binding: MinimizerBinding<Rule>,
    protected readonly own: M,
    /** Settings that kernels and memory were made for. */
    protected readonly fixed: readonly string[],
  ) {
    this.rule = trainedRule(binding);
  }

  /** Writes the settings that kernels read. */
  protected abstract write(rule: Rule): void;

  /** The reason to end, and the counters that lead to one, are behind each other in the state: where, and how many words. */
  protected abstract readonly ending: { readonly offset: number; readonly words: number };

  /** Numbers of the state, by name. */
  protected abstract numbers(state: ArrayBuffer): Readonly<Record<string, number>>;

  /** x was set from outside: nothing is known of it. */
  abstract follow(): void;
  abstract memory(): MinimizerMemory;
  abstract vectors(): readonly PlacedVector[];
  abstract ranges(): readonly NamedRange[];

  get buffers(): BufferSet {
    return this.binding.buffers;
  }

  get clock(): BufferRange {
    return this.own.clock;
  }

  get gradient(): Vector {
    return this.own.g;
  }

  get stopped(): StopReason | undefined {
    return this.scalars.stopped;
  }

  /** The rules' record of the tensors that are trained. */
  protected get record(): number {
    return Math.max(
      this.binding.groups.findIndex(({ frozen }) => !frozen),
      0,
    );
  }

  set(options: unknown, names?: unknown): void {
    const { groups } = this.binding;
    const rules = nextRules(groups, this.scalars.rules, [], options, names);
    const [now, next] = [this.rule, rules[this.record]!].map(({ hyper }) => hyper as Readonly<Record<string, unknown>>);
    const other = this.fixed.find((key) => now![key] !== next![key]);
    if (other !== undefined) {
      throw new DownhillError(
        'OPTION-RANGE',
        `${this.rule.row.name}: ${other} is ${show(now![other])}, which it was made for; ${show(next![other])} cannot take its place.`,
        'Make a new trainer with it, and importWeights.',
      );
    }
    this.scalars.change(rules);
    const { offset, words } = this.ending;
    if (this.stopped || this.binding.alone) this.goOn(Array<number>(words).fill(0), offset);
  }

  /** Writes words of the state, and lets the clock go on where it was this that halted it. */
  protected goOn(words: readonly number[], offset: number): void {
    const { state, clock } = this.own;
    const { queue } = this.buffers.device;
    queue.writeBuffer(state.buffer, state.offset + offset, Uint32Array.from(words));
    if (!this.stopped && !this.binding.alone) return;
    const fault = Uint32Array.of(goingOn(this.scalars.fault));
    queue.writeBuffer(clock.buffer, clock.offset + clockOffset('fault'), fault);
    this.scalars.resumed();
  }

  async state(): Promise<OptimizerState> {
    const { buffers, space } = this.binding;
    const { device, label } = buffers;
    const { clock, state } = this.own;
    const vectors = this.vectors().map(({ vector }) => vector);
    const [[clockBytes, stateBytes], copies] = await Promise.all([
      readRanges(device, label, [clock, state]),
      readTensors(device, label, space, vectors),
    ]);
    const { step, count, skipped, streak, micro } = readClocks(clockBytes!)[0]!;
    const tensors = space.tensors.map(({ name }) => [
      name,
      Object.fromEntries(vectors.map((vector, i) => [vector.name, copies[i]!.get(name)!])),
    ]);
    const scalars = Object.entries(this.numbers(stateBytes!)).map(([name, own]) => [name, Float32Array.of(own)]);
    return {
      ...{ version: 1, rule: this.rule.row.name, step, count, skipped, streak, micro, carries: [] },
      tensors: Object.fromEntries(tensors),
      scalars: Object.fromEntries(scalars),
    };
  }

  freeze() {
    const { hyper } = this.scalars.rules[this.record]!;
    return { host: (): Json => ({ version: 1, rule: this.rule.row.name, hyper: { ...(hyper as object) } as Json }) };
  }

  host(): Json {
    return this.freeze().host();
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH */
  checkKind(host: Json): void {
    const { rule, hyper = {} } = (host ?? {}) as { readonly rule?: Json; readonly hyper?: Record<string, Json> };
    const fix = 'Make the trainer with the rule that the file was trained with, or import its weights alone.';
    checkAlike('rule', rule, this.rule.row.name, fix);
    const pick = (from: Readonly<Record<string, Json>>) =>
      Object.fromEntries(this.fixed.map((key) => [key, from[key] ?? null]));
    checkAlike('settings', pick(hyper), pick(this.rule.hyper as Record<string, Json>), fix);
  }

  stepIn(copies: Copies): number {
    return readClocks(copies.get('clock')!)[0]!.step;
  }

  check(host: Json, copies: Copies): void {
    this.checkKind(host);
    const bytes = copies.get('clock')!;
    const clock = bytes.byteLength === CLOCK_BYTES ? readClocks(bytes)[0]! : undefined;
    if (!clock || clock.step > MAX_STEP || clock.count > clock.step) {
      throw new DownhillError(
        'CHECKPOINT-MISMATCH',
        `The optimizer's clock in the file is none: ${clock ? `step ${clock.step}, update ${clock.count}` : `${bytes.byteLength} bytes`}.`,
        'Use an earlier checkpoint.',
      );
    }
    this.#rulesIn(host);
  }

  /** The rules with the file's settings. */
  #rulesIn(host: Json): Rule[] {
    const { hyper } = host as unknown as { readonly hyper: object };
    return this.scalars.rules.map((rule) => changed(rule, hyper));
  }

  load(host: Json, copies: Copies): void {
    this.scalars.change(this.#rulesIn(host));
    this.scalars.restart(readClocks(copies.get('clock')!)[0]!);
  }
}
