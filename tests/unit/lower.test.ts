import { describe, expect, it } from 'vitest';
import { lower } from '../../src/kernels/lower.js';
import type { Form, Op } from '../../src/kernels/op.js';

const op = (name: string, kind = 'a'): Op => ({ kind, label: `test/${name}`, shape: {}, buffers: {}, replicas: 1 });
const form = (name: string, more: Partial<Form> = {}): Form => ({ name, match: () => 1, lower: () => [], ...more });
const device = { features: new Set() } as unknown as GPUDevice;
const ops = [op('one'), op('two'), op('three')];
const pair = form('pair', { match: (all, at) => (at + 1 < all.length ? 2 : 0) });

describe('the forms of a plan', () => {
  it('are the first that fit and suit', () => {
    const never = form('never', { suits: () => false });
    expect(lower(ops, [never, form('each'), pair], device).choice).toEqual({ one: 'each', two: 'each', three: 'each' });
    expect(lower(ops, [pair, form('each')], device).choice).toEqual({ one: 'pair', three: 'each' });
    expect(lower(ops, [never, form('each')], device, { two: 'never' }).choice.two).toBe('never');
  });

  it('of one op are not taken away by one of several, where they are asked for', () => {
    const forms = [pair, form('each'), form('other')];
    expect(lower(ops, forms, device, { two: 'other' }).choice).toEqual({ one: 'each', two: 'other', three: 'each' });
    expect(lower(ops, forms, device, { one: 'each' }).choice).toEqual({ one: 'each', two: 'pair' });
    expect(() => lower(ops, forms, device, { one: 'pair', two: 'each' })).toThrow(/There is no pass two/);
  });

  it('of several ops pass over those whose results others read', () => {
    const read = { ...op('two'), alone: true };
    expect(lower([op('one'), read, op('three')], [pair, form('each')], device).choice).toEqual({
      one: 'each',
      two: 'each',
      three: 'each',
    });
  });

  it('that a device cannot run are passed over, which the notes say', () => {
    const wide = form('wide', { needs: () => 'subgroups', match: (all, at) => (all[at]!.kind === 'a' ? 1 : 0) });
    const late = form('late', { needs: () => 'f16' });
    const plan = lower([...ops, op('four', 'b')], [wide, form('plain'), late], device);
    expect(new Set(Object.values(plan.choice))).toEqual(new Set(['plain']));
    expect(plan.notes).toEqual(['wide needs subgroups, which this device has not: one, two, three']);
    expect(lower(ops, [form('wide', { needs: () => undefined })], device).notes).toEqual([]);
    expect(() => lower(ops, [wide, form('plain')], device, { one: 'wide' })).toThrow(
      /the form wide does not fit here: wide needs subgroups\. \[PLAN-UNKNOWN\]/,
    );
  });

  it('are refused by names that are not there', () => {
    expect(() => lower(ops, [form('each')], device, { one: 'magic' })).toThrow(/magic does not fit.*PLAN-UNKNOWN/);
    expect(() => lower(ops, [form('each')], device, { on: 'each' })).toThrow(/There is no pass on .*PLAN-UNKNOWN/);
  });
});
