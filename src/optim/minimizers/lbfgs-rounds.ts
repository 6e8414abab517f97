import { type BufferRange, type BufferSet, readRanges } from '../../gpu/buffers.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { MAX_STEP } from '../../kernels/account.js';
import { CLOCK_BYTES, clockOffset, readClocks } from '../../kernels/advance.js';
import {
  LBFGS_POINTS,
  LBFGS_STATE_BYTES,
  lbfgsForms,
  lbfgsOffset,
  lbfgsSettings,
  readLbfgs,
} from '../../kernels/lbfgs.js';
import type { Op } from '../../kernels/op.js';
import type { PlacedVector, Space, Vector } from '../../space/space.js';
import { type Copies, checkAlike, type Json, type NamedRange } from '../../space/stateful.js';
import { readTensors } from '../../space/vectors.js';
import { changed, nextRules } from '../groups.js';
import type { BoundMinimizer, MinimizerBinding, MinimizerMemory, MinimizerReport, StopReason } from '../minimizer.js';
import type { Rule } from '../rule.js';
import type { OptimizerState } from '../state-types.js';
import { hyperOf, type LbfgsHyper, type LbfgsMemory, memoryOf, pointsOf, slotsOf } from './lbfgs-memory.js';
import { roundOps } from './lbfgs-ops.js';
import { goingOn, Rounds } from './rounds.js';

/*
 * L-BFGS on the GPU: vectors of the parameters' space, a history of `history` + 1 slots (the last pair goes into the one that is free, and
 * stays where it has curvature), points of a round as replicas, and a state that kernels alone write. What `lbfgs` names in its row.
 */

export const forms = lbfgsForms;
export const points = (rule: Rule): number => pointsOf(hyperOf(rule));
/** A kernel binds all points of a span, or all slots of it. */
export const together = (rule: Rule): number => Math.max(points(rule), slotsOf(hyperOf(rule)));
export const bind = (binding: MinimizerBinding<Rule>): BoundMinimizer<Rule> => new Lbfgs(binding);

/**
 * Rounds of a submit. Those behind the end look at the objective all the same, and two submits are under way: with no such limit a
 * training of 23 rounds took the time of 37 (lavapipe).
 */
const TOGETHER = 8;
/** Settings that kernels and memory were made for. */
const FIXED = ['history', 'lineSearch', 'trials', 'stochastic'] as const satisfies (keyof LbfgsHyper)[];

const sizeOf = ({ ranges }: Vector) => ranges.reduce((sum, { size }) => sum + size, 0);

class Lbfgs implements BoundMinimizer<Rule> {
  readonly key = 'optimizer';
  readonly replicas = 1;
  readonly copies: readonly Vector[] = [];
  readonly scalars: Rounds;
  readonly ops: readonly Op[];
  readonly #binding: MinimizerBinding<Rule>;
  readonly #memory: LbfgsMemory;
  /** Groups' places among the records that are trained, all alike. */
  readonly #rule: Rule;

