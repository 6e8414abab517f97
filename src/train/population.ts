import type { Dataset } from '../data/dataset.js';
import { checkSameScaling, checkSameTargets } from '../data/scaling.js';
import { checkUploadable, Uploads } from '../data/upload.js';
import { isUnread } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { checkOptions } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { readTensors } from '../space/vectors.js';
import { choiceOf } from './build.js';
import type { PlacedWeights } from './evaluate.js';
import { Hold, type Holder } from './hold.js';
import { checkData, checkRunOptions } from './options.js';
import type { Seat, SeatedMember } from './population-checkpoint.js';
import {
  type CheckedPopulation,
  checkIndices,
  checkMember,
  checkMemberWeights,
  checkPopulationOptions,
  checkRefill,
} from './population-options.js';
import { PopulationPass } from './population-pass.js';
import { type PopulationPlan, planPopulation } from './population-plan.js';
import type { MemberPlace } from './population-refill.js';
import { trainTogether } from './population-run.js';
import type {
  BestMember,
  MemberReport,
  MemberWeights,
  Population,
  PopulationEvaluation,
  PopulationMemory,
  PopulationOptions,
  PopulationReport,
  PopulationRunOptions,
  PopulationStep,
  Refill,
} from './population-types.js';
import type { Trainer } from './types.js';

/**
 * N networks of one shape in training together: each with its own rule, hyper-parameters and seeds, all in the same dispatches.
 * Members of different rules share forward, backward and data; each rule has an update of its own. A member gets the bits of a
 * training alone with the same plan.
 *
 * @param device adopted: never destroyed, its error handlers untouched
 * @example
 * const rates = [1e-4, 3e-4, 1e-3, 3e-3];
 * const population = await createPopulation(device, {
 *   model: mlp({ sizes: [784, 32, 10] }), data: digits(), batchSize: 64,
 *   members: rates.map((lr, i) => ({ rule: adam({ lr }), seed: i, batchSeed: 0 })),
 * });
 * for await (const { step, losses } of population.run({ steps: 500 })) console.log(step, losses);
 * const { accuracies } = await population.evaluate(test);
 * @throws DownhillError before any GPU work: OPTION-*, HYPER-*, SHAPE-MISMATCH for a member of another shape, LIMIT-BINDING
 * where not even one member fits, LIMIT-MEMORY where all take more than `maxBytes`; DEVICE-LOST; GPU-OUT-OF-MEMORY,
 * SHADER-COMPILE.
 */
export async function createPopulation(device: GPUDevice, options: PopulationOptions): Promise<Population> {
  const checked = checkPopulationOptions(device, options);
  const plan = planPopulation(device, checked);
  await checkNotLost(device);
  return NetworkPopulation.create(device, checked, plan);
}

/**
 * What {@link createPopulation} would take on the GPU with these options, and how it would split them; nothing is made.
 *
 * @throws DownhillError as createPopulation does before any GPU work
 */
export const populationMemory = (device: GPUDevice, options: PopulationOptions): PopulationMemory =>
  planPopulation(device, checkPopulationOptions(device, options)).memory;

class NetworkPopulation implements Population {
  readonly #device: GPUDevice;
  readonly #checked: CheckedPopulation;
  readonly #plan: PopulationPlan;
  readonly #uploads: Uploads;
  readonly #passes: readonly PopulationPass[];
  readonly #places: readonly MemberPlace[];
  readonly #seats: readonly Seat[];
  #step = 0;
  /** The step, from 0, that the next run begins with, where the last one could not be told what came of it. */
  #untold: number | undefined;
  readonly #hold = new Hold('population');
  #destroyed = false;

  private constructor(
    device: GPUDevice,
    checked: CheckedPopulation,
    plan: PopulationPlan,
    uploads: Uploads,
    passes: readonly PopulationPass[],
  ) {
    this.#device = device;
    this.#checked = checked;
    this.#plan = plan;
    this.#uploads = uploads;
    this.#passes = passes;
    const places: MemberPlace[] = [];
    for (const pass of passes) {
      for (const [replica, member] of pass.plan.members.entries()) places[member] = { pass, replica };
    }
    this.#places = places;
    this.#seats = checked.members.map((member) => ({ ...member, born: 0, from: undefined, halted: undefined }));
  }

