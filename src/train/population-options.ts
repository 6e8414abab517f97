import { checkUploadable } from '../data/upload.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkDevice, checkInteger, checkOptions } from '../gpu/fields.js';
import { tensorsOf } from '../nn/model.js';
import type { Group } from '../optim/group.js';
import { type GroupedTensor, makeGroups } from '../optim/groups.js';
import { checkRule, type Rule, type RuleRow } from '../optim/rule.js';
import { groupTensors } from './groups.js';
import { checkTrainerOptions, MAX_SEED } from './options.js';
import { sourcesOfRule } from './population-rules.js';
import type { Member, MemberWeights, PopulationOptions, Refill } from './population-types.js';
import type { TrainerOptions } from './types.js';

/* What a population is asked for, checked before any GPU work. */

/** Options that mean the same as a trainer's. */
const SHARED = [
  'model',
  'data',
  'batchSize',
  'sampling',
  'dropLast',
  'submitMs',
  'groups',
  'clip',
  'skipNonFinite',
  'accumulate',
  'wrappers',
  'penalty',
  'augment',
  'validation',
  'earlyStopping',
  'label',
] as const;
const OPTIONS = [...SHARED, 'members', 'plan', 'maxBytes'] as const;
const MEMBER = ['rule', 'seed', 'batchSeed'];

/** Options of {@link createPopulation}, checked and with their defaults. */
export type CheckedPopulation = ReturnType<typeof checkPopulationOptions>;

/** A kind of rule, and its members in the caller's order. */
export interface RuleKind {
  readonly row: RuleRow;
  readonly members: readonly number[];
  readonly perTensor: boolean;
}

