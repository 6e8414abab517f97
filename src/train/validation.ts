import { type BufferRange, type BufferSet, guarded, range, readRanges } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { CLOCK_BYTES, type Clock, clockOffset, FAULT, readClocks } from '../kernels/advance.js';
import {
  CONTROL_BYTES,
  type Control,
  controlOffset,
  copyIf,
  judge,
  judgeForms,
  readControls,
} from '../kernels/judge.js';
import { lower } from '../kernels/lower.js';
import type { Form, Op } from '../kernels/op.js';
import type { Rule } from '../optim/rule.js';
import { reportedIn } from '../optim/schedules/core.js';
import type { PlacedVector, Vector } from '../space/space.js';
import { type Copies, checkAlike, type Json, type NamedRange, type Stateful } from '../space/stateful.js';
import type { Evaluator, PlacedWeights } from './evaluate.js';

/*
 * Validation in queue order: behind the steps that lead up to it the scheduler records the evaluation, then `judge`, which
 * compares and may halt the optimizer's clock, then the copies that keep or restore the best weights. The host only looks on.
 */

export interface ValidationSettings {
  /** Steps from one to the next: it comes after every step whose number this divides, so that nothing need be counted. */
  readonly every: number;
  /** Whether the loss is what decides, or what the loss counts. */
  readonly metric: 'loss' | 'counted';
  readonly mode: 'min' | 'max';
  readonly minDelta: number;
  /** Validations without a better metric after which training stops; undefined for never. */
  readonly patience: number | undefined;
  readonly keepBest: boolean;
  /** Where it stops. */
  readonly restoreBest: boolean;
}

/**
 * One validation of one replica. `createTrainer` trains a single network; replicas with unlike metrics, each with a best
 * and a stop of its own, are of programs alone, and no public option has them yet.
 */
export interface ValidationResult {
  /** Steps done. */
  readonly step: number;
  readonly loss: number;
  /** Mean of what the loss counts. */
  readonly counted: number;
  /** The best one so far. */
  readonly best: boolean;
}

/** How validation is done, for {@link Validation.create}. */
export interface ValidationPlan {
  readonly settings: ValidationSettings;
  /** Of all replicas' weights, over the validation data. */
  evaluator(weights: PlacedWeights & { readonly label: string; readonly replicas: number }): Promise<Evaluator>;
}

/** Whose clock a validation may halt. */
export interface JudgedUpdates {
  readonly clock: BufferRange;
  /** What it does then, and forms of that. */
  readonly judged?: readonly Op[];
  readonly forms?: readonly Form[];
}

export class Validation implements Stateful {
  readonly key = 'validation';
  /** As it was read back last, by replica. */
  #seen: readonly Control[];

  private constructor(
    readonly buffers: BufferSet,
    readonly settings: ValidationSettings,
    readonly evaluator: Evaluator,
    /** The weights of the best validation, where they are kept: zeros before the first. */
    readonly best: PlacedWeights | undefined,
    /** Per replica. */
    readonly control: BufferRange,
    readonly clock: BufferRange,
    readonly passes: readonly Pass[],
  ) {
    this.#seen = readControls(new ArrayBuffer(control.size));
  }

  /**
   * @param buffers gets the control and the best weights; an evaluator has its own
   * @param weights what is evaluated, kept, and restored
   * @param updates the optimizer's clock, and what it does once that was judged
   */
  static async create(
    buffers: BufferSet,
    { settings, evaluator }: ValidationPlan,
    weights: PlacedWeights,
    { clock, judged = [], forms = [] }: JudgedUpdates,
  ): Promise<Validation> {
    const { device, label } = buffers;
    const { replicas } = weights.space;
    const made = await evaluator({ ...weights, label: `${label}-validate`, replicas });
    try {
      const bytes = CONTROL_BYTES * replicas;
      const { control, best, specs } = await guarded(device, label, () => {
        const own = range(buffers.storage('control', bytes), 0, bytes);
        const kept = settings.keepBest ? bestOf(buffers, weights) : undefined;
        const ops = judgeOps(label, settings, { control: own, clock, evaluator: made, weights, best: kept });
        const all = [...judgeForms, ...forms];
        return { control: own, best: kept, specs: lower([...ops, ...judged], all, device).passes };
      });
      const passes = await createPasses(device, specs, buffers);
      return new Validation(buffers, settings, made, best, control, clock, passes);
    } catch (error) {
      made.destroy();
      throw error;
    }
  }

