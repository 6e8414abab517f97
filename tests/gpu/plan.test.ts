import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import { requestDevice } from '../../src/node/index.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam } from '../../src/optim/rules.gen.js';
import { SHADERS } from '../../src/shaders/hash.gen.js';
import { keyOf } from '../../src/train/choose.js';
import type { FormChoice, MeasuredPlan, PlanStore } from '../../src/train/plan-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { VERSION } from '../../src/train/version.js';
import { testDevice } from '../support/gpu.js';
import { collect, noise } from '../support/train.js';

const made: Trainer[] = [];
afterAll(() => {
  for (const one of made) one.destroy();
});

const warnings: string[] = [];
beforeEach(() => {
  warnings.length = 0;
  vi.spyOn(console, 'warn').mockImplementation((text) => void warnings.push(text));
});
afterEach(() => vi.restoreAllMocks());

const data = noise(40, 12, 3);
async function trainer(more: Partial<TrainerOptions> = {}, device?: GPUDevice): Promise<Trainer> {
  const one = await createTrainer(device ?? (await testDevice()), {
    model: mlp({ sizes: [12, 8, 8, 3] }),
    rule: adam({ lr: 0.01 }) as unknown as Rule,
    data,
    batchSize: 16,
    ...more,
  });
  made.push(one);
  return one as unknown as Trainer;
}

/** Keeps plans as JSON does. */
function memory(): PlanStore & { readonly kept: Map<string, unknown>; saves: number } {
  const kept = new Map<string, unknown>();
  return {
    kept,
    saves: 0,
    load: async (key) => kept.get(key),
    async save(key, plan) {
      this.saves++;
      kept.set(key, JSON.parse(JSON.stringify(plan)));
    },
  };
}

/** Another form of the update than the heuristic takes: every device has two, with the same bits. */
const other = (own: string | undefined) => (own === 'update/lanes-1' ? 'update/lanes-4' : 'update/lanes-1');

/** Whether a form is one of a whole step, which has the bits of its gradient with what follows apart. */
const wholeStep = ({ 'forward-0': form = '' }: FormChoice) => form.startsWith('step/');

/** What a choice becomes where the update has a form of its own: the heuristic's, for what is then by itself. */
const withUpdate = (own: FormChoice, update: string): FormChoice =>
  wholeStep(own)
    ? {
        'forward-0': own['forward-0']!.replace('step/', 'gradient/'),
        ...{ advance: 'advance', update, account: 'account/workgroup' },
      }
    : { ...own, update };

describe('a plan', () => {
  it('goes by the adapter alone where nothing else is asked for', async () => {
    const one = await trainer();
    expect(one.describe()).toMatchObject({ chosenBy: 'heuristic' });
    for (const plan of ['auto', 'pinned'] as const) {
      const next = await trainer({ plan, plans: memory() });
      expect(next.describe()).toMatchObject({ chosenBy: 'heuristic', choice: one.describe().choice });
      expect(next.describe().measured).toBeUndefined();
    }
  });

  it('takes forms by name, all or some', async () => {
    const one = await trainer();
    const own = one.describe().choice;
    const expected = await collect(one, { steps: 5 });
    const update = other(own.update);
    const next = await trainer({ plan: { update } });
    expect(next.describe()).toMatchObject({ chosenBy: 'caller' });
    expect(next.describe().choice).toEqual(withUpdate(own, update));
    expect(await collect(next, { steps: 5 })).toEqual(expected);
    const again = await trainer({ plan: next.describe().choice });
    expect(again.describe().choice).toEqual(next.describe().choice);
  });

  it.each<[unknown, RegExp]>([
    [{ update: 'update/magic' }, /There is no form "update\/magic".*PLAN-UNKNOWN/],
    [{ update: 'dense/tile' }, /train\/update: the form dense\/tile does not fit here.*PLAN-UNKNOWN/],
    [{ 'forward-9': 'dense/tile' }, /There is no pass forward-9.*PLAN-UNKNOWN/],
    [{ update: 3 }, /OPTION-TYPE/],
    ['mesure', /OPTION-RANGE.*measure/],
    [null, /OPTION-TYPE/],
    [['dense/tile'], /OPTION-TYPE/],
    [7, /OPTION-TYPE/],
  ])('refuses %j', async (plan, message) => {
    await expect(trainer({ plan: plan as 'auto' })).rejects.toThrow(message);
  });

  it('refuses a store that is none, and a budget that is none', async () => {
    await expect(trainer({ plans: {} as PlanStore })).rejects.toThrow(/OPTION-TYPE.*folderPlans/);
    await expect(trainer({ plan: 'measure', planBudgetMs: 0 })).rejects.toThrow(/planBudgetMs.*OPTION-RANGE/);
  });
});

