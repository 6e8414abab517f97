import { DownhillError } from '../../gpu/errors.js';
import { traitsOf } from '../../gpu/traits.js';
import { tensorsOf } from '../../nn/model.js';
import { elementsOf } from '../../space/space.js';
import { createPopulation, populationMemory } from '../../train/population.js';
import type { Population, PopulationMemory, PopulationOptions } from '../../train/population-types.js';
import type { RunContext } from '../runner.js';
import type { Task } from '../trial.js';
import { badLoss, failed, judged, type MemberResult, type MemberState } from './member.js';
import type { TrainingObjective, TrialSetup } from './objective.js';

/* Members of one shape that train together: a population, and who sits where. */

/** A member that is to begin. */
export interface PackMember {
  readonly task: Task;
  readonly setup: TrialSetup;
  readonly seed: number;
}

/** Most bytes of one population on the GPU. */
const PACK_BYTES = 2 ** 30;

/** A member that still stands in a population costs a CPU adapter as much as one that trains; a GPU next to nothing. */
const SMALL_PARAMETERS = 2000;
/** So many times cheaper a member of a small network is in a population than alone, on a CPU adapter. */
const SMALL_GAIN = 4;

/** Members of a pack on a CPU adapter, where networks are not small. */
const CPU_MEMBERS = 8;

const isSmall = ({ model }: TrialSetup): boolean =>
  tensorsOf(model).reduce((sum, tensor) => sum + elementsOf(tensor), 0) < SMALL_PARAMETERS;

type OnLosses = (step: number, losses: ArrayLike<number>) => void;

export class Pack {
  readonly #seats: (PackMember & { reason?: string })[];
  readonly #places: ReadonlyMap<string, number>;
  #step = 0;

  private constructor(
    readonly device: GPUDevice,
    readonly objective: TrainingObjective,
    readonly population: Population,
    members: readonly PackMember[],
  ) {
    this.#seats = [...members];
    this.#places = new Map(members.map(({ task, seed }, i) => [`${task.trial}:${seed}`, i]));
  }

  /** @throws DownhillError as createPopulation */
  static async create(device: GPUDevice, objective: TrainingObjective, members: readonly PackMember[]): Promise<Pack> {
    const population = await createPopulation(device, optionsOf(objective, members));
    return new Pack(device, objective, population, members);
  }

  get bytes(): number {
    return this.population.memory.total;
  }

  /** Whether it has a member at this step that did not fail. */
  has(trial: number, seed: number, step: number): boolean {
    const place = this.#places.get(`${trial}:${seed}`);
    return place !== undefined && this.#step === step && this.#seats[place]!.reason === undefined;
  }

  /** Whether it has a member that has not failed. */
  isAlive(trial: number, seed: number): boolean {
    const place = this.#places.get(`${trial}:${seed}`);
    return place !== undefined && this.#seats[place]!.reason === undefined;
  }

  /** Whether so many of its members go on faster where they are than each alone. */
  isWorth(going: number): boolean {
    if (!traitsOf(this.device).cpu) return true;
    return going * (isSmall(this.#seats[0]!.setup) ? SMALL_GAIN : 1) >= this.#seats.length;
  }

  /** A member as a checkpoint, to go on elsewhere. */
  async state(trial: number, seed: number): Promise<MemberState> {
    const member = this.#places.get(`${trial}:${seed}`)!;
    const { params } = this.#seats[member]!.task;
    return { step: this.#step, bytes: await this.population.checkpoint({ member }), params };
  }

  /** Who goes on, from whose state: all others stand still for good. */
  async goOn(members: readonly PackMember[]): Promise<void> {
    const going = new Map(members.map((member) => [this.#places.get(`${member.task.trial}:${member.seed}`)!, member]));
    const idle = this.#seats.flatMap((_, i) => (going.has(i) && going.get(i)!.task.copy === undefined ? [] : [i]));
    if (idle.length > 0) this.population.stop(idle);
    for (const [place, member] of going) {
      const { task, seed, setup } = member;
      this.#seats[place] = { ...member };
      if (task.copy === undefined) continue;
      await this.population.refill(place, { from: this.#places.get(`${task.copy}:${seed}`)!, rule: setup.rule });
    }
  }

  /**
   * Trains all that go, whose tasks end at `end`, up to a step on the way there.
   *
   * @param onLosses by place; NaN of those that stand still
   */
  async advance(
    to: number,
    { signal, stepped }: Pick<RunContext, 'signal' | 'stepped'>,
    going: number,
    { end = to, onLosses = () => {} }: { readonly end?: number; readonly onLosses?: OnLosses } = {},
  ): Promise<void> {
    const steps = to - this.#step;
    try {
      for await (const { step, losses } of this.population.run({ steps, ...(signal && { signal }) })) {
        stepped(going);
        onLosses(step, losses);
        for (const [i, loss] of losses.entries()) {
          const seat = this.#seats[i]!;
          if (!Number.isFinite(loss) && seat.reason === undefined && seat.task.to === end)
            seat.reason = badLoss(loss, step);
        }
      }
    } finally {
      this.#step = this.population.step;
    }
  }

  /** What all its members come to, by trial and seed. */
  async judge(): Promise<(trial: number, seed: number) => MemberResult> {
    const { losses, accuracies } = await this.population.evaluate(this.objective.options.validation);
    return (trial, seed) => {
      const place = this.#places.get(`${trial}:${seed}`)!;
      const seat = this.#seats[place]!;
      if (seat.reason !== undefined) return failed(seat.reason);
      const result = judged(this.objective, losses[place]!, accuracies?.[place]);
      if (result.reason !== undefined) seat.reason = result.reason;
      return result;
    };
  }

  destroy(): void {
    this.population.destroy();
  }
}

function optionsOf({ options }: TrainingObjective, members: readonly PackMember[]): PopulationOptions {
  const { data, sampling = 'shuffle' } = options;
  const { model, batchSize, more } = members[0]!.setup;
  return {
    ...{ model, data, sampling, ...more, plan: 'pinned', label: 'search' },
    ...(sampling !== 'full' && { batchSize }),
    members: members.map(({ setup, seed }) => ({ rule: setup.rule, seed })),
  };
}

/** What these members take together; undefined where they cannot train together, whatever the reason: then each alone. */
export function packMemory(
  device: GPUDevice,
  objective: TrainingObjective,
  members: readonly PackMember[],
): PopulationMemory | undefined {
  try {
    return populationMemory(device, optionsOf(objective, members));
  } catch (error) {
    if (error instanceof DownhillError) return undefined;
    throw error;
  }
}

/**
 * How many of such members one pack takes. On a CPU adapter, whose steps cost each member alike, few: what a search that is ended loses is the packs
 * that are not done.
 */
export function packSize(device: GPUDevice, { setup }: PackMember, memory: PopulationMemory): number {
  const { perMember, data, membersPerPass } = memory;
  const one = Object.values(perMember).reduce((sum, bytes) => sum + bytes, 0);
  const most = traitsOf(device).cpu && !isSmall(setup) ? CPU_MEMBERS : membersPerPass;
  return Math.max(1, Math.min(most, membersPerPass, Math.floor((PACK_BYTES - data) / one)));
}
