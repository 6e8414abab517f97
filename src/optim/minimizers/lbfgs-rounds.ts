import { readRanges } from '../../gpu/buffers.js';
import { readClocks } from '../../kernels/advance.js';
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
import type { NamedRange } from '../../space/stateful.js';
import type { BoundMinimizer, MinimizerBinding, MinimizerMemory, MinimizerReport } from '../minimizer.js';
import type { Rule } from '../rule.js';
import { CommonMinimizer, sizeOf, trainedRule } from './common.js';
import { hyperOf, type LbfgsHyper, type LbfgsMemory, memoryOf, pointsOf, slotsOf } from './lbfgs-memory.js';
import { roundOps } from './lbfgs-ops.js';
import { Rounds } from './rounds.js';

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

class Lbfgs extends CommonMinimizer<LbfgsMemory> {
  readonly scalars: Rounds;
  readonly ops: readonly Op[];
  protected readonly ending = { offset: lbfgsOffset('stop'), words: 4 };

  constructor(binding: MinimizerBinding<Rule>) {
    super(binding, memoryOf(binding, trainedRule(binding)), FIXED);
    this.scalars = new Rounds(
      binding.groups.flatMap(({ rules }) => rules),
      (rules) => this.write(rules[this.record]!),
      TOGETHER,
    );
    this.write(this.rule);
    const bound = binding.objective(this.own.points);
    this.ops = roundOps(binding, this.own, bound, hyperOf(this.rule));
  }

  protected write(rule: Rule): void {
    const { settings } = this.own;
    const { lr, toleranceGrad, toleranceChange } = hyperOf(rule);
    const words = lbfgsSettings({ lr, tolerance_grad: toleranceGrad, tolerance_change: toleranceChange });
    this.buffers.device.queue.writeBuffer(settings.buffer, settings.offset, words);
  }

  protected numbers(state: ArrayBuffer) {
    const { value, grad_max: gradMax, pairs } = readLbfgs(state);
    return { value, gradMax, pairs };
  }

  /** x was set from outside: nothing is known of it. */
  follow(): void {
    this.goOn(Array<number>(LBFGS_STATE_BYTES / 4).fill(0), 0);
    const { steps } = this.own;
    this.buffers.device.queue.writeBuffer(steps.buffer, steps.offset, new Uint32Array(LBFGS_POINTS));
  }

  memory(): MinimizerMemory {
    const { g, d, s, y, points: own } = this.own;
    const state = [d, s, y, own.params].reduce((sum, vector) => sum + sizeOf(vector), 0);
    return {
      encodings: Object.fromEntries(['gradient', 'direction', 's', 'y'].map((name) => [name, 'f32'])),
      gradients: sizeOf(g) + sizeOf(own.grads),
      state,
    };
  }

  vectors(): readonly PlacedVector[] {
    const { space } = this.binding;
    const { g, d, s, y, slots } = this.own;
    const slotted = [s, y].flatMap((vector) => Array.from({ length: slots }, (_, i) => slotOf(space, vector, i)));
    return [g, d, ...slotted].map((vector) => ({ space, vector }));
  }

  ranges(): readonly NamedRange[] {
    const { clock, state, steps, products, delta } = this.own;
    const named = { clock, state, steps, products, delta };
    return Object.entries(named).map(([name, own]) => ({ name, ...own }));
  }

  async read(): Promise<MinimizerReport> {
    const { device, label } = this.buffers;
    const { clock, state } = this.own;
    const [clockBytes, stateBytes] = await readRanges(device, label, [clock, state]);
    const clocks = readClocks(clockBytes!);
    this.scalars.see(clocks);
    const { value, grad_max } = readLbfgs(stateBytes!);
    const { step, count } = clocks[0]!;
    return { rounds: step, iterations: count, value, gradMax: grad_max, stopped: this.stopped };
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
