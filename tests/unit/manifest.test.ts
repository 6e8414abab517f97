import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Parser } from 'expr-eval-fork';
import { describe, expect, it } from 'vitest';
import { recordAt, resolveRule, startOf } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { manifest, vectorsOf } from '../support/bare-kernels.js';
import { casesOf, ruleNames } from '../support/rule-cases.js';

/* shaders/manifest.json against the rows it tells of: its formulas are evaluated by somebody else's parser. */

const root = resolve(import.meta.dirname, '../..');
type Value = number | boolean | string | readonly number[];
type Scope = Record<string, Value>;
const parser = new Parser();
const parsed = new Map<string, ReturnType<Parser['parse']>>();

function evaluate(formula: string, scope: Scope): Value {
  const expression = parsed.get(formula) ?? parser.parse(formula);
  parsed.set(formula, expression);
  return expression.evaluate(scope as never) as Value;
}

/** What the manifest's formulas make of settings at update number t, the first by default or the one after `before`. */
function scalarsOf(name: string, settings: Scope, t: number, before?: Scope): Scope {
  const scope: Scope = { ...settings, t };
  for (const { name: key, start } of manifest.rules[name]!.carry) scope[key] = before?.[key] ?? evaluate(start, scope);
  for (const { name: scalar, formula } of manifest.rules[name]!.scalars!) scope[scalar] = evaluate(formula, scope);
  return scope;
}

describe.each(ruleNames)('the manifest of %s', (name) => {
  const cases = casesOf(name).map((options) => resolveRule(rules, name, options));

  it('has formulas for the scalars of every update', () => {
    expect(manifest.rules[name]!.scalars, 'src/optim/rules: export `text` beside the row').toBeDefined();
    const wrong: string[] = [];
    for (const rule of cases) {
      let carried = startOf(rule.row);
      let before: Scope | undefined;
      for (let t = 1; t <= 25; t++) {
        const record = recordAt(rule, t - 1, carried);
        const scope = scalarsOf(name, rule.hyper as Scope, t, before);
        for (const [key, value] of Object.entries(record.values)) {
          const error = Math.abs((scope[key] as number) - value);
          if (!(error <= 1e-12 * Math.abs(value))) wrong.push(`${key} of update ${t}: ${JSON.stringify(rule.hyper)}`);
        }
        carried = record.carry;
        before = scope;
      }
    }
    expect(wrong).toEqual([]);
  });

  it('says which slots there are, and what they start with', () => {
    const { slots } = manifest.rules[name]!;
    for (const { row, hyper } of cases) {
      const scope = hyper as Scope;
      const live = slots.filter(({ when }) => when === undefined || evaluate(when, scope));
      expect(live.map((slot) => slot.name)).toEqual(row.slots(hyper));
      for (const { name: slot, initial } of live)
        expect(evaluate(initial, scope)).toBe(row.initial?.(slot, hyper) ?? 0);
    }
  });

  it('has vectors of its every field', () => {
    const { cases: told, kernel } = vectorsOf(name);
    expect(kernel).toBe(manifest.rules[name]!.kernel);
    for (const { name: key, default: value } of manifest.rules[name]!.hyper) {
      const numbers = typeof value === 'number' && value !== 0;
      if (numbers || Array.isArray(value)) continue;
      const seen = new Set(told.map(({ settings }) => JSON.stringify(settings[key])));
      expect(seen.size, key).toBeGreaterThan(1);
    }
  });
});

it('the manifest tells of every kernel that the package has', () => {
  const files = readdirSync(resolve(root, 'shaders'), { recursive: true })
    .map((path) => `shaders/${String(path).replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.wgsl'));
  const told = Object.values(manifest.kernels);
  expect(told.map(({ file }) => file).sort()).toEqual(files.sort());
  for (const { file, entryPoint, bindings, overrides } of told) {
    const code = readFileSync(resolve(root, file), 'utf8');
    expect(code).toContain(`fn ${entryPoint}(`);
    for (const { name, type, space } of bindings) {
      const declared = new RegExp(`var<${space}[^>]*> ${name}: ${type.replace(/[[\]<>]/g, '\\$&')};`);
      expect(code, `${file}: ${name}`).toMatch(declared);
    }
    for (const { name, default: value } of overrides) {
      expect(code).toMatch(new RegExp(`^override ${name}: \\w+ = `, 'm'));
      expect(value, name).not.toBeNaN();
    }
  }
});
