import { DownhillError, show } from '../gpu/errors.js';
import { checkOptions, type Fields, type OptionsOf, type Schedule, type SettingsOf } from '../gpu/fields.js';
import { MAX_RECORDS } from '../kernels/update.js';
import type { Group } from './group.js';
import { allSlots, type Rule, type RuleRow, resolveHyper } from './rule.js';
import { Scale } from './scale.js';
import { madeOf, named } from './schedules/core.js';

/* Which tensors share their hyper-parameters, and how these change. */

/** A tensor with its hyper-parameters, one rule per replica. */
export interface GroupedTensor {
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly frozen: boolean;
}

const sameRule = (a: Rule, b: Rule): boolean =>
  Object.entries(a.hyper).every(([key, value]) => {
    const other = (b.hyper as Readonly<Record<string, unknown>>)[key];
    return Array.isArray(value) && Array.isArray(other) ? value.every((each, i) => each === other[i]) : value === other;
  });

const same = (a: Omit<Group, 'tensors'>, b: GroupedTensor): boolean =>
  a.frozen === b.frozen && a.rules.every((rule, i) => sameRule(rule, b.rules[i]!));

/** Settings that a rule's passes are made for stay, and are everybody's. @throws DownhillError OPTION-RANGE */
function checkFixed({ row, hyper }: Rule, next: Rule['hyper']): void {
  const valueIn = (settings: object, key: string) => (settings as Readonly<Record<string, unknown>>)[key];
  const key = row.fixed?.find((each) => valueIn(hyper, each) !== valueIn(next, each));
  if (key === undefined) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${row.name} is made for ${key} ${show(valueIn(hyper, key))}: ${show(valueIn(next, key))} is another rule.`,
    'Give it to the rule itself, for all tensors.',
  );
}

/** What a rule asks of all its groups and replicas together. */
function checkTogether(rules: readonly Rule[]): void {
  for (const { hyper } of rules) checkFixed(rules[0]!, hyper);
  rules[0]?.row.checkTogether?.(rules.map(({ hyper }) => hyper));
}

/**
 * One group for every distinct set of hyper-parameters, or one per tensor where norms are per tensor.
 *
 * @throws DownhillError OPTION-RANGE for more records, of groups and replicas, than the kernels hold; what a rule has
 *   against settings side by side.
 */
export function makeGroups(tensors: readonly GroupedTensor[], perTensor: boolean): Group[] {
  checkTogether(tensors.flatMap(({ rules }) => rules));
  const groups: { tensors: string[]; frozen: boolean; rules: readonly Rule[] }[] = [];
  for (const tensor of tensors) {
    const own = perTensor ? undefined : groups.find((each) => same(each, tensor));
    if (own) own.tensors.push(tensor.name);
    else groups.push({ tensors: [tensor.name], frozen: tensor.frozen, rules: tensor.rules });
  }
  const replicas = tensors[0]?.rules.length ?? 1;
  if (groups.length * replicas > MAX_RECORDS) {
    const times = replicas > 1 ? ` for each of ${replicas} replicas` : '';
    throw new DownhillError(
      'OPTION-RANGE',
      `The tensors make ${groups.length} groups${times}; ${MAX_RECORDS} are the most.`,
      perTensor
        ? 'Clip by the global norm, take a rule without layer-wise rates, or use several optimizers.'
        : `Let tensors share hyper-parameters${replicas > 1 ? ', or train fewer replicas at once' : ''}.`,
    );
  }
  return groups;
}

/** The rule with other hyper-parameters; one that is undefined stays as it is. */
export function changed({ row, hyper }: Rule, options: object): Rule {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const next = resolveHyper(row, { ...hyper, ...given } as OptionsOf<RuleRow['fields']>);
  checkFixed({ row, hyper }, next);
  const [before, after] = [hyper, next].map((each) => (each as { convention?: unknown }).convention);
  if (before === after) return { row, hyper: next };
  throw new DownhillError(
    'OPTION-RANGE',
    `A convention is a formula with its defaults: ${show(before)} cannot become ${show(after)} here.`,
    'Make the rule with the convention, or a second optimizer.',
  );
}

/** The rule with a group's own hyper-parameters. */
export function ruleOfGroup(where: string, rule: Rule, group: unknown): Rule {
  if (group !== undefined && (typeof group !== 'object' || group === null || Array.isArray(group))) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be an object of hyper-parameters, got ${show(group)}.`,
      'Pass for example { weightDecay: 0 }.',
    );
  }
  try {
    return changed(rule, group ?? {});
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    const what = error.message.slice(0, error.message.lastIndexOf(` [${error.code}]`));
    throw new DownhillError(error.code, `${where}: ${what}`, error.fix, error);
  }
}

type Scaled<T> = T extends readonly unknown[]
  ? { readonly [K in keyof T]: T[K] | Scale } | Scale
  : number extends T
    ? T | Scale
    : T;
