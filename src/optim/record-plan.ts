import type { Group } from './group.js';
import { isSteady, type Rule } from './rule.js';

/** How the record of an update comes about. */
export interface RecordPlan {
  readonly record: number;
  readonly replica: number;
  readonly rule: Rule;
  readonly frozen: boolean;
  /** Its settings, where no schedule is among them. */
  readonly hyper: Rule['hyper'] | undefined;
  /** A record before it that is the same in every update. */
  readonly same: number | undefined;
}

/** By replica: the update that was its first one, and whether its clock is halted; and whether rules carry something. */
interface Ages {
  readonly born: readonly number[];
  readonly halted: readonly boolean[];
  readonly carrying: boolean;
}

/** What the records of updates are made of, in their order: those of equal settings and age are computed once. */
export function planRecords(
  groups: readonly Group[],
  rules: readonly Rule[],
  { born, halted, carrying }: Ages,
): RecordPlan[] {
  const replicas = halted.length;
  const numbers = new Map<unknown, number>();
  const nameOf = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(nameOf);
    if (typeof value !== 'function') return value;
    if (!numbers.has(value)) numbers.set(value, numbers.size);
    return { schedule: numbers.get(value) };
  };
  const known = new Map<string, number>();
  return rules.flatMap((rule, record) => {
    const replica = record % replicas;
    if (halted[replica]) return [];
    const { frozen } = groups[Math.floor(record / replicas)]!;
    const key = JSON.stringify([frozen, born[replica], Object.values(rule.hyper).map(nameOf)]);
    // What rules carry depends on when they began.
    const same = carrying ? undefined : known.get(key);
    if (same === undefined) known.set(key, record);
    return [{ record, replica, rule, frozen, hyper: isSteady(rule) ? rule.hyper : undefined, same }];
  });
}
