import type { Field } from '../../src/gpu/fields.js';
import { type Rule, type RuleRow, recordFor, resolveHyper, slotFlags } from '../../src/optim/rule.js';
import {
  Path,
  type ReferenceRule,
  referenceRules,
  referenceState,
  referenceStep,
  ulp,
} from '../../src/reference/index.js';
import { recordPasses } from './passes.js';

/*
 * vectors/<rule>.json: what a kernel of a rule has to compute, from the float64 reference. Settings are chosen by the row's
 * fields: the defaults, every convention, every flag, and all that is off by default turned on.
 */

/** Of the one tensor: rules that look at shapes see a matrix. */
export const SHAPE = [3, 4] as const;
const LENGTH = SHAPE[0] * SHAPE[1];
const STEPS = [1, 2, 3, 10, 25];
const LAST = STEPS.at(-1)!;
/** What is off by default is turned on with it. */
const ON = { number: 0.1, integer: 5 };

type Settings = Readonly<Record<string, unknown>>;

/** Deterministic, a multiple of 2^-8 within [-1, 1) and not 0: short in decimal, exact in f32. */
function noise(index: number): number {
  const bits = Math.imul(index + 1, 0x9e3779b1);
  const mixed = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  const value = (((mixed ^ (mixed >>> 13)) >>> 0) % 512) - 256;
  return (value === 0 ? 1 : value) / 256;
}

/** Where an element's gradients are large, small, sometimes zero and always zero. */
const SCALES = [1, 1, 1, 1, 1, 1, 1, 2 ** 6, 2 ** -6, 1, 1, 0];
/** Some begin at 0 or near it: their last places tell most of the step. */
const PARAM = Array.from({ length: LENGTH }, (_, i) => {
  const value = noise(7000 + i);
  if (i >= 4 && i < 7) return i === 4 ? 0 : value / 256;
  return value + (value < 0 ? -0.25 : 0.25);
});
const GRADIENTS = Array.from({ length: LAST }, (_, step) =>
  SCALES.map((scale, i) => ((step + i) % 7 === 3 && i > 8 ? 0 : noise(step * LENGTH + i) * scale)),
);

/** Settings of a rule that together go through its every branch; those it refuses are left out. */
export function settingsOf(row: RuleRow): Settings[] {
  const fields = Object.entries(row.fields);
  const accepted = (options: Settings): boolean => {
    try {
      resolveHyper(row, options as never);
      return true;
    } catch {
      return false;
    }
  };
  const on: Settings = Object.fromEntries(
    fields.flatMap(([key, { kind, default: value }]) =>
      (kind === 'number' || kind === 'integer') && value === 0 ? [[key, ON[kind]]] : [],
    ),
  );
  // A flag that needs something that is off gets it.
  const flagged = (key: string, field: Field): Settings[] => {
    const own = { [key]: !field.default };
    const found = [own, ...Object.entries(on).map(([name, value]) => ({ ...own, [name]: value }))].find(accepted);
    return found ? [found] : [];
  };
  const shared = ['decoupledWeightDecay', 'maximize'];
  const all = [
    {},
    ...fields.flatMap(([key, field]) =>
      field.kind === 'choice' ? field.choices.slice(1).map((choice) => ({ [key]: choice })) : [],
    ),
    ...fields.flatMap(([key, field]) => (field.kind === 'flag' && !shared.includes(key) ? flagged(key, field) : [])),
    { ...on, maximize: true },
    { weightDecay: ON.number, decoupledWeightDecay: !row.fields.decoupledWeightDecay!.default },
  ];
  return all.filter(accepted);
}

/** To 12 digits, in which no f32 is misjudged. */
const short = (values: Float64Array): number[] => Array.from(values, (value) => Number(value.toPrecision(12)));

/** An array: the path of its elements so far, and what the file says of them. */
class Told {
  readonly #path: Path;
  readonly #told: Float64Array;

