import { describe, expect, it } from 'vitest';
import { type Dataset, idx } from '../../src/data/index.js';
import { mlp } from '../../src/nn/mlp.js';
import { requestDevice } from '../../src/node/index.js';
import { muon, sgd } from '../../src/optim/rules.gen.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { collect, countCreations, noise } from '../support/train.js';

const good = (): TrainerOptions => ({ model: mlp({ sizes: [9, 4] }), rule: sgd(), data: noise(50, 9, 4) });
const at = (code: string) => expect.objectContaining({ name: 'DownhillError', code, fix: expect.stringMatching(/\S/) });

describe('createTrainer refuses, before it creates anything on the GPU,', () => {
  it.each<[string, string, Partial<Record<keyof TrainerOptions, unknown>> & Record<string, unknown>]>([
    ['an unknown option', 'OPTION-UNKNOWN', { batchsize: 3 }],
    ['batch 0', 'OPTION-RANGE', { batchSize: 0 }],
    ['a batch larger than the data', 'OPTION-RANGE', { batchSize: 51 }],
    ['a fractional batch', 'OPTION-RANGE', { batchSize: 1.5 }],
    ['a batch that is a string', 'OPTION-TYPE', { batchSize: '64' }],
    ['a batch size beside full sampling', 'OPTION-RANGE', { batchSize: 10, sampling: 'full' }],
    ['an unknown sampling', 'OPTION-RANGE', { sampling: 'shufle' }],
    ['a negative seed', 'OPTION-RANGE', { seed: -1 }],
    ['a seed that is not finite', 'OPTION-RANGE', { seed: Number.NaN }],
    ['dropLast as a string', 'OPTION-TYPE', { dropLast: 'yes' }],
    ['submitMs 0', 'OPTION-RANGE', { submitMs: 0 }],
    ['a label that is no string', 'OPTION-TYPE', { label: 5 }],
    ['no model', 'OPTION-TYPE', { model: undefined }],
    ['a rule by name', 'OPTION-TYPE', { rule: 'sgd' }],
    ['the function of a rule instead of a rule', 'OPTION-TYPE', { rule: sgd }],
    ['a rule made by hand with a bad rate', 'HYPER-RANGE', { rule: { row: sgd.row, hyper: { lr: Number.NaN } } }],
    ['a rule made by hand without its row', 'OPTION-TYPE', { rule: { row: { name: 'sgd' }, hyper: {} } }],
    [
      'Muon with every matrix frozen',
      'OPTION-RANGE',
      { rule: muon(), groups: [{ tensors: '*.weight', frozen: true }] },
    ],
    ['no data', 'OPTION-TYPE', { data: null }],
    [
      'data that is still a promise',
      'OPTION-TYPE',
      { data: idx({ images: new Uint8Array(1), labels: new Uint8Array(1) }).catch(() => {}) },
    ],
    ['data without targets', 'OPTION-TYPE', { data: { ...noise(50, 9, 4), targets: undefined } }],
    ['data that is shorter than it says', 'DATA-MISMATCH', { data: { ...noise(50, 9, 4), samples: 60 } }],
    ['data with a scale that is not finite', 'DATA-MISMATCH', { data: { ...noise(50, 9, 4), scale: Number.NaN } }],
    [
      'a label outside the classes',
      'DATA-LABEL',
      { data: { ...noise(50, 9, 4), targets: { kind: 'classes', classes: 4, labels: new Uint8Array(50).fill(4) } } },
    ],
    ['features that do not fit the model', 'SHAPE-MISMATCH', { model: mlp({ sizes: [8, 4] }) }],
    ['classes that do not fit the model', 'SHAPE-MISMATCH', { model: mlp({ sizes: [9, 5] }) }],
    ['a loss that does not fit the targets', 'SHAPE-MISMATCH', { model: mlp({ sizes: [9, 4], loss: 'mse' }) }],
  ])('%s', async (_, code, wrong) => {
    const device = await testDevice();
    const { counts, restore } = countCreations(device);
    try {
      await expect(createTrainer(device, { ...good(), ...wrong } as unknown as TrainerOptions)).rejects.toEqual(
        at(code),
      );
      expect(counts).toEqual({});
    } finally {
      restore();
    }
  });

  it('something that is no device', async () => {
    await expect(createTrainer({} as GPUDevice, good())).rejects.toEqual(at('OPTION-TYPE'));
    await expect(createTrainer(undefined as unknown as GPUDevice, good())).rejects.toEqual(at('OPTION-TYPE'));
  });

  it('a batch beyond what the device binds; a data set beyond it is streamed', async () => {
    const device = await testDevice();
    const less = new Map<string | symbol, number>([
      ['maxStorageBufferBindingSize', 4096],
      ['maxBufferSize', 1 << 20],
    ]);
    const limits = new Proxy(device.limits, {
      get: (target, key) => less.get(key) ?? Reflect.get(target, key, target),
    });
    const small = new Proxy(device, {
      get: (target, key) => {
        if (key === 'limits') return limits;
        const value = Reflect.get(target, key, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const data: Dataset = noise(200, 9, 4);
    const full = { ...good(), data, sampling: 'full', batchSize: undefined } as const;
    await expect(createTrainer(small, full)).rejects.toEqual(at('LIMIT-BINDING'));
    const targets = { kind: 'values', width: 30, values: new Float32Array(50 * 30) } as const;
    const regression = {
      model: mlp({ sizes: [9, 30], loss: 'mse' }),
      data: { ...noise(50, 9, 4), targets },
      batchSize: 40,
    };
    await expect(createTrainer(small, { ...good(), ...regression })).rejects.toEqual(at('LIMIT-BINDING'));
    const one = await createTrainer(small, good());
    expect((await one.evaluate(data)).loss).toBeGreaterThan(0);
    one.destroy();
    await expect(createTrainer(small, { ...good(), model: mlp({ sizes: [9, 100, 4] }) })).rejects.toEqual(
      at('LIMIT-BINDING'),
    );
  });
});

describe('run and evaluate refuse', () => {
  it('wrong lengths, unknown options and a destroyed trainer', async () => {
    const one = await createTrainer(await testDevice(), good());
    expect(() => one.run({} as never)).toThrow(at('OPTION-RANGE'));
    expect(() => one.run({ steps: 3, epochs: 1 } as never)).toThrow(at('OPTION-RANGE'));
    expect(() => one.run({ steps: -1 })).toThrow(at('OPTION-RANGE'));
    expect(() => one.run({ steps: 2.5 })).toThrow(at('OPTION-RANGE'));
    expect(() => one.run({ epochs: '3' as unknown as number })).toThrow(at('OPTION-TYPE'));
    expect(() => one.run({ step: 3 } as never)).toThrow(at('OPTION-UNKNOWN'));
    expect(() => one.run({ steps: 3, signal: 'x' as never })).toThrow(at('OPTION-TYPE'));
    await expect(one.evaluate(undefined as never)).rejects.toEqual(at('OPTION-TYPE'));
    await expect(one.evaluate(noise(5, 8, 4))).rejects.toEqual(at('SHAPE-MISMATCH'));
    one.destroy();
    one.destroy();
    expect(() => one.run({ steps: 1 })).toThrow(at('RUN-DESTROYED'));
    await expect(one.evaluate(noise(5, 9, 4))).rejects.toEqual(at('RUN-DESTROYED'));
  });

  it('calls of a destroyed trainer by a rejection, never while they are made: others beside them would be lost', async () => {
    const one = await createTrainer(await testDevice(), good());
    one.destroy();
    const held = noise(5, 9, 4);
    const pending = [
      ...[one.evaluate(held), one.predict(new Float32Array(9)), one.state(), one.readParameters(), one.profile()],
      ...[one.curvature(), one.checkpoint(), one.restore(new Uint8Array(9)), one.importWeights(new Uint8Array(9))],
    ];
    for (const each of await Promise.allSettled<unknown>(pending))
      expect(each).toMatchObject({ status: 'rejected', reason: at('RUN-DESTROYED') });
  });

  it('an evaluation whose trainer is destroyed under it', async () => {
    const one = await createTrainer(await testDevice(), good());
    const pending = one.evaluate(noise(5, 9, 4));
    one.destroy();
    await expect(pending).rejects.toEqual(at('RUN-DESTROYED'));
  });
});

describe('a lost device', () => {
  it('rejects a run with DEVICE-LOST within 2 s, with no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    // At several points: with nothing, one and two submits under way.
    for (const loseAt of [1, 20, 150]) {
      const device = await requestDevice();
      const one = await createTrainer(device, { ...good(), submitMs: 5 });
      let lostAt = 0;
      await expect(async () => {
        for await (const { step } of one.run({ steps: 1e6 })) {
          if (step === loseAt) {
            lostAt = performance.now();
            device.destroy();
          }
        }
      }).rejects.toEqual(at('DEVICE-LOST'));
      expect(performance.now() - lostAt).toBeLessThan(2000);
      await expect(collect(one, { steps: 1 })).rejects.toEqual(at('DEVICE-LOST'));
      await expect(one.evaluate(noise(5, 9, 4))).rejects.toEqual(at('DEVICE-LOST'));
      await expect(one.readParameters()).rejects.toEqual(at('DEVICE-LOST'));
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });

  it('is refused when it was lost before', async () => {
    const device = await requestDevice();
    device.destroy();
    await expect(createTrainer(device, good())).rejects.toEqual(at('DEVICE-LOST'));
  });
});