/** What `set` takes: any subset of a rule's hyper-parameters, and factors in place of numbers. */
export type SetOptions<F extends Fields> = { readonly [K in keyof F]?: Scaled<SettingsOf<F>[K]> | undefined };

/** The settings with factors applied to what stands there. */
function rescaled({ row, hyper }: Rule, options: object): object {
  checkOptions(row.name, options, Object.keys(row.fields), 'HYPER');
  const own = hyper as Readonly<Record<string, unknown>>;
  const apply = (where: string, now: unknown, next: unknown): unknown => {
    if (Array.isArray(next)) return next.map((each, i) => apply(`${where}[${i}]`, (now as unknown[])?.[i], each));
    return next instanceof Scale ? times(where, now, next.factor) : next;
  };
  return Object.fromEntries(
    Object.entries(options).map(([key, next]) => [key, apply(`${row.name}: ${key}`, own[key], next)]),
  );
}

/** Schedules that {@link times} made, and of what. */
const scaled = new WeakMap<object, { readonly base: Schedule; readonly by: number }>();

/** What a schedule is a factor on, if it is one that `set` made. */
export const factorOf = (schedule: Schedule) => scaled.get(schedule) ?? { base: schedule, by: 1 };

export function times(where: string, now: unknown, factor: number): unknown {
  if (typeof now === 'number') return now * factor;
  if (Array.isArray(now)) return now.map((each) => times(where, each, factor));
  if (typeof now === 'function') {
    // A factor of a factor is one factor: `set` may come ten thousand times.
    const { base, by } = factorOf(now as Schedule);
    const whole = by * factor;
    const made = madeOf(
      [base],
      named('scaled', [whole, base], {}, (count) => whole * base(count)),
    );
    scaled.set(made, { base, by: whole });
    return made;
  }
  throw new DownhillError('HYPER-TYPE', `${where} is ${show(now)}, which no factor applies to.`, 'Pass its new value.');
}

/** Which groups `set` means. @throws DownhillError OPTION-*, also where a group holds tensors that were not named. */
function chosen(groups: readonly Group[], names: unknown): ReadonlySet<Group> {
  if (names === undefined) return new Set(groups);
  if (!Array.isArray(names) || [...names].some((name) => typeof name !== 'string')) {
    throw new DownhillError(
      'OPTION-TYPE',
      `set takes the names of tensors second, got ${show(names)}.`,
      "Pass a list such as ['b'].",
    );
  }
  const given = new Set(names as readonly string[]);
  for (const name of given) {
    if (groups.some(({ tensors }) => tensors.includes(name))) continue;
    throw new DownhillError('OPTION-RANGE', `There is no tensor ${show(name)}.`, 'Name tensors as they were given.');
  }
  const own = groups.filter(({ tensors }) => tensors.some((name) => given.has(name)));
  for (const { tensors } of own) {
    const other = tensors.find((name) => !given.has(name));
    if (other === undefined) continue;
    const one = tensors.find((name) => given.has(name));
    throw new DownhillError(
      'OPTION-RANGE',
      `${show(one)} shares its hyper-parameters with ${show(other)}: they change together.`,
      'Name every tensor of the group, or make them with hyper-parameters of their own.',
    );
  }
  return new Set(own);
}

/**
 * What `set` makes of the rules, by record.
 *
 * @param slots the state there is
 * @throws DownhillError OPTION-*, HYPER-*.
 */
export function nextRules(
  groups: readonly Group[],
  rules: readonly Rule[],
  slots: readonly string[],
  options: unknown,
  names: unknown,
): Rule[] {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `set needs an object of hyper-parameters, got ${show(options)}.`,
      'Pass for example { lr: 1e-4 }.',
    );
  }
  const some = chosen(groups, names);
  const replicas = rules.length / groups.length;
  const all = rules.map((rule, record) => {
    if (!some.has(groups[Math.floor(record / replicas)]!)) return rule;
    const next = changed(rule, rescaled(rule, options));
    const missing = next.row.slots(next.hyper).find((slot) => !slots.includes(slot));
    if (missing) {
      throw new DownhillError(
        'OPTION-RANGE',
        `These options need the state ${missing}, which this optimizer was made without.`,
        'Make a new optimizer with them.',
      );
    }
    checkStart(rule, next);
    return next;
  });
  checkTogether(all);
  return all;
}

/** What only says how the state starts cannot change once it has. */
function checkStart(from: Rule, to: Rule): void {
  const slots = to.row.passes ? to.row.slots(to.hyper) : allSlots(to.row.shader);
  const slot = slots.find((each) => to.row.initial?.(each, to.hyper) !== from.row.initial?.(each, from.hyper));
  if (slot === undefined) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `These options say what the state ${slot} starts with, but it has started.`,
    'Make a new optimizer with them.',
  );
}