  /** @param lost bits of it that cancel in f32 */
  constructor(
    readonly values: Float64Array,
    readonly lost = 0,
  ) {
    this.#path = new Path(values);
    this.#told = values.map(Math.abs);
  }

  advance(): void {
    this.#path.advance(this.values);
  }

  /** The values after so many steps, and how far off they may be: in ulps of the largest that the file has of each element. */
  tell(steps: number, roundings: number, within = 16): { values: number[]; ulps: number } {
    let ulps = 0;
    for (const [i, value] of this.values.entries()) {
      this.#told[i] = Math.max(this.#told[i]!, Math.abs(value));
      const largest = this.#told[i]!;
      if (largest > 0) ulps = Math.max(ulps, this.#path.limit(i, steps, roundings, within) / ulp(largest));
    }
    return { values: short(this.values), ulps: Math.ceil(ulps * 2 ** this.lost) };
  }
}

/** Scalars of every step: one number where all have the same. */
function scalarsOf(rule: Rule): Record<string, number | number[]> {
  const records = Array.from({ length: LAST }, (_, count) => recordFor(rule, count));
  return Object.fromEntries(
    Object.keys(records[0]!).map((name) => {
      const values = records.map((record) => record[name]!);
      return [name, values.every((value) => value === values[0]) ? values[0]! : values];
    }),
  );
}

function caseOf(row: RuleRow, reference: ReferenceRule, options: Settings) {
  const hyper = resolveHyper(row, options as never);
  const settings = hyper as Settings;
  const state = referenceState(reference, SHAPE, settings);
  const slots = Object.entries(state).filter(([slot]) => !reference.unlike?.includes(slot));
  const initial = Object.fromEntries(slots.map(([slot, values]) => [slot, values[0]!]));
  const param = Float64Array.from(PARAM);
  const told = {
    param: new Told(param),
    ...Object.fromEntries(slots.map(([slot, values]) => [slot, new Told(values, reference.lostBits?.[slot])])),
  };
  const decays = settings.decoupledWeightDecay === true && settings.weightDecay !== 0 ? 1 : 0;
  const after = [];
  for (let step = 1; step <= LAST; step++) {
    const grad = Float64Array.from(GRADIENTS[step - 1]!);
    referenceStep(reference, [{ shape: SHAPE, param, grad, state }], step, settings);
    for (const each of Object.values(told)) each.advance();
    if (!STEPS.includes(step)) continue;
    const roundings = (reference.roundings?.(step) ?? 1) + decays;
    const found = Object.entries(told).map(
      ([name, each]) => [name, each.tell(step, roundings, row.roundings)] as const,
    );
    after.push({ steps: step, ...Object.fromEntries(found) });
  }
  return {
    settings,
    overrides: row.passes ? {} : slotFlags(row, row.slots(hyper)),
    plan: row.passes && recordPasses({ row, hyper } as Rule, SHAPE),
    initial,
    scalars: scalarsOf({ row, hyper } as Rule),
    after,
  };
}

/** Of every rule: its name and what its file holds. */
export function generateVectors(rows: readonly RuleRow[]): (readonly [string, object])[] {
  const references = referenceRules as Readonly<Record<string, ReferenceRule>>;
  return rows.flatMap((row) => {
    const reference = references[row.name];
    if (!reference) return [];
    const cases = settingsOf(row).map((options) => caseOf(row, reference, options));
    // Of most rules it is one for all settings.
    const plan = cases[0]!.plan;
    const file = {
      version: 1,
      rule: row.name,
      kernel: row.shader.name,
      shape: SHAPE,
      param: PARAM,
      gradients: GRADIENTS,
      plan,
      cases: cases.map((each) =>
        JSON.stringify(each.plan) === JSON.stringify(plan) ? { ...each, plan: undefined } : each,
      ),
    };
    return [[row.name, file] as const];
  });
}