  /** Steps from one on to the next validation. */
  room(step: number): number {
    return this.settings.every - (step % this.settings.every);
  }

  /** Whether one comes after so many steps. */
  due(step: number): boolean {
    return step % this.settings.every === 0;
  }

  /** Records it behind everything submitted. @returns the last encoder, to be finished and submitted */
  record(): GPUCommandEncoder {
    const encoder = this.evaluator.record();
    encodePasses(encoder, `downhill:${this.buffers.label}/judge`, this.passes);
    return encoder;
  }

  /** Whether the steps behind it must wait for its result: a schedule goes by it. @param rules by record */
  isAwaited(rules: readonly Rule[]): boolean {
    return reportedBy(rules).some(({ metric }) => metric !== REPORTED);
  }

  /**
   * Takes in what came of a validation, and tells it to the schedules that go by it.
   *
   * @param step that it was for
   * @param rules by record
   * @returns by replica; none for those that had stopped before
   */
  arrive(
    controls: readonly Control[],
    clocks: readonly Clock[],
    step: number,
    rules: readonly Rule[],
  ): (ValidationResult | undefined)[] {
    this.#seen = controls;
    return controls.map(({ step: own, loss, counted, improved }, replica) => {
      if (own === step) {
        const result = this.#resultOf(step, loss, counted, improved !== 0);
        report(
          rules.filter((_, record) => record % controls.length === replica),
          result,
        );
        return result;
      }
      if ((clocks[replica]!.fault & FAULT.halted) !== 0) return undefined;
      // As with steps, a submit that the GPU process dropped leaves what was there.
      throw new DownhillError(
        'GPU-VALIDATION',
        `The validation of step ${step} did not run.`,
        'Report this with your adapter.',
      );
    });
  }

