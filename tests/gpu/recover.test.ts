import { afterAll, describe, expect, it } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import { requestDevice } from '../../src/node/index.js';
import { ema } from '../../src/optim/averages.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { plateau, warmup } from '../../src/optim/schedules.js';
import type { RecoverEvent, RecoverOptions } from '../../src/train/recover-types.js';
import type { StepReport } from '../../src/train/report-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { collect, noise } from '../support/train.js';

const made: Trainer[] = [];
afterAll(() => {
  for (const one of made) one.destroy();
});

const data = noise(20, 6, 3);
/** With everything that a snapshot must have. */
const rich = (): Omit<TrainerOptions, 'rule'> & { rule: Rule } => ({
  model: mlp({ sizes: [6, 5, 3], activation: 'tanh' }),
  rule: adam({ lr: warmup(plateau(0.05, { factor: 0.5, patience: 0 }), { steps: 4 }) }) as unknown as Rule,
  average: ema({ decay: 0.8 }),
  validation: { data: noise(12, 6, 3), every: { iterations: 5 } },
  data,
  batchSize: 8,
  submitMs: 1,
});

/** Few kernels: every device compiles them again. */
const small = (): Omit<TrainerOptions, 'rule'> & { rule: Rule } => ({
  model: mlp({ sizes: [6, 3] }),
  rule: sgd({ lr: 0.1, momentum: 0.9 }) as unknown as Rule,
  data,
  batchSize: 8,
  submitMs: 1e-3, // a step to a submit
});

async function trainer(recover?: RecoverOptions, options = small, more: Partial<TrainerOptions> = {}) {
  const devices: GPUDevice[] = [];
  const next = async () => {
    const device = await requestDevice();
    devices.push(device);
    return device;
  };
  const events: RecoverEvent[] = [];
  const one = await createTrainer(await next(), {
    ...options(),
    ...(more as object),
    ...(recover && { recover: { requestDevice: next, onEvent: (event) => events.push(event), ...recover } }),
  });
  made.push(one);
  return { one, devices, events };
}

const STEPS = 60;

