import type { Field } from '../../src/gpu/fields.js';
import { type RuleRow, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';

/** A second value for hyper-parameters whose default turns something off, by name. */
const ALTERNATES: Readonly<Record<string, unknown>> = {
  momentum: 0.9,
  dampening: 0.3,
  weightDecay: 0.05,
  lrDecay: 0.01,
  initialAccumulatorValue: 0.5,
  initialScale: 1,
  l1: 1,
  l2: 0.1,
  l2Shrinkage: 0.1,
  beta: 0.5,
  beta3: 0.9,
  warmupSteps: 5,
  r: 1,
};

const valuesOf = (key: string, field: Field): readonly unknown[] => {
  if (field.kind === 'flag') return [false, true];
  if (field.kind === 'choice') return field.choices;
  if (!Object.hasOwn(ALTERNATES, key)) return [undefined];
  // What is on by default is turned off.
  return [undefined, ALTERNATES[key] === field.default ? 0 : ALTERNATES[key]];
};

/** Every combination of a rule's flags, choices and switched-on factors that the rule accepts. */
export function casesOf(name: string): Record<string, unknown>[] {
  const { row } = (rules as unknown as Readonly<Record<string, { readonly row: RuleRow }>>)[name]!;
  let cases: Record<string, unknown>[] = [{}];
  for (const [key, field] of Object.entries(row.fields)) {
    const values = valuesOf(key, field);
    cases = cases.flatMap((each) => values.map((value) => (value === undefined ? each : { ...each, [key]: value })));
  }
  return cases.filter((options) => {
    // Without a decay there is nothing to decouple: one case says as much as two.
    if (options.decoupledWeightDecay === true && !options.weightDecay && row.fields.weightDecay?.default === 0)
      return false;
    try {
      resolveRule(rules, name, options);
      return true;
    } catch {
      return false;
    }
  });
}

/** So many cases or fewer are all run. */
const ALL_CASES = 16;

/**
 * Of a rule with many options fewer: so that every two values of two options meet in a case, if the rule accepts them together.
 */
export function fewCasesOf(name: string): Record<string, unknown>[] {
  const cases = casesOf(name);
  if (cases.length <= ALL_CASES) return cases;
  const hypers = cases.map((options) => Object.entries(resolveRule(rules, name, options).hyper).map(String));
  const pairs = hypers.map((values) => values.flatMap((a, i) => values.slice(i + 1).map((b) => `${a} ${b}`)));
  const open = new Set(pairs.flat());
  const chosen: Record<string, unknown>[] = [];
  while (open.size > 0) {
    const gains = pairs.map((own) => own.filter((pair) => open.has(pair)).length);
    const best = gains.indexOf(Math.max(...gains));
    for (const pair of pairs[best]!) open.delete(pair);
    chosen.push(cases[best]!);
  }
  return chosen;
}

export const ruleNames = Object.keys(rules);

const hasPasses = (name: string) => resolveRule(rules, name).row.passes !== undefined;
/** Rules that are one function of an element, and those of several passes. */
export const elementwiseNames = ruleNames.filter((name) => !hasPasses(name));
export const passNames = ruleNames.filter(hasPasses);

/** One case for every set of state slots and every convention of a rule: what changes the loads and stores of a kernel. */
export function slotCases(name: string): Record<string, unknown>[] {
  const seen = new Map<string, Record<string, unknown>>();
  for (const options of casesOf(name)) {
    const { row, hyper } = resolveRule(rules, name, options);
    const id = JSON.stringify([row.slots(hyper), (hyper as { convention?: unknown }).convention]);
    if (!seen.has(id)) seen.set(id, options);
  }
  return [...seen.values()];
}

/** Rules with no state, with one that some settings add, with the most, and with state that does not start at 0. */
export const FEW: readonly string[] = ['sgd', 'adam', 'adan', 'ftrl'];

/** What is carried into another kernel of these rules: a pipeline each, so that all of them are for tests/slow. */
export const insideCases = (names: readonly string[]) =>
  names.flatMap((name) => slotCases(name).map((options) => [name, options] as const));