describe('a measured plan', () => {
  it('is fast where it was measured, kept, taken up again, and leaves the training as it was', async () => {
    const plain = await trainer();
    const before = await plain.readParameters();
    const plans = memory();
    const one = await trainer({ plan: 'measure', plans, planBudgetMs: 5000 });
    const { chosenBy, measured, choice, notes } = one.describe();
    expect({ chosenBy, notes }).toEqual({ chosenBy: 'measured', notes: [] });
    expect(measured).toMatchObject({ format: 'downhill-plan/1', budgetMs: 5000, choice });
    expect(plans.saves).toBe(1);
    expect([...plans.kept]).toEqual([[measured!.key, JSON.parse(JSON.stringify(measured))]]);
    const usual = plain.describe().choice;
    const whole = wholeStep(usual);
    // Every pass has one form that is taken; each of them was measured.
    const updates = measured!.forms.filter(({ passes }) => passes.includes('update'));
    expect(updates.map(({ form }) => form)).toEqual(expect.arrayContaining(['update/lanes-1', 'update/lanes-4']));
    for (const { form, ms, ratio, note, taken } of updates) {
      // The last stage may have nothing left of the 5 s where other work has the cores.
      if (note === 'no time left') continue;
      expect(ms).toBeGreaterThan(0);
      // Beside a whole step an update alone is compared with nothing.
      if (whole) expect(ratio).toBeUndefined();
      else expect(ratio).toBeGreaterThan(0);
      expect(taken).toBe(choice.update === form);
    }
    // What takes several operations at once is compared with forms for each.
    const forward = measured!.forms.filter(({ passes }) => passes.includes('forward-0'));
    expect(forward.find(({ form }) => form === usual['forward-0'])).toMatchObject({
      ...{ passes: ['forward-0'], operations: whole ? 16 : 2, ratio: 1 },
    });
    expect(forward.map(({ form }) => form)).toEqual(expect.arrayContaining(['dense/tile', 'dense+activation/tile']));
    // Again: the 5 s may be over before, where other work has the cores.
    const few = forward.filter(({ operations }) => operations < 3);
    expect(few.some(({ ms, note }) => ms !== undefined || note === 'no time left')).toBe(true);
    for (const { ms, note } of forward) expect(ms ?? note).toBeDefined();

    expect(one.step).toBe(0);
    expect(await one.readParameters()).toEqual(before);
    const pinned = await trainer({ plan: choice });
    expect(await collect(one, { steps: 8 })).toEqual(await collect(pinned, { steps: 8 }));
    expect(one.describe().choice).toEqual(choice);

    for (const plan of ['auto', 'measure'] as const) {
      const next = await trainer({ plan, plans });
      expect(next.describe()).toMatchObject({
        chosenBy: 'kept',
        choice,
        measured: JSON.parse(JSON.stringify(measured)),
      });
    }
    expect(plans.saves).toBe(1);
    const exported = JSON.parse(JSON.stringify(measured)) as MeasuredPlan;
    expect((await trainer({ plan: exported })).describe()).toMatchObject({ chosenBy: 'kept', choice });
    // Of another shape nothing is kept.
    expect((await trainer({ plans, batchSize: 8 })).describe().chosenBy).toBe('heuristic');
    expect((await trainer({ plan: 'pinned', plans })).describe().chosenBy).toBe('heuristic');
    expect(warnings).toEqual([]);
  });

  it('of another adapter, release or model, or of nonsense, is ignored with a warning', async () => {
    const plans = memory();
    const one = await trainer({ plan: 'measure', plans, planBudgetMs: 1 });
    const measured = one.describe().measured!;
    const { key, choice } = measured;
    const bad: [unknown, RegExp][] = [
      [{ ...measured, version: '0.0.1' }, /release "0.0.1"/],
      [{ ...measured, adapter: { ...measured.adapter, description: 'Voodoo 2' } }, /adapter "Voodoo 2"/],
      [{ ...measured, adapter: undefined }, /adapter undefined/],
      [{ ...measured, key: '0' }, /another model/],
      [{ ...measured, choice: { ...choice, 'forward-0': 'magic' } }, /"magic" is no form of forward-0/],
      [{ ...measured, choice: { ...choice, 'forward-9': 'dense/tile' } }, /no pass "forward-9"/],
      [{ ...measured, choice: undefined }, /no plan of downhill/],
      [{ ...measured, format: 'downhill-plan/9' }, /no plan of downhill/],
      ['nonsense', /no plan of downhill/],
      [null, /no plan of downhill/],
    ];
    for (const [plan, why] of bad) {
      plans.kept.set(key, plan);
      const next = await trainer({ plans });
      expect(next.describe()).toMatchObject({ chosenBy: 'heuristic', notes: [expect.stringMatching(why)] });
      expect(warnings.splice(0)).toEqual([expect.stringMatching(why)]);
    }
    const [foreign] = bad[1]!;
    expect((await trainer({ plan: foreign as MeasuredPlan })).describe().notes).toEqual([
      expect.stringMatching(/Voodoo/),
    ]);
    const broken: PlanStore = { load: () => Promise.reject(new Error('no disk')), save: async () => {} };
    expect((await trainer({ plans: broken })).describe().notes).toEqual(['The kept plan cannot be read: no disk']);
    const full: PlanStore = { load: async () => undefined, save: () => Promise.reject(new Error('disk full')) };
    const kept = await trainer({ plan: 'measure', plans: full, planBudgetMs: 1 });
    expect(kept.describe()).toMatchObject({
      chosenBy: 'measured',
      notes: ['The measured plan is not kept: disk full'],
    });
  });

  it('is of one release and its kernels, whose forms keep their names', async () => {
    const device = await testDevice();
    const key = await keyOf(device, [], []);
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    expect(await keyOf(device, [], [], [VERSION, SHADERS])).toBe(key);
    for (const other of [
      ['0.0.9', SHADERS],
      [VERSION, '0123456789abcdef'],
    ])
      expect(await keyOf(device, [], [], other)).not.toBe(key);
  });

  it('without time is the one of the heuristic', async () => {
    const one = await trainer({ plan: 'measure', planBudgetMs: 0.01 });
    expect(one.describe().choice).toEqual((await trainer()).describe().choice);
    expect(one.describe().measured!.forms.some(({ note }) => note === 'no time left')).toBe(true);
  });
});

describe('the forms of a checkpoint', () => {
  it('are taken up by restore, and again where the device is lost', async () => {
    const own = (await trainer()).describe().choice;
    const update = other(own.update);
    const one = await trainer({ plan: { update } });
    await collect(one, { steps: 3 });
    const file = await one.checkpoint();
    const device = await requestDevice();
    const events: unknown[] = [];
    const next = await trainer(
      { submitMs: 1e-3, recover: { requestDevice, onEvent: (event) => events.push(event) } },
      device,
    );
    expect(await next.restore(file)).toMatchObject({ step: 3, otherForms: [] });
    expect(next.describe().choice.update).toBe(update);
    device.destroy();
    expect(await collect(next, { steps: 4 })).toEqual(await collect(one, { steps: 4 }));
    expect(events.at(-1)).toMatchObject({ kind: 'recovered', otherForms: [] });
    expect(next.describe().choice.update).toBe(update);
  });
});
