import type { Dataset } from '../data/dataset.js';
import { kindOf } from '../data/targets.js';
import { encodingOf } from '../data/upload.js';
import { roundUp } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { traitsOf } from '../gpu/traits.js';
import { matrixBytes } from '../kernels/matrix.js';
import { ARENA_BLOCK, MAX_RECORDS, RECORD_WORDS } from '../kernels/update.js';
import { buffersOf, tensorsOf } from '../nn/model.js';
import { liveSlots } from '../optim/updater.js';
import { largestArena } from '../space/arena.js';
import { elementsOf, type TensorShape } from '../space/space.js';
import type { CheckedPopulation, RuleKind } from './population-options.js';
import type { PopulationMemory } from './population-types.js';
import { LOSS_BYTES, MAX_FLIGHTS, mostSteps, stepsAhead } from './scheduler.js';

/* What a population takes, and which members train in the same dispatches: known before any GPU work. */

/** Members that train in the same dispatches. */
export interface PassPlan {
  /** By replica: those of one kind of rule stand together. */
  readonly members: readonly number[];
  /** In that order. */
  readonly kinds: readonly RuleKind[];
}

export interface PopulationPlan {
  readonly memory: PopulationMemory;
  readonly passes: readonly PassPlan[];
}

const paddedBytes = (tensors: readonly TensorShape[]) =>
  tensors.reduce((sum, tensor) => sum + 4 * roundUp(elementsOf(tensor), ARENA_BLOCK), 0);

const dataBytes = (data: Dataset) =>
  data.samples * (encodingOf(data).bytesPerRow + 4 * kindOf(data.targets).perSample(data.targets));

/** Bytes that the updates of a pass go through on a CPU adapter, where these are more than so many members'. */
const CACHED = 2 ** 25;
const FEWEST_CACHED = 8;
/** Rows that an evaluation takes at least at a time. */
const FEWEST_ROWS = 64;

/** @throws DownhillError LIMIT-MEMORY where it is more than `maxBytes` */
export function planPopulation(device: GPUDevice, checked: CheckedPopulation): PopulationPlan {
  const { model, data, rows, members, kinds, settings, validation, maxBytes } = checked;
  const size = members.length;
  const parameters = paddedBytes(tensorsOf(model)) + paddedBytes(buffersOf(model));
  const groups = kinds.map((kind) =>
    checked.groupsOf(
      kind,
      kind.members.slice(0, 1).map((i) => members[i]!.rule),
    ),
  );
  const states = kinds.map((kind, i) => {
    const all = kind.members.map((member) => ({ ...groups[i]![0]!, rules: [members[member]!.rule] }));
    const slots = liveSlots(kind.row, all).length + (settings.micro > 1 ? 1 : 0);
    return slots * parameters + (kind.row.kept?.bytes ?? 0) * (parameters / 4);
  });
  const most = Math.max(...groups.map((each) => each.length));
  const activations =
    12 * rows +
    model.layers.reduce((sum, { output }) => sum + 2 * matrixBytes(rows, output), matrixBytes(rows, model.output));
  const updated = 2 * parameters + Math.max(...states);
  const membersPerPass = perPass(device, checked, { parameters, activations, updated, groups: most });
  const turns = Math.ceil(size / membersPerPass);
  const together = Math.ceil(size / turns);
  const perMember = {
    parameters: parameters * (validation?.settings.keepBest ? 2 : 1),
    gradients: parameters,
    state: Math.max(...states),
    activations,
    rings:
      stepsAhead(together) * (4 * RECORD_WORDS * most + LOSS_BYTES) +
      (MAX_FLIGHTS + 1) * LOSS_BYTES * mostSteps(together),
  };
  const one = Object.values(perMember).reduce((sum, bytes) => sum + bytes, 0);
  const held = [...new Set([data, ...(validation ? [validation.data] : [])])];
  const shared = held.reduce((sum, each) => sum + dataBytes(each), 0);
  const total = size * one + shared;
  if (maxBytes !== undefined && total > maxBytes) {
    const fitting = Math.max(Math.floor((maxBytes - shared) / one), 0);
    throw new DownhillError(
      'LIMIT-MEMORY',
      `${size} members take ${total} bytes, ${one} each and ${shared} for the data, but maxBytes is ${maxBytes}.`,
      fitting > 0 ? `Train at most ${fitting} at once.` : 'Use a smaller model or fewer samples, or raise maxBytes.',
    );
  }
  return {
    memory: { members: size, perMember, data: shared, total, membersPerPass, passes: turns },
    passes: passesOf(kinds, turns),
  };
}

/**
 * Most members in the same dispatches: as many as the records of their updates are bound for, as their parameters lie in one arena
 * for, and as the matrices of a batch fit one binding for, so that a member's step takes the forms that it takes alone.
 */
function perPass(
  device: GPUDevice,
  { model }: CheckedPopulation,
  one: Readonly<Record<'parameters' | 'activations' | 'updated' | 'groups', number>>,
): number {
  const limit = largestArena(device);
  const widest = Math.max(...model.layers.map(({ output }) => output));
  const fitting = [
    MAX_RECORDS / one.groups,
    limit / one.parameters,
    limit / one.activations,
    limit / matrixBytes(FEWEST_ROWS, widest),
    // More would be evicted from a CPU's caches from step to step: 512 of 784-32-10 with Adam took 1.33 times as long as in turns of 64.
    traitsOf(device).cpu ? Math.max(CACHED / one.updated, FEWEST_CACHED) : Number.POSITIVE_INFINITY,
  ].map(Math.floor);
  return Math.max(Math.min(...fitting), 1);
}

/** Members by kind of rule, in as many turns, all but equally long. */
function passesOf(kinds: readonly RuleKind[], turns: number): PassPlan[] {
  const order = kinds.flatMap((kind) => kind.members.map((member) => ({ member, kind })));
  return Array.from({ length: turns }, (_, turn) => {
    const own = order.slice(Math.floor((turn * order.length) / turns), Math.floor(((turn + 1) * order.length) / turns));
    const used = [...new Set(own.map(({ kind }) => kind))];
    return {
      members: own.map(({ member }) => member),
      kinds: used.map((kind) => ({
        ...kind,
        members: own.filter((each) => each.kind === kind).map(({ member }) => member),
      })),
    };
  });
}
