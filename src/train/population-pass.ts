import type { Dataset } from '../data/dataset.js';
import type { Uploads } from '../data/upload.js';
import type { BufferRange } from '../gpu/buffers.js';
import { CLOCK_BYTES, clockOffset, FAULT } from '../kernels/advance.js';
import type { SharedUpdates } from '../optim/shared-updates.js';
import { Updater } from '../optim/updater.js';
import { Evaluator, type PlacedWeights } from './evaluate.js';
import { networkObjective } from './objective.js';
import type { CheckedPopulation } from './population-options.js';
import type { PassPlan } from './population-plan.js';
import { Program, type ProgramOptions } from './program.js';

/** Data sets whose evaluation stays ready on the GPU. */
const KEPT_EVALUATORS = 3;

const release = (evaluator: Promise<Evaluator>) => void evaluator.then((made) => made.destroy()).catch(() => {});

/** Members that train in the same dispatches: one program. */
export class PopulationPass {
  /** Replicas that were halted for gradients that were not finite, and the steps they had done. */
  readonly unusable = new Map<number, number>();
  readonly #evaluators = new Map<PlacedWeights['params'], Map<Dataset, Promise<Evaluator>>>();

  private constructor(
    readonly plan: PassPlan,
    readonly program: Program,
    readonly checked: CheckedPopulation,
    readonly uploads: Uploads,
  ) {}

  static async create(
    device: GPUDevice,
    checked: CheckedPopulation,
    plan: PassPlan,
    uploads: Uploads,
    choice: ProgramOptions['choice'],
  ): Promise<PopulationPass> {
    const { model, validation, settings } = checked;
    const members = plan.members.map((member) => checked.members[member]!);
    const shares = plan.kinds.map((kind) => ({
      row: kind.row,
      groups: checked.groupsOf(
        kind,
        kind.members.map((member) => checked.members[member]!.rule),
      ),
    }));
    const program = await Program.create(device, {
      ...checked,
      label: settings.label,
      objective: networkObjective({ ...checked, uploads }),
      ...shares[0]!,
      shares: shares.length > 1 ? shares : undefined,
      seeds: members.map(({ batchSeed }) => batchSeed),
      initialSeeds: members.map(({ seed }) => seed),
      validation: validation && {
        settings: validation.settings,
        evaluator: (weights) => Evaluator.ofDataset(device, { ...weights, model }, validation.data, uploads),
      },
      packed: undefined,
      choice,
      unusable: (replica, step) => made.stopUnusable(replica, step),
    });
    const made = new PopulationPass(plan, program, checked, uploads);
    return made;
  }

  get replicas(): number {
    return this.plan.members.length;
  }

  /** One whose gradients were not finite too often in a row is halted, once: its clock says so as long as it is read. */
  stopUnusable(replica: number, step: number): void {
    if (this.unusable.has(replica)) return;
    this.unusable.set(replica, step);
    this.halt([replica]);
  }

  /** Halts the clocks of replicas, in queue order. */
  halt(replicas: readonly number[]): void {
    for (const replica of replicas) {
      for (const { buffer, offset } of this.clocksOf(replica))
        this.program.device.queue.writeBuffer(buffer, offset + clockOffset('fault'), Uint32Array.of(FAULT.halted));
    }
  }

  /** Who updates a replica, and which of its replicas that is. */
  updaterOf(replica: number): { readonly updater: Updater; readonly local: number } {
    const { updater } = this.program;
    if (updater instanceof Updater) return { updater, local: replica };
    const own = (updater as SharedUpdates).updaters.findLast(({ first }) => first <= replica)!;
    return { updater: own.updater, local: replica - own.first };
  }

  /** Where a replica's clock lies: its updater's own, and that among all. */
  clocksOf(replica: number): BufferRange[] {
    const { updater, local } = this.updaterOf(replica);
    const at = ({ buffer, offset }: BufferRange, i: number) => ({
      ...{ buffer, offset: offset + CLOCK_BYTES * i, size: CLOCK_BYTES },
    });
    const own = at(updater.clock, local);
    return updater === this.program.updater ? [own] : [own, at(this.program.updater.clock, replica)];
  }

  /** Mean loss and share of what is counted, of each replica: of weights after everything submitted so far. */
  async evaluate(data: Dataset, weights: PlacedWeights) {
    return (await this.#evaluatorOf(data, weights)).means();
  }

  /** Those of the last few data sets stay ready. */
  #evaluatorOf(data: Dataset, placed: PlacedWeights): Promise<Evaluator> {
    const kept = this.#evaluators.get(placed.params) ?? new Map<Dataset, Promise<Evaluator>>();
    this.#evaluators.set(placed.params, kept);
    const { device, options } = this.program;
    const trained = {
      ...placed,
      label: `${options.label}-evaluate`,
      model: this.checked.model,
      replicas: this.replicas,
    };
    const evaluator = kept.get(data) ?? Evaluator.ofDataset(device, trained, data, this.uploads);
    kept.delete(data);
    kept.set(data, evaluator);
    evaluator.catch(() => kept.delete(data));
    for (const [old, made] of [...kept].slice(0, -KEPT_EVALUATORS)) {
      kept.delete(old);
      release(made);
    }
    return evaluator;
  }

  destroy(): void {
    this.program.destroy();
    for (const kept of this.#evaluators.values()) for (const evaluator of kept.values()) release(evaluator);
    this.#evaluators.clear();
  }
}