describe('a trainer whose device is lost', () => {
  it('goes on as if nothing had happened, bit for bit, and reports every step once', async () => {
    const { one: whole, devices: only } = await trainer(undefined, rich);
    const expected = await collect(whole, { steps: STEPS });
    const parameters = await whole.readParameters({ weights: 'current' });
    only[0]!.destroy();

    const { one, devices, events } = await trainer({ every: 0.01 }, rich);
    const reports: StepReport[] = [];
    for await (const report of one.run({ steps: STEPS })) {
      reports.push(report);
      if (report.step === 23) {
        // So that a snapshot is there that is not the first.
        await new Promise((resolve) => setTimeout(resolve, 50));
        devices[0]!.destroy();
      }
    }
    expect(reports).toEqual(expected);
    expect(await one.readParameters({ weights: 'current' })).toEqual(parameters);
    expect(events.map(({ kind }) => kind)).toEqual(['lost', 'recovered']);
    const [, recovered] = events as [RecoverEvent, Extract<RecoverEvent, { kind: 'recovered' }>];
    expect(recovered.reached).toBeGreaterThanOrEqual(23);
    expect(recovered.step).toBeGreaterThan(0);
    expect(recovered.otherForms).toEqual([]);
    // It goes on being used: evaluation on the new device, a further run, a checkpoint.
    expect((await one.evaluate(data)).step).toBe(STEPS);
    await collect(one, { steps: 3 });
    expect((await one.checkpoint()).length).toBeGreaterThan(0);
    // The device that it asked for is its own.
    one.destroy();
    expect((await devices[1]!.lost).reason).toBe('destroyed');
  });

  it('finds out between two runs, too, and trains again what was trained since the snapshot', async () => {
    const { one: whole } = await trainer();
    const expected = await collect(whole, { steps: 20 });
    const { one, devices, events } = await trainer({});
    expect(await collect(one, { steps: 12 })).toEqual(expected.slice(0, 12));
    devices[0]!.destroy();
    await expect(one.evaluate(data)).rejects.toThrow(/DEVICE-LOST/);
    expect(await collect(one, { steps: 8 })).toEqual(expected.slice(12));
    expect(events.at(-1)).toMatchObject({ kind: 'recovered', step: 0, reached: 12 });
    expect(one.step).toBe(20);
  });

  it('keeps what set and importWeights changed, and a restored state', async () => {
    const { one: whole } = await trainer();
    await collect(whole, { steps: 10 });
    const file = await whole.checkpoint();
    whole.set({ lr: 0.01 });
    const expected = await collect(whole, { steps: 6 });
    const { one, devices } = await trainer({});
    await one.restore(file);
    one.set({ lr: 0.01 });
    devices[0]!.destroy();
    expect(await collect(one, { steps: 6 })).toEqual(expected);
    await one.importWeights(file);
    const weights = await one.readParameters({ weights: 'current' });
    devices[1]!.destroy();
    await collect(one, { steps: 0 });
    expect(await one.readParameters({ weights: 'current' })).toEqual(weights);
  });

  it('goes on behind an early stop, where it was asked to, also from a snapshot of before', async () => {
    const more = {
      validation: { data: noise(12, 6, 3), every: { batches: 2 } },
      earlyStopping: { patience: 1, minDelta: 9 },
    };
    const { one: whole } = await trainer(undefined, small, more);
    const first = await collect(whole, { steps: STEPS });
    expect(whole.stopped!.step).toBe(4);
    const second = await collect(whole, { steps: 2 });
    const { one, devices } = await trainer({}, small, more);
    expect(await collect(one, { steps: STEPS })).toEqual(first);
    devices[0]!.destroy();
    expect(await collect(one, { steps: 2 })).toEqual(second);
    expect(one.stopped).toEqual(whole.stopped);
    expect(await one.readParameters()).toEqual(await whole.readParameters());
  });

  it('keeps what was reported to a schedule beside a validation', async () => {
    const lr = plateau(0.1, { factor: 0.5, patience: 0, metric: 'reported' });
    const { one, devices } = await trainer({}, rich, { rule: adam({ lr }) as unknown as Rule });
    await collect(one, { steps: 6 });
    for (let i = 0; i < 3; i++) lr.report(1);
    const told = lr.state();
    devices[0]!.destroy();
    expect((await collect(one, { steps: 2 })).map((report) => report.lr)).toEqual([told.lr, told.lr]);
    expect(lr.state()).toEqual(told);
  });

  it('does not wait on where it is destroyed meanwhile', async () => {
    const { one, devices, events } = await trainer({
      waits: [600],
      onEvent: (event) => {
        events.push(event);
        if (event.kind === 'lost' && event.wait > 0) setTimeout(() => one.destroy(), 20);
      },
    });
    await collect(one, { steps: 2 });
    devices.at(-1)!.destroy();
    await collect(one, { steps: 2 });
    devices.at(-1)!.destroy();
    await expect(collect(one, { steps: 2 })).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
    expect(events.map(({ kind }) => kind)).toEqual(['lost', 'recovered', 'lost']);
  });

  it('waits longer each time, says so, and gives up in the end', async () => {
    const { one, devices, events } = await trainer({ waits: [0.05, 0.1] });
    const run = async () => {
      // Every device goes as soon as it has done a step.
      for await (const _ of one.run({ steps: STEPS })) devices.at(-1)!.destroy();
    };
    await expect(run()).rejects.toThrow(/DEVICE-LOST/);
    const waits = events.flatMap((event) => (event.kind === 'lost' ? [event.wait] : []));
    expect(waits).toEqual([0, 0.05, 0.1]);
  });

  it('tries again where there is no device at once, and says in the end why there was none', async () => {
    let asked = 0;
    const none = async (): Promise<GPUDevice> => {
      asked++;
      throw new Error('no adapter today');
    };
    const { one, devices } = await trainer({ waits: [0.01, 0.01], requestDevice: none });
    devices[0]!.destroy();
    await expect(collect(one, { steps: 1 })).rejects.toThrow(
      /no other could take its place: no adapter today.*DEVICE-LOST/s,
    );
    expect(asked).toBe(3);
    const controller = new AbortController();
    const { one: other, devices: theirs } = await trainer({ waits: [60], requestDevice: none });
    theirs[0]!.destroy();
    setTimeout(() => controller.abort(new Error('enough')), 100);
    await expect(collect(other, { steps: 1, signal: controller.signal })).rejects.toThrow('enough');
  });

  it('throws DEVICE-LOST where it was not asked to recover, and refuses options that are none', async () => {
    const { one, devices } = await trainer();
    devices[0]!.destroy();
    await expect(collect(one, { steps: 1 })).rejects.toThrow(/DEVICE-LOST/);
    const device = await requestDevice();
    for (const recover of [true, { every: -1 }, { waits: 3 }, { requestDevice: 1 }, { often: 1 }, 'yes'])
      await expect(createTrainer(device, { ...small(), recover: recover as never })).rejects.toThrow(/OPTION-/);
    device.destroy();
  });
});
