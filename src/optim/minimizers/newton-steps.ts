import { type BufferRange, type BufferSet, readRanges } from '../../gpu/buffers.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { MAX_STEP } from '../../kernels/account.js';
import { CLOCK_BYTES, clockOffset, readClocks } from '../../kernels/advance.js';
import { NEWTON_STATE_BYTES, newtonForms, newtonOffset, newtonSettings, readNewton } from '../../kernels/newton.js';
import type { Op } from '../../kernels/op.js';
import { productForms } from '../../kernels/product-forms.js';
import type { PlacedVector, Vector } from '../../space/space.js';
import { type Copies, checkAlike, type Json, type NamedRange } from '../../space/stateful.js';
import { readTensors } from '../../space/vectors.js';
import { changed, nextRules } from '../groups.js';
import type { BoundMinimizer, MinimizerBinding, MinimizerMemory, MinimizerModule, StopReason } from '../minimizer.js';
import type { Rule } from '../rule.js';
import type { OptimizerState } from '../state-types.js';
import { hyperOf, memoryOf, type NewtonHyper, type NewtonMemory } from './newton-memory.js';
import { stepOps } from './newton-ops.js';
import { goingOn, Rounds } from './rounds.js';

/*
 * Newton's method on the GPU, with directions by conjugate gradients within a trust region: vectors of the parameters' space, and a
 * state that `control` alone writes. What `newtonCg` and `gaussNewton` name in their rows.
 */

const module = (gaussNewton: boolean): MinimizerModule<Rule> => ({
  forms: [...newtonForms, ...productForms],
  product: true,
  points: () => 1,
  together: () => 1,
  bind: (binding) => new Newton(binding, gaussNewton),
});

export const hessian = module(false);
export const gaussNewton = module(true);

/** Settings that kernels were made for. */
const FIXED = ['products'] as const satisfies (keyof NewtonHyper)[];

const sizeOf = ({ ranges }: Vector) => ranges.reduce((sum, { size }) => sum + size, 0);

/** It has no rate: the step is the model's own. */
class Steps extends Rounds {
  override rates(): (record: number) => number {
    return () => 1;
  }
}

class Newton implements BoundMinimizer<Rule> {
  readonly key = 'optimizer';
  readonly replicas = 1;
  readonly copies: readonly Vector[] = [];
  readonly scalars: Rounds;
  readonly ops: readonly Op[];
  readonly #binding: MinimizerBinding<Rule>;
  readonly #memory: NewtonMemory;
  /** Groups' places among the records that are trained, all alike. */
  readonly #rule: Rule;

  constructor(binding: MinimizerBinding<Rule>, gaussNewton: boolean) {
    const { groups } = binding;
    this.#binding = binding;
    this.#rule = (groups.find(({ frozen }) => !frozen) ?? groups[0]!).rules[0]!;
    this.#memory = memoryOf(binding);
    this.scalars = new Steps(
      groups.flatMap(({ rules }) => rules),
      (rules) => this.#write(rules),
    );
    this.#write(this.scalars.rules);
    const bound = binding.objective(this.#memory.points);
    this.ops = stepOps(binding, this.#memory, bound, hyperOf(this.#rule), gaussNewton);
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
    const { radius, toleranceGrad } = hyperOf(rules[this.#record]!);
    const words = newtonSettings({ radius, tolerance_grad: toleranceGrad });
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
        `${this.#rule.row.name}: ${other} is ${show(now[other])}, which its kernels were made for; ${show(next[other])} cannot take its place.`,
        'Make a new trainer with it, and importWeights.',
      );
    }
    this.scalars.change(rules);
    if (this.stopped || this.#binding.alone) this.#goOn([0, 0, 0], newtonOffset('stop'));
  }

  /** x was set from outside: nothing is known of it. */
  follow(): void {
    this.#goOn(Array<number>(NEWTON_STATE_BYTES / 4).fill(0), 0);
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
    const { g, z, r, d, hd, points } = this.#memory;
    return {
      encodings: Object.fromEntries([g, z, r, d].map(({ name }) => [name, 'f32'])),
      gradients: sizeOf(g) + sizeOf(points.grads),
      state: [z, r, d, hd, points.params].reduce((sum, vector) => sum + sizeOf(vector), 0),
    };
  }

  vectors(): readonly PlacedVector[] {
    const { space } = this.#binding;
    const { g, z, r, d } = this.#memory;
    return [g, z, r, d].map((vector) => ({ space, vector }));
  }

  ranges(): readonly NamedRange[] {
    const { clock, state } = this.#memory;
    const named = { clock, state };
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
    const { value, grad_max, products, radius } = readNewton(stateBytes!);
    const tensors = space.tensors.map(({ name }) => [
      name,
      Object.fromEntries(vectors.map((vector, i) => [vector.name, copies[i]!.get(name)!])),
    ]);
    return {
      ...{ version: 1, rule: this.#rule.row.name, step, count, skipped, streak, micro, carries: [] },
      tensors: Object.fromEntries(tensors),
      scalars: Object.fromEntries(
        Object.entries({ value, gradMax: grad_max, products, radius }).map(([name, own]) => [
          name,
          Float32Array.of(own),
        ]),
      ),
    };
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
    const { rule, hyper = {} } = (host ?? {}) as { readonly rule?: Json; readonly hyper?: Partial<NewtonHyper> };
    const fix = 'Make the trainer with the rule that the file was trained with, or import its weights alone.';
    checkAlike('rule', rule, this.#rule.row.name, fix);
    const own = hyperOf(this.#rule);
    const pick = (from: Partial<NewtonHyper>) => Object.fromEntries(FIXED.map((key) => [key, from[key] ?? null]));
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
