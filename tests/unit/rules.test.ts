import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Field } from '../../src/gpu/fields.js';
import {
  allSlots,
  checkRule,
  type Rule,
  type RuleRow,
  recordFor,
  resolveRule,
  slotFlags,
} from '../../src/optim/rule.js';
import { type AdamOptions, adam, adamw, adan, rules, sgd } from '../../src/optim/rules.gen.js';
import { referenceRules } from '../../src/reference/index.js';

const at = (code: string, words = '') =>
  expect.objectContaining({
    name: 'DownhillError',
    code,
    fix: expect.stringMatching(/\S/),
    message: expect.stringContaining(words),
  });
const table = Object.entries(rules) as unknown as [string, { row: RuleRow }][];

describe('hyper-parameters', () => {
  it.each<[string, () => unknown, string, string]>([
    ['lr NaN', () => sgd({ lr: Number.NaN }), 'HYPER-RANGE', 'NaN'],
    ['lr Infinity', () => sgd({ lr: Number.POSITIVE_INFINITY }), 'HYPER-RANGE', 'Infinity'],
    ['lr negative', () => adam({ lr: -1e-3 }), 'HYPER-RANGE', '-0.001'],
    ['lr a string', () => sgd({ lr: '0.01' as unknown as number }), 'HYPER-TYPE', '"0.01"'],
    ['lr null', () => sgd({ lr: null as unknown as number }), 'HYPER-TYPE', 'null'],
    ['lr infinite in f32', () => sgd({ lr: 1e39 }), 'HYPER-RANGE', '32-bit'],
    ['lr zero in f32', () => sgd({ lr: 1e-46 }), 'HYPER-RANGE', 'becomes 0'],
    ['beta1 of 1', () => adam({ betas: [1, 0.999] }), 'HYPER-RANGE', 'betas[0]'],
    ['beta2 of 1', () => adam({ betas: [0.9, 1] }), 'HYPER-RANGE', 'betas[1]'],
    ['a negative beta', () => adamw({ betas: [-0.1, 0.9] }), 'HYPER-RANGE', 'betas[0]'],
    ['a beta of 1 in f32', () => adam({ betas: [0.9, 0.99999999] }), 'HYPER-RANGE', '32-bit'],
    ['one beta', () => adam({ betas: [0.9] as unknown as [number, number] }), 'HYPER-TYPE', 'pair'],
    ['betas as a number', () => adam({ betas: 0.9 as unknown as [number, number] }), 'HYPER-TYPE', 'pair'],
    [
      'two betas of three',
      () => adan({ betas: [0.98, 0.92] as unknown as [number, number, number] }),
      'HYPER-TYPE',
      '3',
    ],
    ['a third beta of 1', () => adan({ betas: [0.98, 0.92, 1] }), 'HYPER-RANGE', 'betas[2]'],
    ['the third beta by itself', () => adan({ beta3: 0.99 } as object), 'HYPER-UNKNOWN', 'beta3'],
    ['eps negative', () => adam({ eps: -1e-8 }), 'HYPER-RANGE', 'eps'],
    ['eps 0', () => adam({ eps: 0 }), 'HYPER-RANGE', 'eps'],
    ['eps below the normal numbers', () => adam({ eps: 1e-46 }), 'HYPER-RANGE', 'eps'],
    ['weightDecay negative', () => adamw({ weightDecay: -1 }), 'HYPER-RANGE', 'weightDecay'],
    ['momentum above 1', () => sgd({ momentum: 1.5 }), 'HYPER-RANGE', 'momentum'],
    ['nesterov without momentum', () => sgd({ nesterov: true }), 'HYPER-RANGE', 'momentum'],
    [
      'nesterov with dampening',
      () => sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 }),
      'HYPER-RANGE',
      'dampening',
    ],
    ['maximize a string', () => sgd({ maximize: 'yes' as unknown as boolean }), 'HYPER-TYPE', 'true or false'],
    ['PyTorch’s spelling', () => sgd({ weight_decay: 0.1 } as object), 'HYPER-UNKNOWN', 'weight_decay'],
    ['an unknown option', () => adam({ learningRate: 0.1 } as object), 'HYPER-UNKNOWN', 'learningRate'],
    ['something that is no object', () => adam(0.1 as unknown as object), 'HYPER-TYPE', '0.1'],
  ])('refuse %s', (_, make, code, words) => {
    expect(make).toThrow(at(code, words));
  });

  it('suggest the nearest name', () => {
    expect(() => sgd({ weight_decay: 0.1 } as object)).toThrow(
      expect.objectContaining({ fix: "Did you mean 'weightDecay'?" }),
    );
    expect(() => resolveRule(rules, 'Adamm')).toThrow(
      expect.objectContaining({ code: 'RULE-UNKNOWN', fix: "Did you mean 'adam'?" }),
    );
  });

  it.each(['__proto__', 'constructor', 'toString', ''])('know no rule named %j', (name) => {
    expect(() => resolveRule(rules, name)).toThrow(at('RULE-UNKNOWN'));
  });

  it('warn of a decay that takes off more than there is', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    adamw({ lr: 1, weightDecay: 1 });
    expect(warn).not.toHaveBeenCalled();
    adamw({ lr: 2, weightDecay: 0.6 });
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('adamw: lr·weightDecay is 1.2'));
    warn.mockRestore();
  });

  it('accept lr 0 and whatever lies within the ranges', () => {
    expect(sgd({ lr: 0 }).hyper.lr).toBe(0);
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 10, noNaN: true }),
        fc.double({ min: 1e-9, max: 0.999, noNaN: true }),
        (lr, beta) => {
          expect(adam({ lr, betas: [beta, beta] }).hyper).toMatchObject({ lr, betas: [beta, beta] });
        },
      ),
    );
  });

  it('are either accepted or refused with a DownhillError, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...table.map(([name]) => name)),
        fc.anything(),
        fc.constantFrom('lr', 'betas', 'eps', 'nesterov', 'x'),
        (name, value, key) => {
          try {
            resolveRule(rules, name, { [key]: value });
          } catch (error) {
            expect(error).toMatchObject({ name: 'DownhillError', fix: expect.any(String) });
          }
        },
      ),
    );
  });
});

