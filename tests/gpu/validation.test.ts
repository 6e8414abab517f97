import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readRanges } from '../../src/gpu/buffers.js';
import {
  adam,
  arrays,
  batchNorm,
  createTrainer,
  dropout,
  ema,
  linear,
  mlp,
  plateau,
  sequential,
  sgd,
  type Trainer,
  type TrainerOptions,
  tanh,
} from '../../src/index.js';
import { CLOCK_BYTES, clockOffset, FAULT } from '../../src/kernels/advance.js';
import { earlyStopping } from '../../src/reference/index.js';
import type { NamedRange, Stateful } from '../../src/space/stateful.js';
import type { Program } from '../../src/train/program.js';
import type { StepReport } from '../../src/train/report-types.js';
import type { ValidationSettings } from '../../src/train/validation.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, countCreations, losses, replicasOf } from '../support/train.js';

/*
 * A small network that overfits: random labels, so that the loss on other data gets worse soon. Every promise is checked
 * against a run that does the same by hand, bit for bit.
 */

const FEATURES = 6;
const some = (samples: number, seed: number) =>
  arrays({
    x: randomFloats(samples * FEATURES, seed),
    y: Uint8Array.from({ length: samples }, (_, i) => (i * seed + 1) % 3),
    classes: 3,
    features: FEATURES,
  });

/** 5 batches of 8. */
const data = some(40, 7);
/** Two chunks, of 512 rows and of 18. */
const held = some(530, 11);
const model = mlp({ sizes: [FEATURES, 12, 3], activation: 'tanh' });
const rule = adam({ lr: 0.02 });

let device: GPUDevice;
const made: { destroy(): void }[] = [];
beforeAll(async () => {
  device = await testDevice();
});
afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

async function trainer(options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const one = await createTrainer(device, { model, rule, data, batchSize: 8, seed: 3, ...options } as TrainerOptions);
  made.push(one);
  return one;
}

const validationsOf = (reports: readonly StepReport[]) =>
  reports.flatMap(({ step, validation }) => (validation ? [{ at: step, ...validation }] : []));