  static async create(device: GPUDevice, checked: CheckedPopulation, plan: PopulationPlan): Promise<NetworkPopulation> {
    const uploads = new Uploads(device, checked.settings.label);
    const passes: PopulationPass[] = [];
    try {
      const choice = await choiceOf(device, { ...checked, plans: undefined });
      for (const each of plan.passes) passes.push(await PopulationPass.create(device, checked, each, uploads, choice));
      return new NetworkPopulation(device, checked, plan, uploads, passes);
    } catch (error) {
      for (const pass of passes) pass.destroy();
      uploads.destroy();
      throw error;
    }
  }

  get size(): number {
    return this.#seats.length;
  }

  get step(): number {
    return this.#step;
  }

  get stepsPerEpoch(): number {
    return this.#passes[0]!.program.options.objective.stepsPerEpoch;
  }

  get memory(): PopulationMemory {
    return this.#plan.memory;
  }

  get members(): readonly MemberReport[] {
    return this.#seats.map(({ halted, ...seat }, member) => ({ ...seat, stopped: this.#stopped(member) }));
  }

  #stopped(member: number): MemberReport['stopped'] {
    const { pass, replica } = this.#places[member]!;
    const { validation } = pass.program;
    const result = validation?.bestResult(replica);
    const best = result && { best: { step: result.step, value: validation!.metric(result) } };
    const early = validation?.stoppedAt(replica);
    if (early !== undefined) return { reason: 'early-stopping', step: early, ...best };
    const { halted } = this.#seats[member]!;
    if (halted) return { ...halted, ...best };
    const unusable = pass.unusable.get(replica);
    return unusable === undefined ? undefined : { reason: 'nonfinite', step: unusable, ...best };
  }

  /** Whether no replica of a pass trains any more. */
  #idle({ plan }: PopulationPass): boolean {
    return plan.members.every((member) => this.#stopped(member) !== undefined);
  }

  get best(): BestMember | undefined {
    const settings = this.#checked.validation?.settings;
    if (!settings) return undefined;
    let best: (BestMember & { readonly value: number }) | undefined;
    for (const [member, { pass, replica }] of this.#places.entries()) {
      const result = pass.program.validation!.bestResult(replica);
      if (!result) continue;
      const value = pass.program.validation!.metric(result);
      if (best && !(settings.mode === 'min' ? value < best.value : value > best.value)) continue;
      const { step, loss, counted } = result;
      best = { member, step, loss, accuracy: this.#countsAccuracy ? counted : undefined, value };
    }
    if (!best) return undefined;
    const { value: _, ...report } = best;
    return report;
  }

  get #countsAccuracy(): boolean {
    return this.#checked.model.loss.row.counts === 'accuracy';
  }

  run(options: PopulationRunOptions): AsyncGenerator<PopulationStep, void, void> {
    this.#checkAlive();
    checkOptions('run', options, ['steps', 'epochs', 'signal']);
    const steps = checkRunOptions(options, this);
    return this.#hold.run((holder) => this.#run(steps, options.signal, holder));
  }

  /** Takes the population; whoever did gives it back. @throws DownhillError RUN-BUSY, RUN-DESTROYED */
  async #begin(holder?: Holder): Promise<void> {
    await this.#hold.take(holder);
    if (this.#destroyed) this.#hold.give();
    this.#checkAlive();
  }

  async *#run(
    steps: number,
    signal: AbortSignal | undefined,
    holder: Holder,
  ): AsyncGenerator<PopulationStep, void, void> {
    await this.#begin(holder);
    let start = this.#untold ?? this.#step;
    const end = this.#step + steps;
    this.#untold = undefined;
    try {
      for (;;) {
        const passes = this.#passes.filter(
          (pass) => !this.#idle(pass) || pass.program.scheduler.undelivered < this.#step,
        );
        const together = trainTogether(passes, {
          ...{ size: this.size, start, end, signal, stepsPerEpoch: this.stepsPerEpoch, counts: this.#countsAccuracy },
          idle: (pass) => this.#idle(pass),
          destroyed: () => this.#destroyed,
          checkAlive: () => this.#checkAlive(),
          reached: () => this.#reach(passes),
        });
        try {
          for await (const step of together) {
            start = step.step;
            holder.idle = true;
            yield step;
            holder.idle = false;
          }
          return;
        } catch (error) {
          if (isUnread(error)) this.#untold = start;
          if ((error as Partial<DownhillError>).code !== 'RUN-AHEAD' || !(await this.#catchUp(passes))) throw error;
        }
      }
    } finally {
      this.#hold.give();
    }
  }

  /** Members that left out more updates than the rings reach back are no reason for the others to end. */
  async #catchUp(passes: readonly PopulationPass[]): Promise<boolean> {
    const { catchUp } = await import('./population-refill.js');
    const found = await Promise.all(passes.map(catchUp));
    return found.includes(true);
  }

  /** Takes in how far passes that train have been submitted. */
  #reach(passes: readonly PopulationPass[]): void {
    this.#step = Math.max(this.#step, ...passes.map(({ program }) => program.scheduler.step));
  }

  async evaluate(data: Dataset, options?: MemberWeights): Promise<PopulationEvaluation> {
    this.#checkAlive();
    const kind = checkMemberWeights('evaluate', options);
    const { model } = this.#checked;
    checkData(model, data);
    checkSameScaling(this.#checked.data, data);
    checkSameTargets(this.#checked.data.targets, data.targets);
    checkUploadable(this.#device, data);
    const { step } = this;
    const all = await Promise.all(
      this.#passes.map(async (pass) => ({ pass, means: await pass.evaluate(data, this.#weights(pass, kind)) })),
    );
    const losses = new Float64Array(this.size);
    const accuracies = this.#countsAccuracy ? new Float64Array(this.size) : undefined;
    for (const { pass, means } of all) {
      for (const [replica, member] of pass.plan.members.entries()) {
        losses[member] = means.loss[replica]!;
        if (accuracies) accuracies[member] = means.counted[replica]!;
      }
    }
    return { step, losses, accuracies };
  }

  #weights({ program }: PopulationPass, kind: 'current' | 'best'): PlacedWeights {
    if (kind === 'current') return program.weights();
    const best = program.validation?.best;
    if (best) return best;
    throw new DownhillError(
      'OPTION-RANGE',
      'The best weights are not kept.',
      'Pass validation: { data, keepBest: true } to createPopulation, or earlyStopping.',
    );
  }

  stop(members: number | readonly number[]): void {
    this.#checkAlive();
    for (const member of checkIndices('stop', members, this.size)) {
      if (this.#stopped(member)) continue;
      const { pass, replica } = this.#places[member]!;
      pass.halt([replica]);
      this.#seats[member]!.halted = { reason: 'asked', step: this.#step };
    }
  }

  async refill(member: number, fill: Refill): Promise<void> {
    checkMember('refill', member, this.size);
    const { rule, seed, from, batchSeed } = checkRefill(member, fill, this.#seats);
    if (!this.#stopped(member)) {
      throw new DownhillError(
        'RUN-BUSY',
        `Member ${member} trains: its place is not free.`,
        `Stop it first: population.stop(${member}).`,
      );
    }
    if (this.#untold !== undefined) {
      throw new DownhillError(
        'RUN-BUSY',
        `What came of the steps from ${this.#untold + 1} on could not be read yet.`,
        'Run on first: run({ steps: 0 }) yields it.',
      );
    }
    await this.#begin();
    try {
      const { refillPlace, rulesFor } = await import('./population-refill.js');
      const { groupsOf, model } = this.#checked;
      const { pass, replica } = this.#places[member]!;
      const { updater } = pass.updaterOf(replica);
      const rules = rulesFor(updater, rule, groupsOf(rule, [rule]));
      const seat = this.#seats[member]!;
      const own = batchSeed ?? (from === undefined ? seed! : seat.batchSeed);
      const source = from === undefined ? { seed: seed! } : { from: this.#places[from]! };
      await refillPlace(this.#places[member]!, { model, rules, batchSeed: own, step: this.#step, ...source });
      Object.assign(seat, { rule, batchSeed: own, born: this.#step, from, halted: undefined });
      if (seed !== undefined) seat.seed = seed;
      pass.unusable.delete(replica);
    } finally {
      this.#hold.give();
    }
  }

  async take(member: number, options?: MemberWeights): Promise<Trainer> {
    this.#checkAlive();
    checkMember('take', member, this.size);
    const kind = checkMemberWeights('take', options);
    const state = await this.checkpoint({ member });
    const weights = kind === 'best' ? await this.checkpoint({ member, weights: 'best' }) : undefined;
    const { createTrainer } = await import('./trainer.js');
    const trainer = await createTrainer(this.#device, this.#checked.trainer(this.#seats[member]!));
    try {
      await trainer.restore(state);
      if (weights) await trainer.importWeights(weights);
      return trainer;
    } catch (error) {
      trainer.destroy();
      throw error;
    }
  }

  async readParameters(member: number, options?: MemberWeights): Promise<Record<string, Float32Array>> {
    this.#checkAlive();
    const { pass, replica } = this.#places[checkMember('readParameters', member, this.size)]!;
    const { space, params } = this.#weights(pass, checkMemberWeights('readParameters', options));
    const [tensors] = await readTensors(this.#device, pass.program.options.label, space, [params], replica);
    return Object.fromEntries(tensors!);
  }

  async checkpoint(options: { readonly member?: number } & MemberWeights = {}): Promise<Uint8Array<ArrayBuffer>> {
    this.#checkAlive();
    const kind = checkMemberWeights('checkpoint', options, ['member']);
    const member = options.member === undefined ? undefined : checkMember('checkpoint', options.member, this.size);
    const { encodeMember, encodePopulation } = await import('./population-checkpoint.js');
    if (member === undefined && kind === 'current') return encodePopulation(this.#checked, this.#step, this.#seated());
    if (member === undefined) {
      throw new DownhillError(
        'OPTION-RANGE',
        'A checkpoint of a population has all weights there are.',
        'Name the member whose best weights are wanted, or leave weights out.',
      );
    }
    const { pass } = this.#places[member]!;
    const seated = this.#seated()[member]!;
    return encodeMember(this.#checked, seated, kind === 'best' ? this.#weights(pass, kind) : undefined);
  }

  /** Members with where they are. */
  #seated(): SeatedMember[] {
    return this.#seats.map((seat, member) => {
      const stopped = this.#stopped(member);
      const halted = stopped?.reason === 'nonfinite' ? { reason: stopped.reason, step: stopped.step } : seat.halted;
      return { ...seat, ...this.#places[member]!, halted };
    });
  }

  async restore(bytes: Uint8Array): Promise<{ readonly step: number }> {
    await this.#begin();
    try {
      const { restorePopulation } = await import('./population-checkpoint.js');
      const { step, seats } = restorePopulation(this.#checked, this.#seated(), bytes);
      for (const [member, seat] of seats.entries()) Object.assign(this.#seats[member]!, seat);
      // Who stopped before belongs to what was; who had in the file is in its seat.
      for (const { unusable } of this.#passes) unusable.clear();
      this.#untold = undefined;
      this.#step = step;
      return { step };
    } finally {
      this.#hold.give();
    }
  }

  describe(): PopulationReport {
    return {
      label: this.#checked.settings.label,
      memory: this.memory,
      passes: this.#passes.map(({ plan, program }) => ({
        members: plan.members,
        rules: plan.kinds.map(({ row }) => row.name),
        dispatches: program.passes.length,
        choice: program.choice,
      })),
    };
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (const pass of this.#passes) pass.destroy();
    this.#uploads.destroy();
  }

  #checkAlive(): void {
    if (!this.#destroyed) return;
    throw new DownhillError('RUN-DESTROYED', 'This population was destroyed.', 'Make a new one with createPopulation.');
  }
}