describe('a rule that comes in from outside', () => {
  const { row } = adam;

  it('is taken as it is where a rule’s function made it', () => {
    const options: AdamOptions = { lr: 1e-2, betas: [0.8, () => 0.9] };
    const rule = adam(options);
    expect(checkRule('here', rule)).toBe(rule);
    expect(checkRule('here', resolveRule(rules, 'sgd'))).toMatchObject({ row: sgd.row });
  });

  it('is resolved and checked again where it was made by hand', () => {
    expect(checkRule('here', { row, hyper: { lr: 0.1 } })).toEqual(adam({ lr: 0.1 }));
    // Settings of one rule are none of another's.
    expect(() => checkRule('here', { row: sgd.row, hyper: adam().hyper })).toThrow(at('HYPER-UNKNOWN', 'betas'));
    const changed = { ...adam().hyper, lr: Number.NaN };
    expect(() => checkRule('here', { row, hyper: changed })).toThrow(at('HYPER-RANGE', 'adam: lr'));
    expect(() => checkRule('here', { row, hyper: { lr: '1' } })).toThrow(at('HYPER-TYPE', 'adam: lr'));
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a name', 'adam'],
    ['a rule’s function', adam],
    ['a row alone', { row }],
    ['a row that is none', { row: {}, hyper: {} }],
    ['settings that are none', { row, hyper: null }],
    ['a row without fields', { row: { ...row, fields: null }, hyper: {} }],
    ['an option that is no field', { row: { ...row, fields: { ...row.fields, lr: 0.1 } }, hyper: {} }],
    ['a row without a name', { row: { ...row, name: Symbol('adam') }, hyper: {} }],
    ['a shader without its layout', { row: { ...row, shader: { code: 'x' } }, hyper: {} }],
    ['a slot that the shader has not', { row: { ...row, slots: () => ['nope'] }, hyper: {} }],
    ['slots that are no list', { row: { ...row, slots: () => 'exp_avg' }, hyper: {} }],
    ['a scalar that nobody derives', { row: { ...row, derive: () => ({}) }, hyper: {} }],
    [
      'a scalar that is NaN',
      { row: { ...row, derive: () => ({ ...recordFor(adam(), 0), v_scale: Number.NaN }) }, hyper: {} },
    ],
    [
      'an object whose toString throws',
      {
        toString: () => {
          throw new Error('no');
        },
      },
    ],
  ])('is refused where it is %s', (_, rule) => {
    expect(() => checkRule('here', rule as Rule)).toThrow(at('OPTION-TYPE', 'here needs a rule'));
  });
});

describe('rows', () => {
  it.each(table)('%s is complete', (name, { row }) => {
    expect(row.name).toBe(name);
    expect(row.paper).toMatch(/^https:/);
    for (const field of Object.values(row.fields) as Field[]) expect(field.help).not.toBe('');
    expect(resolveRule(rules, name).hyper).toEqual(
      Object.fromEntries(Object.entries(row.fields).map(([key, field]) => [key, field.default])),
    );
    expect(Object.keys(referenceRules)).toContain(name);
  });

  it('turn on the optional slots they use', () => {
    expect(allSlots(sgd.row.shader)).toEqual(['momentum_buffer']);
    expect(slotFlags(sgd.row as unknown as RuleRow, [])).toEqual({ MOMENTUM_BUFFER: false });
    expect(slotFlags(adam.row as unknown as RuleRow, ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'])).toEqual({
      MAX_EXP_AVG_SQ: true,
    });
  });

  it('carry count, sign and float64 scalars', () => {
    const row = recordFor(adam({ lr: 1e-3, maximize: true }), 0);
    expect(row).toMatchObject({ count: 0, skip: 0, grad_scale: -1 });
    expect(row.step_size).toBeCloseTo(1e-2, 15);
    expect(recordFor(adam(), 9).v_scale).toBeCloseTo(1 / Math.sqrt(1 - 0.999 ** 10), 12);
  });
});

describe('a row', () => {
  it.each(table)('of %s names settings that it has', (_, { row }) => {
    const named = [...(row.fixed ?? []), ...(row.curvature ? [row.curvature.samples] : [])];
    expect(Object.keys(row.fields)).toEqual(expect.arrayContaining(named));
  });
});

describe('a rule’s name', () => {
  it('stands nowhere under src/ but in its row, its reference and generated files', () => {
    const src = resolve(import.meta.dirname, '../../src');
    const files = readdirSync(src, { recursive: true })
      .map(String)
      .filter(
        (path) =>
          path.endsWith('.ts') &&
          !path.endsWith('.gen.ts') &&
          !/(optim|reference)[\\/](rules|minimizers)[\\/]/.test(path),
      );
    const names = table.map(([name]) => name);
    const found = files.flatMap((path) => {
      // Documentation may give an example; what is imported is seen where it is used.
      const code = readFileSync(resolve(src, path), 'utf8')
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
        .replace(/^import [^;]*;$/gm, '');
      // 'Pass rule: adam({ lr: 1e-3 })' is a sentence for a person.
      return names
        .filter((name) => new RegExp(`\\b${name}\\b(?!\\(\\{)`, 'i').test(code))
        .map((name) => `${path}: ${name}`);
    });
    expect(found).toEqual([]);
  });
});