describe('validation', () => {
  it.each<[string, number, Partial<TrainerOptions>, TrainerOptions['validation']]>([
    ['every epoch by default', 5, {}, { data: held }],
    ['every 3 batches', 3, {}, { data: held, every: { batches: 3 } }],
    [
      'every 2 iterations of 3 batches, some of which are skipped',
      6,
      {
        accumulate: { steps: 3 },
        skipNonFinite: { atMost: 50 },
        data: { ...data, x: data.x.map((value, i) => (i < FEATURES ? Number.NaN : value) as number) },
      },
      { data: held, every: { iterations: 2 } },
    ],
  ])('%s, is of the parameters right after its step, and changes nothing', async (_, every, options, validation) => {
    const one = await trainer({ ...options, validation: validation! });
    const other = await trainer(options);
    const reports = await collect(one, { steps: 4 * every + 1 });
    const seen = validationsOf(reports);
    expect(seen.map(({ at, step }) => [at, step])).toEqual([1, 2, 3, 4].map((i) => [i * every, i * every]));
    const plain: StepReport[] = [];
    for (const { step, loss, accuracy } of seen) {
      plain.push(...(await collect(other, { steps: step - other.step })));
      expect(await other.evaluate(held)).toEqual({ step, loss, accuracy });
    }
    plain.push(...(await collect(other, { steps: 1 })));
    expect(reports.map(({ validation: _own, ...report }) => report)).toEqual(plain);
    if (options.skipNonFinite) expect(plain.some(({ skipped }) => skipped)).toBe(true);
    expect(await one.readParameters()).toEqual(await other.readParameters());
    expect(one.best).toEqual(seen.map(({ at: __, ...report }) => report).findLast(({ best }) => best));
  });

  it('of data that takes several submits counts every sample once', async () => {
    // Nine chunks; a submit has eight.
    const large = some(4200, 13);
    const one = await trainer({ validation: { data: large, every: { batches: 2 } } });
    const [seen] = validationsOf(await collect(one, { steps: 2 }));
    const outputs = await one.predict(large.x);
    const { targets } = large;
    if (targets.kind !== 'classes') throw new Error('classes expected');
    let [loss, right] = [0, 0];
    for (const [i, label] of targets.labels.entries()) {
      const own = outputs.subarray(3 * i, 3 * i + 3);
      loss -= Math.log(own[label]!) / large.samples;
      right += own.indexOf(Math.max(...own)) === label ? 1 : 0;
    }
    expect(seen!.accuracy).toBe(right / large.samples);
    // Probabilities in f32, and a sum of 4200 in f32: some units in the last place.
    expect(Math.abs(seen!.loss / loss - 1)).toBeLessThan(1e-6);
  });

  it('keeps the weights of the best one where asked', async () => {
    const one = await trainer({ validation: { data: held, every: { batches: 2 }, keepBest: true } });
    await expect(one.readParameters({ weights: 'best' })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    const seen = validationsOf(await collect(one, { steps: 80 }));
    const lowest = Math.min(...seen.map(({ loss }) => loss));
    expect(one.best!.loss).toBe(lowest);
    expect(one.best!.step).toBeLessThan(80);
    const other = await trainer();
    await collect(other, { steps: one.best!.step });
    expect(await one.readParameters({ weights: 'best' })).toEqual(await other.readParameters());
    const { best: _, ...report } = one.best!;
    expect(await one.evaluate(held, { weights: 'best' })).toEqual({ ...report, step: 80 });
  });

  it('is of the average where one is kept, which is kept and put back as well', async () => {
    const options = { average: ema({ decay: 0.8 }), validation: { data: held, every: { batches: 3 } } };
    const one = await trainer({ ...options, earlyStopping: { patience: 2 } });
    const seen = validationsOf(await collect(one, { steps: 2000 }));
    const other = await trainer({ average: options.average });
    for (const { step, loss, accuracy } of seen) {
      await collect(other, { steps: step - other.step });
      expect(await other.evaluate(held)).toEqual({ step, loss, accuracy });
    }
    expect((await one.evaluate(held)).loss).toBe(one.best!.loss);
    expect(one.best!.loss).toBeLessThan(seen.at(-1)!.loss);
    const current = { weights: 'current' } as const;
    expect(await one.readParameters(current)).toEqual(await other.readParameters(current));
  });

  it('adds no dispatch to a step, makes nothing but encoders, and takes no more memory with time', async () => {
    const one = await trainer({ validation: { data: held, every: { batches: 4 }, keepBest: true } });
    expect(one.describe().passes).toEqual((await trainer()).describe().passes);
    await collect(one, { steps: 8 });
    const { counts, restore } = countCreations(device);
    const reports = await collect(one, { steps: 40 });
    restore();
    expect(validationsOf(reports)).toHaveLength(10);
    expect(Object.keys(counts)).toEqual(['createCommandEncoder']);
  });
});

describe('early stopping', () => {
  it.each<[NonNullable<TrainerOptions['earlyStopping']>, number]>([
    [{ patience: 4 }, 5],
    [{ metric: 'accuracy', patience: 3, restoreBest: false }, 2],
    [{ patience: 2, minDelta: 0.01 }, 3],
    [{ mode: 'max', patience: 0 }, 1],
  ])('%j stops where a host would', async (stopping, every) => {
    const { metric = 'loss', patience, minDelta = 0, restoreBest = true } = stopping;
    const one = await trainer({ validation: { data: held, every: { batches: every } }, earlyStopping: stopping });
    const reports = await collect(one, { steps: 3000 });
    const seen = validationsOf(reports);
    const values = seen.map((each) => (metric === 'loss' ? each.loss : each.accuracy!));
    const mode = stopping.mode ?? (metric === 'loss' ? 'min' : 'max');
    const { best, stop } = earlyStopping(values, { mode, patience: patience!, minDelta });
    const [at, value] = [seen[best.at(-1)!]!, values[best.at(-1)!]!];
    expect(stop).toBe(seen.length - 1);
    expect(seen.map((each) => each.best)).toEqual(best.map((each, i) => each === i));
    expect(one.stopped).toEqual({
      reason: 'early-stopping',
      step: every * seen.length,
      best: { step: at.step, value },
    });
    expect(one.step).toBe(one.stopped!.step);
    expect(reports.at(-1)!.step).toBe(one.step);
    const { loss, accuracy } = restoreBest ? at : seen.at(-1)!;
    expect(await one.evaluate(held)).toEqual({ step: one.step, loss, accuracy });
  });

  it('puts back what layers keep, too', async () => {
    const layers = [linear(12), batchNorm(), tanh(), dropout({ p: 0.2 }), linear(3)];
    const one = await trainer({
      model: sequential({ input: FEATURES, layers }),
      validation: { data: held, every: { batches: 3 } },
      earlyStopping: { patience: 3 },
    });
    const seen = validationsOf(await collect(one, { steps: 2000 }));
    expect(one.stopped).toBeDefined();
    const { step: _, loss, accuracy } = seen.find(({ step }) => step === one.stopped!.best!.step)!;
    const after = await one.evaluate(held);
    expect(after).toEqual({ step: one.step, loss, accuracy });
    expect(loss).not.toBe(seen.at(-1)!.loss);
    // With the statistics of the end instead of the best one's the loss would be another.
    const other = await trainer({ model: sequential({ input: FEATURES, layers }) });
    await collect(other, { steps: one.stopped!.best!.step });
    expect(await other.evaluate(held)).toEqual({ ...after, step: other.step });
  });

  it('without a best one leaves the weights as they are', async () => {
    // Squares of these errors are beyond float32: no validation is a number.
    const far = arrays({
      x: randomFloats(8 * FEATURES, 5),
      y: new Float32Array(8).fill(1e30),
      features: FEATURES,
    });
    const near = arrays({ x: randomFloats(16 * FEATURES, 6), y: randomFloats(16, 7), features: FEATURES });
    const options = { model: mlp({ sizes: [FEATURES, 3, 1], activation: 'tanh', loss: 'mse' }), data: near };
    const validation = { data: far, every: { batches: 2 } };
    const one = await trainer({ ...options, validation, earlyStopping: { patience: 2 } });
    await collect(one, { steps: 20 });
    expect(one.stopped).toEqual({ reason: 'early-stopping', step: 4 });
    expect(one.best).toBeUndefined();
    const other = await trainer(options);
    await collect(other, { steps: 4 });
    expect(await one.readParameters()).toEqual(await other.readParameters());
  });

  it('leaves all as a run of so many steps does, and goes on from there with patience anew', async () => {
    // Every 5 batches of 2 to an update: it stops within one.
    const options = { accumulate: { steps: 2 }, rule: adam({ lr: 0.05 }) };
    const validation = { data: held, every: { batches: 5 } } as const;
    const one = await trainer({ ...options, validation, earlyStopping: { patience: 1, restoreBest: false } });
    const other = await trainer(options);
    await collect(one, { steps: 2000 });
    const { step } = one;
    expect(step % 2).toBe(1);
    await collect(other, { steps: step });
    expect(await one.state()).toEqual(await other.state());
    expect(await one.readParameters()).toEqual(await other.readParameters());

    const stopped = one.stopped!;
    const more = await collect(one, { steps: 40 });
    // The best so far stays the best: the next validation is worse, too.
    expect(more).toHaveLength(5);
    expect(losses(more)).toEqual(losses(await collect(other, { steps: 5 })));
    expect(one.stopped).toEqual({ ...stopped, step: step + 5 });
    expect(await one.readParameters()).toEqual(await other.readParameters());
  });

  it('ends at the same step however many steps a submit takes, or when the consumer leaves before', async () => {
    const stopping = { validation: { data: held, every: { batches: 4 } }, earlyStopping: { patience: 2 } };
    const one = await trainer({ ...stopping, submitMs: 0.01 });
    const other = await trainer({ ...stopping, submitMs: 1000 });
    await collect(one, { steps: 2000 });
    const { step } = one.stopped!;
    // Leaves right before the end, with the submit that stops under way or done.
    for await (const report of other.run({ steps: 2000 })) if (report.step === step - 1) break;
    await collect(other, { steps: other.stopped ? 0 : 10 });
    expect(one.step).toBe(step);
    if (other.stopped) expect(other.stopped).toEqual(one.stopped);
    expect(await other.readParameters()).toEqual(await one.readParameters());
  });
});

const settings: ValidationSettings = {
  every: 4,
  metric: 'loss',
  mode: 'min',
  minDelta: 0,
  patience: 2,
  keepBest: true,
  restoreBest: true,
};

/** Everything a replica has, by part and name; but the clock's fault and fate, which say that it has stopped. */
async function everything(program: Program, replica: number, replicas: number) {
  const parts = program.parts.filter(({ key }) => key !== 'validation');
  const named = parts.flatMap((part) => [
    ...part.ranges().map((each) => ({ ...each, key: `${part.key}/${each.name}` })),
    ...(part.vectors?.() ?? []).flatMap(({ vector }) =>
      vector.ranges.map((each, i) => ({ ...each, key: `${part.key}/${vector.name}-${i}` })),
    ),
  ]);
  const copies = await readRanges(device, 'test', named);
  const all: Record<string, Uint8Array> = {};
  for (const [i, { key, size }] of named.entries()) {
    const own = new Uint8Array(copies[i]!).subarray((size / replicas) * replica, (size / replicas) * (replica + 1));
    if (key === 'optimizer/clock')
      for (const field of ['fault', 'fate'] as const) own.fill(0, clockOffset(field), clockOffset(field) + 4);
    all[key] = own;
  }
  return { ...all, parameters: await program.readParameters(replica) };
}

describe('replicas', () => {
  it('stop each at its own step, with the bits of runs on their own', async () => {
    const replicas = [
      { seed: 1, rule: adam({ lr: 0.01 }) },
      { seed: 2, rule: adam({ lr: 0.06 }) },
    ];
    const validation = { data: held, settings: { ...settings, restoreBest: false } };
    const start = async (list: typeof replicas) => {
      const one = await replicasOf(device, { model, data, rows: 8, replicas: list, validation });
      made.push(one);
      return one;
    };
    const both = await start(replicas);
    const results = await both.run(4000);
    const stops = replicas.map((_, replica) => both.program.validation!.stoppedAt(replica)!);
    expect(new Set(stops).size).toBe(2);
    expect(both.program.scheduler.step).toBe(Math.max(...stops));
    for (const [i, replica] of replicas.entries()) {
      const alone = await start([replica]);
      const own = await alone.run(4000);
      expect(results.filter((result, at) => at % 2 === i && !result.halted)).toEqual(own);
      expect(alone.program.validation!.stoppedAt()).toBe(stops[i]);
      expect(await everything(both.program, i, 2)).toEqual(await everything(alone.program, 0, 1));
    }
    // A replica that stands still holds up nobody: those that stopped apart do not go on together.
    await both.program.validation!.goOn();
    expect(both.program.validation!.halted).toBe(true);
  });
});

describe('the state of a validation', () => {
  it('goes on from copies: counters, best weights, and where it stopped', async () => {
    const validation = { data: held, settings };
    const start = async () => {
      const one = await replicasOf(device, { model, data, rows: 8, replicas: [{ seed: 1, rule }], validation });
      made.push(one);
      return one;
    };
    const [one, other] = [await start(), await start()];
    await one.run(4000);
    const part = (program: Program) => program.parts.find(({ key }) => key === 'validation')!;
    const from = part(one.program);
    const all = (own: Stateful): NamedRange[] => [
      ...own.ranges(),
      ...own.vectors!().flatMap(({ vector: { name, ranges } }) =>
        ranges.map((at, i) => ({ name: `${name}-${i}`, ...at })),
      ),
    ];
    const ranges = all(from);
    const copies = await readRanges(device, 'test', ranges);
    const byName = new Map(ranges.map(({ name }, i) => [name, copies[i]!]));
    for (const { name, buffer, offset } of all(part(other.program)))
      device.queue.writeBuffer(buffer, offset, byName.get(name)!);
    part(other.program).load(from.host(byName), byName);
    const [a, b] = [one.program.validation!, other.program.validation!];
    expect(b.stoppedAt()).toBe(a.stoppedAt());
    expect(b.bestResult()).toEqual(a.bestResult());
    expect(await other.program.readParameters(0, 'best')).toEqual(await one.program.readParameters());
    // The clock says it as well, which a checkpoint has.
    const fault = async () => {
      const [clock] = await readRanges(device, 'test', [{ ...one.program.updater.clock, size: CLOCK_BYTES }]);
      return new Uint32Array(clock!)[clockOffset('fault') / 4];
    };
    expect(await fault()).toBe(FAULT.halted);
    // Going on takes back that it ended here, and nothing else that stopped it.
    const { buffer, offset } = one.program.updater.clock;
    device.queue.writeBuffer(buffer, offset + clockOffset('fault'), Uint32Array.of(FAULT.halted | FAULT.stopped));
    await a.goOn();
    expect(await fault()).toBe(FAULT.stopped);
    expect(a.stoppedAt()).toBeUndefined();
  });
});

describe('a checkpoint', () => {
  it('of any moment goes on to the same stop, best weights and rate; one of the end has stopped', async () => {
    const layers = [linear(12), batchNorm(), tanh(), dropout({ p: 0.2 }), linear(3)];
    const options = () => ({
      model: sequential({ input: FEATURES, layers }),
      rule: adam({ lr: plateau(0.05, { factor: 0.5, patience: 1 }) }),
      average: ema({ decay: 0.8 }),
      accumulate: { steps: 2 },
      validation: { data: held, every: { batches: 3 } },
      earlyStopping: { patience: 5 },
    });
    const one = await trainer(options());
    const reports = await collect(one, { steps: 2000 });
    for (const step of [2, 3, one.step - 7, one.step - 3]) {
      const first = await trainer(options());
      await collect(first, { steps: step });
      const second = await trainer(options());
      await second.restore(await first.checkpoint());
      expect(await collect(second, { steps: 2000 - step })).toEqual(reports.slice(step));
      expect(second.stopped).toEqual(one.stopped);
      expect(await second.readParameters({ weights: 'best' })).toEqual(await one.readParameters());
      expect(await second.state()).toEqual(await one.state());
    }
    const last = await trainer(options());
    await last.restore(await one.checkpoint());
    expect(last.stopped).toEqual(one.stopped);
    expect(last.best).toEqual(one.best);
    expect(await last.evaluate(held)).toEqual(await one.evaluate(held));
    expect(await collect(last, { steps: 20 })).toEqual(await collect(one, { steps: 20 }));
  });

  it('of the best weights alone is their network', async () => {
    const layers = [linear(12), batchNorm(), linear(3)];
    const one = await trainer({
      model: sequential({ input: FEATURES, layers }),
      validation: { data: held, every: { batches: 1 }, keepBest: true },
    });
    await collect(one, { steps: 60 });
    expect(one.best!.step).toBeLessThan(60);
    const other = await trainer({ model: sequential({ input: FEATURES, layers }) });
    await other.importWeights(await one.checkpoint({ state: false, weights: 'best' }));
    const { best: _, ...report } = one.best!;
    expect(await other.evaluate(held)).toEqual({ ...report, step: 0 });
  });
});

describe('plateau', () => {
  const options = { factor: 0.5, patience: 1 };

  it.each<['min' | 'max', 'loss' | 'accuracy']>([
    ['min', 'loss'],
    ['max', 'accuracy'],
  ])('is told the metric right after the validation: mode %s, the %s', async (mode, metric) => {
    const lr = plateau(0.05, { ...options, mode });
    const one = await trainer({ rule: adam({ lr }), validation: { data: held, every: { batches: 3 } } });
    const reports = await collect(one, { steps: 40 });
    const byHand = plateau(0.05, { ...options, mode, metric: 'reported' });
    const other = await trainer({ rule: adam({ lr: byHand }), validation: { data: held, every: { batches: 3 } } });
    const plain: StepReport[] = [];
    while (other.step < 39) {
      plain.push(...(await collect(other, { steps: 3 })));
      byHand.report((await other.evaluate(held))[metric]!);
    }
    plain.push(...(await collect(other, { steps: 1 })));
    expect(reports).toEqual(plain);
    expect(reports.at(-1)!.lr).toBeLessThan(0.05);
    expect(lr.state()).toEqual(byHand.state());
  });

  it('is found behind a warm-up and in a group', async () => {
    const { warmup } = await import('../../src/optim/schedules.js');
    const [own, group] = [plateau(0.05, options), plateau(0.1, options)];
    const one = await trainer({
      rule: sgd({ lr: warmup(own, { steps: 4 }) }),
      groups: [{ tensors: '*.bias', lr: group }],
      validation: { data: held, every: { batches: 1 } },
    });
    await collect(one, { steps: 3 });
    for (const { best } of [own.state(), group.state()]) expect(best).toBe(one.best!.loss);
  });

  it('goes down where the metric is not a number', async () => {
    const lr = plateau(1, { factor: 0.5, patience: 0 });
    const broken = { ...held, x: held.x.map((value, i) => (i === 0 ? Number.NaN : value) as number) };
    // Without a hidden layer: on lavapipe tanh of NaN is a number.
    const one = await trainer({
      model: mlp({ sizes: [FEATURES, 3] }),
      rule: sgd({ lr }),
      validation: { data: broken, every: { batches: 1 } },
    });
    const reports = await collect(one, { steps: 4 });
    expect(reports.map(({ lr: used }) => used)).toEqual([1, 1, 0.5, 0.25]);
    expect(validationsOf(reports).map(({ loss, best }) => [loss, best])).toEqual(Array(4).fill([Number.NaN, false]));
    expect(one.best).toBeUndefined();
  });
});

describe('pausing', () => {
  it('waits for resume, and the rest works in the meantime; an abort ends it, and the state stays good', async () => {
    const one = await trainer({ validation: { data: held, every: { batches: 3 } } });
    const reports: StepReport[] = [];
    const stop = new AbortController();
    const ended = (async () => {
      for await (const report of one.run({ steps: 60, signal: stop.signal })) {
        reports.push(report);
        if (report.step === 7 || report.step === 31) one.pause();
      }
    })().catch((error: unknown) => error);
    const until = async (met: () => boolean) => {
      while (!met()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    // What was submitted is delivered, and nothing after that.
    await until(() => one.paused && reports.length === one.step);
    const at = one.step;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(reports).toHaveLength(at);
    expect(one.step).toBe(at);
    expect(at).toBeLessThan(60);
    expect((await one.evaluate(held)).step).toBe(at);
    one.resume();
    await until(() => one.paused && reports.length === one.step);
    expect(reports.length).toBeGreaterThan(at);
    stop.abort(new Error('enough'));
    await expect(ended).resolves.toMatchObject({ message: 'enough' });
    one.resume();
    // In the middle of an epoch: on it goes, as if nothing had been.
    reports.push(...(await collect(one, { steps: 70 - one.step })));
    const other = await trainer({ validation: { data: held, every: { batches: 3 } } });
    expect(reports).toEqual(await collect(other, { steps: 70 }));
  });

  it('ends with destroy', async () => {
    const one = await trainer();
    one.pause();
    const ended = collect(one, { steps: 5 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    one.destroy();
    await expect(ended).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
  });
});

describe('createTrainer refuses, before it creates anything on the GPU,', () => {
  const validation = { data: held };
  const mse = { model: mlp({ sizes: [FEATURES, 3], loss: 'mse' }) };
  const values = arrays({ x: randomFloats(40 * FEATURES, 7), y: randomFloats(120, 8), features: FEATURES });
  it.each<[string, string, RegExp, Record<string, unknown>]>([
    ['early stopping without validation', 'OPTION-RANGE', /needs a validation/, { earlyStopping: { patience: 2 } }],
    ['no validation data', 'OPTION-TYPE', /^validation: data/, { validation: {} }],
    [
      'another width',
      'SHAPE-MISMATCH',
      /^validation: data/,
      {
        validation: { data: arrays({ x: randomFloats(10, 3), y: [0, 1], classes: 3, features: 5 }) },
      },
    ],
    ['another scale', 'DATA-MISMATCH', /^validation: data.*scale 2/, { validation: { data: { ...held, scale: 2 } } }],
    ['another kind', 'SHAPE-MISMATCH', /^validation: data/, { validation: { data: values } }],
    ['every without a unit', 'OPTION-RANGE', /every needs one/, { validation: { ...validation, every: {} } }],
    [
      'every with two',
      'OPTION-RANGE',
      /every needs one/,
      { validation: { ...validation, every: { epochs: 1, batches: 2 } } },
    ],
    ['every 0', 'OPTION-RANGE', /every: batches/, { validation: { ...validation, every: { batches: 0 } } }],
    ['every as a number', 'OPTION-TYPE', /every/, { validation: { ...validation, every: 5 } }],
    ['an unknown unit', 'OPTION-UNKNOWN', /step/, { validation: { ...validation, every: { steps: 5 } } }],
    ['an unknown option', 'OPTION-UNKNOWN', /patience/, { validation: { ...validation, patience: 5 } }],
    ['negative patience', 'OPTION-RANGE', /patience/, { validation, earlyStopping: { patience: -1 } }],
    ['a negative delta', 'OPTION-RANGE', /minDelta/, { validation, earlyStopping: { minDelta: -0.1 } }],
    ['a metric that is none', 'OPTION-RANGE', /'accuracy'/, { validation, earlyStopping: { metric: 'acuracy' } }],
    ['a mode that is none', 'OPTION-RANGE', /mode/, { validation, earlyStopping: { mode: 'lower' } }],
    ['early stopping null', 'OPTION-TYPE', /earlyStopping/, { validation, earlyStopping: null }],
    ['validation null', 'OPTION-TYPE', /validation/, { validation: null }],
    [
      'a metric that the loss does not count',
      'OPTION-RANGE',
      /mse gives loss and mse, not "accuracy"/,
      { ...mse, data: values, validation: { data: values }, earlyStopping: { metric: 'accuracy' } },
    ],
    [
      'a plateau of a metric that is none',
      'OPTION-RANGE',
      /plateau: metric/,
      { rule: sgd({ lr: plateau(1, { metric: 'f1' }) }), validation },
    ],
    [
      'a plateau of a validation that is not there',
      'OPTION-RANGE',
      /plateau goes by "accuracy" of a validation/,
      { rule: sgd({ lr: plateau(1, { metric: 'accuracy' }) }) },
    ],
  ])('%s', async (_, code, message, wrong) => {
    const { counts, restore } = countCreations(device);
    try {
      await expect(trainer(wrong as never)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
        fix: expect.stringMatching(/\S/),
      });
      expect(counts).toEqual({});
    } finally {
      restore();
    }
  });

  it('and set refuses a plateau that has nothing to go by', async () => {
    const one = await trainer({ validation });
    expect(() => one.set({ lr: plateau(1, { metric: 'f1' }) })).toThrow(/plateau: metric/);
    const other = await trainer({});
    expect(() => other.set({ lr: plateau(1, { metric: 'loss' }) })).toThrow(/plateau goes by "loss"/);
  });
});