  /** From sums, as an evaluation makes means of them. */
  #resultOf(step: number, loss: number, counted: number, best: boolean): ValidationResult {
    const { samples } = this.evaluator;
    return { step, loss: loss / samples, counted: counted / samples, best };
  }

  /** The metric that decides. */
  metric({ loss, counted }: Pick<ValidationResult, 'loss' | 'counted'>): number {
    return this.settings.metric === 'loss' ? loss : counted;
  }

  /** The best one of a replica, as it was read back last. */
  bestResult(replica = 0): ValidationResult | undefined {
    const { best_step: step, best_loss: loss, best_counted: counted } = this.#seen[replica]!;
    return step === 0 ? undefined : this.#resultOf(step, loss, counted, true);
  }

  /** The weights of the best one, of all replicas; undefined where they are not kept, or none was the best one yet. */
  bestWeights(): PlacedWeights | undefined {
    return this.bestResult() && this.best;
  }

  /** The step at which a replica's training was stopped, as it was read back last. */
  stoppedAt(replica = 0): number | undefined {
    const { stop, step } = this.#seen[replica]!;
    return stop === 0 ? undefined : step;
  }

  /** All replicas have stopped: a step would do nothing. */
  get halted(): boolean {
    return this.#seen.every(({ stop }) => stop !== 0);
  }

  /**
   * Lets stopped replicas go on, with patience anew; the best so far stays the best. Those that stopped at another step than
   * the rest stay: replicas go through the data together. Whatever else stopped a clock, such as gradients that were not
   * finite, still holds. Only while no step is under way.
   *
   * @throws DownhillError DEVICE-LOST
   */
  async goOn(): Promise<void> {
    const steps = new Set(this.#seen.map(({ stop, step }) => (stop === 0 ? undefined : step)));
    if (!this.halted || steps.size > 1) return;
    const { device, label } = this.buffers;
    // Of a checkpoint the clocks were never seen here.
    const [bytes] = await readRanges(device, label, [this.clock]);
    const zero = new Uint32Array(1);
    for (const [replica, { fault }] of readClocks(bytes!).entries()) {
      const own = this.control.offset + CONTROL_BYTES * replica;
      device.queue.writeBuffer(this.control.buffer, own + controlOffset('bad'), zero);
      device.queue.writeBuffer(this.control.buffer, own + controlOffset('stop'), zero);
      const clock = this.clock.offset + CLOCK_BYTES * replica + clockOffset('fault');
      device.queue.writeBuffer(this.clock.buffer, clock, Uint32Array.of(fault & ~FAULT.halted));
    }
    this.#seen = this.#seen.map((control) => ({ ...control, bad: 0, stop: 0 }));
  }

  /** A replica begins anew: it has not been validated. In queue order, while no step is under way. */
  restart(replica: number): void {
    this.resume(replica, new ArrayBuffer(CONTROL_BYTES));
  }

  /** The same with what its validations came to. */
  resume(replica: number, saved: ArrayBuffer): void {
    const { buffer, offset } = this.control;
    this.buffers.device.queue.writeBuffer(buffer, offset + CONTROL_BYTES * replica, saved);
    this.#seen = this.#seen.map((control, i) => (i === replica ? readControls(saved)[0]! : control));
  }

  vectors(): readonly PlacedVector[] {
    const { best } = this;
    return best ? [{ space: best.space, vector: best.params }, best.statistics] : [];
  }

  ranges(): readonly NamedRange[] {
    return [{ name: 'control', ...this.control }];
  }

  host(): Json {
    const { patience = null, ...settings } = this.settings;
    // Sums over other data are no best ones here.
    return { version: 1, samples: this.evaluator.samples, ...settings, patience };
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH for a validation of other settings */
  check(host: Json): void {
    checkAlike('validation', host, this.host(), 'Make the trainer with the same validation and early stopping.');
  }

  load(_host: Json, copies: Copies): void {
    this.#seen = readControls(copies.get('control')!);
  }

  destroy(): void {
    this.evaluator.destroy();
  }
}

/** For {@link plateau}: the metric of those that only their owner reports to. */
export const REPORTED = 'reported';

const reportedBy = (rules: readonly Rule[]) => reportedIn(rules.flatMap(({ hyper }) => Object.values(hyper).flat()));

function report(rules: readonly Rule[], { loss, counted }: Pick<ValidationResult, 'loss' | 'counted'>): void {
  for (const schedule of reportedBy(rules)) {
    const { metric, mode } = schedule;
    if (metric === REPORTED) continue;
    const value = (metric ?? (mode === 'min' ? 'loss' : undefined)) === 'loss' ? loss : counted;
    // What is not a number is no progress.
    const worst = mode === 'min' ? Number.MAX_VALUE : -Number.MAX_VALUE;
    schedule.report(Number.isFinite(value) ? value : worst);
  }
}

/** Vectors for the best weights beside those that are evaluated. */
function bestOf(buffers: BufferSet, { space, statistics }: PlacedWeights): PlacedWeights {
  return {
    space,
    params: space.vector(buffers, 'best', true),
    statistics: {
      space: statistics.space,
      vector: statistics.space.vector(buffers, 'best-statistics', true),
    },
  };
}

function judgeOps(
  label: string,
  { metric, mode, minDelta, patience, restoreBest }: ValidationSettings,
  parts: {
    readonly control: BufferRange;
    readonly clock: BufferRange;
    readonly evaluator: Evaluator;
    readonly weights: PlacedWeights;
    readonly best: PlacedWeights | undefined;
  },
): Op[] {
  const { control, clock, evaluator, weights, best } = parts;
  const { space, statistics } = weights;
  const shape = { counted: metric === 'counted', mode, minDelta: minDelta * evaluator.samples, patience };
  const operands = { sums: evaluator.sums!.range, clock, control };
  const ops: Op[] = [judge(`${label}/judge`, shape, operands, space.replicas)];
  if (!best) return ops;
  const copies = (flag: 'improved' | 'restore', name: string, from: PlacedWeights, to: PlacedWeights) => {
    const vectors: [typeof space, string, Vector, Vector][] = [
      [space, name, from.params, to.params],
      [statistics.space, `${name}-statistics`, from.statistics.vector, to.statistics.vector],
    ];
    return vectors.flatMap(([{ spans, replicas }, pass, source, copy]) =>
      spans.flatMap(({ elements }, i) => {
        if (elements === 0) return [];
        const name = `${label}/${pass}${spans.length === 1 ? '' : `-${i}`}`;
        const operands = { control, source: source.ranges[i]!, copy: copy.ranges[i]! };
        return [copyIf(name, { elements, flag }, operands, replicas)];
      }),
    );
  };
  ops.push(...copies('improved', 'keep-best', weights, best));
  if (restoreBest) ops.push(...copies('restore', 'restore-best', best, weights));
  return ops;
}