  constructor(binding: MinimizerBinding<Rule>) {
    const { groups } = binding;
    this.#binding = binding;
    this.#rule = (groups.find(({ frozen }) => !frozen) ?? groups[0]!).rules[0]!;
    this.#memory = memoryOf(binding, this.#rule);
    this.scalars = new Rounds(
      groups.flatMap(({ rules }) => rules),
      (rules) => this.#write(rules),
      TOGETHER,
    );
    this.#write(this.scalars.rules);
    const bound = binding.objective(this.#memory.points);
    this.ops = roundOps(binding, this.#memory, bound, hyperOf(this.#rule));
  }

  get buffers(): BufferSet {
    return this.#binding.buffers;
  }

  get clock(): BufferRange {
    return this.#memory.clock;
  }

  get gradient(): Vector {
    return this.#memory.g;
  }

  get stopped(): StopReason | undefined {
    return this.scalars.stopped;
  }

  /** The record of the tensors that are trained. */
  get #record(): number {
    return Math.max(
      this.#binding.groups.findIndex(({ frozen }) => !frozen),
      0,
    );
  }

  #write(rules: readonly Rule[]): void {
    const { settings } = this.#memory;
    const { lr, toleranceGrad, toleranceChange } = hyperOf(rules[this.#record]!);
    const words = lbfgsSettings({ lr, tolerance_grad: toleranceGrad, tolerance_change: toleranceChange });
    this.buffers.device.queue.writeBuffer(settings.buffer, settings.offset, words);
  }

  set(options: unknown, names?: unknown): void {
    const { groups } = this.#binding;
    const rules = nextRules(groups, this.scalars.rules, [], options, names);
    const [now, next] = [hyperOf(this.#rule), hyperOf(rules[this.#record]!)];
    const other = FIXED.find((key) => now[key] !== next[key]);
    if (other !== undefined) {
      throw new DownhillError(
        'OPTION-RANGE',
        `lbfgs: ${other} is ${show(now[other])}, which its memory was made for; ${show(next[other])} cannot take its place.`,
        'Make a new trainer with it, and importWeights.',
      );
    }
    this.scalars.change(rules);
    if (this.stopped || this.#binding.alone) this.#goOn([0, 0, 0, 0], lbfgsOffset('stop'));
  }

  /** x was set from outside: nothing is known of it. */
  follow(): void {
    this.#goOn(Array<number>(LBFGS_STATE_BYTES / 4).fill(0), 0);
    const { steps } = this.#memory;
    this.buffers.device.queue.writeBuffer(steps.buffer, steps.offset, new Uint32Array(LBFGS_POINTS));
  }

  /** Writes words of the state, and lets the clock go on where it was this that halted it. */
  #goOn(words: readonly number[], offset: number): void {
    const { state, clock } = this.#memory;
    const { queue } = this.buffers.device;
    queue.writeBuffer(state.buffer, state.offset + offset, Uint32Array.from(words));
    if (!this.stopped && !this.#binding.alone) return;
    const fault = Uint32Array.of(goingOn(this.scalars.fault));
    queue.writeBuffer(clock.buffer, clock.offset + clockOffset('fault'), fault);
    this.scalars.resumed();
  }

  memory(): MinimizerMemory {
    const { g, d, s, y, points: own } = this.#memory;
    const state = [d, s, y, own.params].reduce((sum, vector) => sum + sizeOf(vector), 0);
    return {
      encodings: Object.fromEntries(['gradient', 'direction', 's', 'y'].map((name) => [name, 'f32'])),
      gradients: sizeOf(g) + sizeOf(own.grads),
      state,
    };
  }

  vectors(): readonly PlacedVector[] {
    const { space } = this.#binding;
    const { g, d, s, y, slots } = this.#memory;
    const slotted = [s, y].flatMap((vector) => Array.from({ length: slots }, (_, i) => slotOf(space, vector, i)));
    return [g, d, ...slotted].map((vector) => ({ space, vector }));
  }

  ranges(): readonly NamedRange[] {
    const { clock, state, steps, products, delta } = this.#memory;
    const named = { clock, state, steps, products, delta };
    return Object.entries(named).map(([name, own]) => ({ name, ...own }));
  }

  async state(): Promise<OptimizerState> {
    const { buffers, space } = this.#binding;
    const { device, label } = buffers;
    const { clock, state } = this.#memory;
    const vectors = this.vectors().map(({ vector }) => vector);
    const [[clockBytes, stateBytes], copies] = await Promise.all([
      readRanges(device, label, [clock, state]),
      readTensors(device, label, space, vectors),
    ]);
    const { step, count, skipped, streak, micro } = readClocks(clockBytes!)[0]!;
    const { value, grad_max, pairs } = readLbfgs(stateBytes!);
    const tensors = space.tensors.map(({ name }) => [
      name,
      Object.fromEntries(vectors.map((vector, i) => [vector.name, copies[i]!.get(name)!])),
    ]);
    return {
      ...{ version: 1, rule: this.#rule.row.name, step, count, skipped, streak, micro, carries: [] },
      tensors: Object.fromEntries(tensors),
      scalars: { value: Float32Array.of(value), gradMax: Float32Array.of(grad_max), pairs: Float32Array.of(pairs) },
    };
  }

  async read(): Promise<MinimizerReport> {
    const { device, label } = this.buffers;
    const { clock, state } = this.#memory;
    const [clockBytes, stateBytes] = await readRanges(device, label, [clock, state]);
    const clocks = readClocks(clockBytes!);
    this.scalars.see(clocks);
    const { value, grad_max } = readLbfgs(stateBytes!);
    const { step, count } = clocks[0]!;
    return { rounds: step, iterations: count, value, gradMax: grad_max, stopped: this.stopped };
  }

  freeze() {
    const { hyper } = this.scalars.rules[this.#record]!;
    return { host: (): Json => ({ version: 1, rule: this.#rule.row.name, hyper: { ...(hyper as object) } as Json }) };
  }

  host(): Json {
    return this.freeze().host();
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH */
  checkKind(host: Json): void {
    const { rule, hyper = {} } = (host ?? {}) as { readonly rule?: Json; readonly hyper?: Partial<LbfgsHyper> };
    const fix = 'Make the trainer with the rule that the file was trained with, or import its weights alone.';
    checkAlike('rule', rule, this.#rule.row.name, fix);
    const own = hyperOf(this.#rule);
    const pick = (from: Partial<LbfgsHyper>) => Object.fromEntries(FIXED.map((key) => [key, from[key] ?? null]));
    checkAlike('settings', pick(hyper), pick(own), fix);
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

/** One slot of the history as a vector. */
function slotOf({ spans }: Space, { name, ranges }: Vector, slot: number): Vector {
  return {
    name: `${name}-${slot}`,
    ranges: ranges.map(({ buffer, offset }, i) => {
      const size = 4 * spans[i]!.elements;
      return { buffer, offset: offset + slot * size, size };
    }),
  };
}