export function checkPopulationOptions(device: GPUDevice, options: PopulationOptions) {
  checkDevice('createPopulation', device);
  checkOptions('createPopulation', options, OPTIONS);
  const members = checkMembers(options.members);
  const { plan = 'auto', maxBytes } = options;
  if (typeof plan !== 'object') checkChoice('plan', plan, ['auto', 'pinned']);
  const shared = Object.fromEntries(
    SHARED.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  ) as Pick<TrainerOptions, (typeof SHARED)[number]>;
  const trainer = (member: Required<Member>): TrainerOptions => ({
    label: 'population',
    ...shared,
    ...{ rule: member.rule, seed: member.batchSeed },
  });
  const kinds = kindsOf(members);
  for (const { row } of kinds) checkTakes(row, kinds.length);
  // What goes for a trainer goes for each member: of every kind of rule one is asked in full.
  const [checked] = kinds.map((kind) => checkTrainerOptions(device, trainer(members[kind.members[0]!]!)));
  const { model, data, settings } = checked!;
  checkUploadable(device, data);
  const again = settings.wrappers?.find(({ row }) => row.again);
  if (again) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${again.row.name} takes every gradient twice, which a population does not.`,
      'Leave it out, or train with createTrainer.',
    );
  }
  checkSources(members);
  const perTensor = (row: RuleRow) => settings.clip?.by === 'tensor' || row.perTensor === true;
  const ruleKinds: RuleKind[] = kinds.map((kind) => ({ ...kind, perTensor: perTensor(kind.row) }));
  const tensors = tensorsOf(model);
  /** Groups of tensors for members of one kind, whatever their rules become: as `groups` has them. */
  const groupsOf = ({ row }: Pick<RuleKind, 'row'>, rules: readonly Rule[]): Group[] =>
    groupsByPlace(groupTensors(tensors, rules, options.groups), perTensor(row));
  /** Groups of a member alone, as a trainer makes them. */
  const groupsAlone = (rule: Rule): Group[] =>
    makeGroups(groupTensors(tensors, [rule], options.groups), perTensor(rule.row));
  // Every member's groups are looked at: hyper-parameters of one may not go with those of another's rule.
  for (const { rule } of members) groupsAlone(rule);
  return {
    ...checked!,
    members,
    kinds: ruleKinds,
    ...{ groupsOf, groupsAlone, trainer },
    plan: plan === 'auto' ? ('pinned' as const) : plan,
    maxBytes: maxBytes === undefined ? undefined : checkInteger('maxBytes', maxBytes, 1),
  };
}

/** Tensors that share their rules because nobody says otherwise. */
function groupsByPlace(tensors: readonly GroupedTensor[], perTensor: boolean): Group[] {
  const groups = new Map<unknown, { tensors: string[]; frozen: boolean; rules: readonly Rule[] }>();
  for (const { name, frozen, rules } of tensors) {
    const key = perTensor ? name : rules;
    const own = groups.get(key) ?? { tensors: [], frozen, rules };
    own.tensors.push(name);
    groups.set(key, own);
  }
  return [...groups.values()];
}

function checkMembers(members: unknown): Required<Member>[] {
  if (!Array.isArray(members)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `members must be a list, got ${show(members)}.`,
      'Pass for example members: [{ rule: adam({ lr: 1e-3 }), seed: 0 }, …].',
    );
  }
  if (members.length === 0)
    throw new DownhillError('OPTION-RANGE', 'There are no members.', 'Pass at least one: [{ rule, seed: 0 }].');
  return Array.from(members as readonly Member[], (member, i) => {
    const where = `members[${i}]`;
    checkShape(where, member);
    checkOptions(where, member, MEMBER);
    const rule = checkRule(where, member.rule);
    const seed = checkInteger(`${where}.seed`, member.seed, 0, MAX_SEED);
    return { rule, seed, batchSeed: checkInteger(`${where}.batchSeed`, member.batchSeed ?? seed, 0, MAX_SEED) };
  });
}

/** What all members share is no member's own. */
function checkShape(where: string, member: unknown): void {
  if (typeof member !== 'object' || member === null) return;
  const own = SHARED.find((key) => Object.hasOwn(member, key));
  if (own === undefined) return;
  throw new DownhillError(
    'SHAPE-MISMATCH',
    `${where} has ${own} of its own, but members train in the same dispatches: they share it.`,
    `Pass ${own} to createPopulation, and make a population for each shape.`,
  );
}

/** Members by the rows of their rules, in the order in which these come first. */
function kindsOf(
  members: readonly Required<Member>[],
): { readonly row: RuleRow; readonly members: readonly number[] }[] {
  const kinds = new Map<RuleRow, number[]>();
  for (const [i, { rule }] of members.entries()) kinds.set(rule.row, [...(kinds.get(rule.row) ?? []), i]);
  return [...kinds].map(([row, own]) => ({ row, members: own }));
}

/** Rules that are more than an update of each member's own. */
function checkTakes({ name, evaluation, curvature, minimizer }: RuleRow, kinds: number): void {
  const needs = minimizer
    ? 'looks at its loss at several points for a step, which takes the replica axis itself'
    : curvature && 'needs gradients of labels drawn from the model between steps';
  if (needs) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${name} ${needs}: a population does not take it.`,
      'Train it with createTrainer, or give this member another rule: adamw({ lr: 1e-3 }).',
    );
  }
  if (!evaluation || kinds === 1) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} averages the weights itself, which goes for all members or none; there are members of ${kinds} rules.`,
    `Make a population of ${name} alone.`,
  );
}

/** A schedule that is told a metric belongs to one member. */
function checkSources(members: readonly Required<Member>[]): void {
  const owners = new Map<unknown, number>();
  for (const [i, { rule }] of members.entries()) {
    for (const source of sourcesOfRule(rule)) {
      const other = owners.get(source);
      owners.set(source, i);
      if (other === undefined) continue;
      throw new DownhillError(
        'OPTION-RANGE',
        `members[${other}] and members[${i}] share a schedule that goes by what it is told.`,
        'Make one for each member: members: rates.map((lr) => ({ rule: sgd({ lr: plateau(lr) }), … })).',
      );
    }
  }
}

/** Indices of members. @throws DownhillError OPTION-* */
export function checkIndices(where: string, given: unknown, size: number): number[] {
  const list: unknown[] = Array.isArray(given) ? [...given] : [given];
  if (list.length === 0)
    throw new DownhillError('OPTION-RANGE', `${where}: no member is named.`, 'Pass indices of members: [0, 3].');
  const indices = list.map((each) => checkInteger(`${where}: a member`, each, 0, size - 1));
  const twice = indices.find((each, i) => indices.indexOf(each) !== i);
  if (twice === undefined) return indices;
  throw new DownhillError('OPTION-RANGE', `${where}: member ${twice} is named twice.`, 'Name each member once.');
}

export const checkMember = (where: string, member: unknown, size: number): number =>
  checkInteger(`${where}: the member`, member, 0, size - 1);

export function checkMemberWeights(where: string, options: MemberWeights = {}, more: readonly string[] = []) {
  checkOptions(where, options, ['weights', ...more]);
  return checkChoice(`${where}: weights`, options.weights ?? 'current', ['current', 'best']);
}

/** What a place is to be filled with. @throws DownhillError OPTION-*, HYPER-* */
export function checkRefill(
  member: number,
  fill: Refill,
  now: readonly Required<Member>[],
): { readonly seed?: number; readonly from?: number; readonly rule: Rule; readonly batchSeed: number | undefined } {
  checkOptions('refill', fill, ['seed', 'from', 'rule', 'batchSeed']);
  const { seed, from, batchSeed } = fill as { readonly [K in 'seed' | 'from' | 'batchSeed']?: number };
  if ((seed === undefined) === (from === undefined)) {
    throw new DownhillError(
      'OPTION-RANGE',
      'refill needs either the seed of new weights or the member that they come from.',
      'Pass one of the two: { seed: 7 } or { from: 3 }.',
    );
  }
  const { row } = now[member]!.rule;
  const source = from === undefined ? member : checkMember('refill: from', from, now.length);
  if (source === member && from !== undefined)
    throw new DownhillError('OPTION-RANGE', `Member ${member} cannot be filled from itself.`, 'Name another member.');
  const rule = checkRule('refill', fill.rule ?? now[source]!.rule);
  const own = batchSeed === undefined ? undefined : checkInteger('refill: batchSeed', batchSeed, 0, MAX_SEED);
  if (rule.row === row && now[source]!.rule.row === row) {
    return {
      ...(from === undefined ? { seed: checkInteger('refill: seed', seed, 0, MAX_SEED) } : { from }),
      ...{ rule, batchSeed: own },
    };
  }
  throw new DownhillError(
    'OPTION-RANGE',
    `Member ${member} has a place of ${row.name}, not of ${(rule.row === row ? now[source]!.rule.row : rule.row).name}: its memory is laid out for that.`,
    `Fill it with a rule, and from a member, of ${row.name}.`,
  );
}
