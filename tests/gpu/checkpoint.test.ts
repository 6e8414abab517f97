import { afterAll, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { type Dataset, source, standardize, standardizeTargets } from '../../src/data/index.js';
import { batchNorm, dropout, linear, tanh } from '../../src/nn/layers.js';
import { mse } from '../../src/nn/losses.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential } from '../../src/nn/model.js';
import { ema } from '../../src/optim/averages.js';
import type { Rule } from '../../src/optim/rule.js';
import { adagrad, adam, adamw, nadam, sgd } from '../../src/optim/rules.gen.js';
import { scale } from '../../src/optim/scale.js';
import { cosine, plateau, step as stepDecay, warmup } from '../../src/optim/schedules.js';
import { readModel } from '../../src/train/checkpoint-file.js';
import type { SafeTensor } from '../../src/train/dtypes.js';
import { createPredictor } from '../../src/train/predict.js';
import type { StepReport } from '../../src/train/report-types.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.js';
import { integerTensor } from '../../src/train/saved-tensor.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, noise } from '../support/train.js';

const made: Trainer[] = [];
afterAll(() => {
  for (const one of made) one.destroy();
});

const model = mlp({ sizes: [6, 5, 3], activation: 'tanh' });
/** 20 samples in batches of 8: the third of an epoch is short. */
const data = noise(20, 6, 3);
/** A sample that is not finite: every step that draws it is left out. */
const poisoned = (): Dataset => {
  const x = randomFloats(20 * 6, 41);
  x[7] = Number.NaN;
  return arrays({ x, y: Uint8Array.from({ length: 20 }, (_, i) => i % 3), classes: 3, features: 6 });
};

async function trainer(options: Partial<TrainerOptions>): Promise<Trainer> {
  const one = await createTrainer(await testDevice(), {
    model,
    rule: adam() as unknown as Rule,
    data,
    batchSize: 8,
    submitMs: 500,
    ...options,
  });
  made.push(one);
  return one;
}

/** Calls of the host at certain steps: a plateau's reports, `set`. */
type Events = Readonly<Record<number, (trainer: Trainer) => void>>;

/** Trains on to a step, with the host's calls on the way. */
async function trainTo(one: Trainer, end: number, events: Events = {}) {
  const reports = [];
  while (one.step < end && !one.stopped) {
    const next = Math.min(
      end,
      ...Object.keys(events)
        .map(Number)
        .filter((step) => step > one.step),
    );
    reports.push(...(await collect(one, { steps: next - one.step })));
    events[next]?.(one);
  }
  return reports;
}

const END = 32;
/** 20 of its steps, drawn once. */
const STEPS = [0, 1, 2, 3, 5, 7, 8, 9, 12, 14, 15, 17, 18, 20, 21, 23, 26, 27, 30, 31];

interface Case {
  options(): Partial<TrainerOptions>;
  events?(options: Partial<TrainerOptions>): Events;
}

const cases: Record<string, Case> = {
  'adamw, a schedule, groups, clipped, an average': {
    options: () => ({
      rule: adamw({ lr: warmup(cosine(0.02, { steps: 30 }), { steps: 6 }) }) as unknown as Rule,
      groups: [{ tensors: '*.bias', weightDecay: 0, lr: stepDecay(0.01, { stepSize: 10, gamma: 0.5 }) }],
      clip: { globalNorm: 0.5 },
      average: ema({ decay: 0.9 }),
    }),
  },
  'batch norm and dropout': {
    options: () => ({
      model: sequential({
        input: 6,
        layers: [linear(5), batchNorm(), dropout({ p: 0.3 }), linear(3)],
      }),
      rule: adam({ lr: 0.02, amsgrad: true }) as unknown as Rule,
    }),
  },
  'a validation that lowers the rate and ends it, of an average': {
    options: () => ({
      rule: adam({ lr: warmup(plateau(0.05, { factor: 0.5, patience: 0 }), { steps: 4 }) }) as unknown as Rule,
      average: ema({ decay: 0.8 }),
      validation: { data: noise(12, 6, 3), every: { iterations: 3 } },
      earlyStopping: { patience: 5, minDelta: 0.5 },
    }),
  },
  'nadam, accumulated, draws with replacement, steps left out': {
    options: () => ({
      rule: nadam({ lr: 0.02 }) as unknown as Rule,
      accumulate: { steps: 3, reduce: 'mean' },
      sampling: 'replacement',
      skipNonFinite: { atMost: 50 },
      data: poisoned(),
      seed: 7,
    }),
  },
  'momentum, a plateau around which a warm-up is, set in between, in order': {
    options: () => ({
      rule: sgd({
        lr: warmup(plateau(0.1, { factor: 0.5, patience: 0 }), { steps: 5 }),
        momentum: 0.9,
        nesterov: true,
      }) as unknown as Rule,
      groups: [{ tensors: '0.weight', momentum: 0.5 }],
      sampling: 'sequential',
    }),
    events: () => ({
      6: (one) => one.set({ weightDecay: 0.01 }),
      14: (one) => one.set({ lr: scale(0.5) }),
      20: (one) => one.set({ lr: scale(3), momentum: 0.8 }, ['0.weight']),
      27: (one) => one.set({ lr: 0.03 }, ['0.weight']),
    }),
  },
};

/** The plateau among a rule's settings is fed at these steps. */
function feeding(): { plateau: ReturnType<typeof plateau>; events: Events } {
  const fed = plateau(0.1, { factor: 0.5, patience: 0 });
  return { plateau: fed, events: Object.fromEntries([5, 12, 23, 28].map((step) => [step, () => void fed.report(1)])) };
}

describe('a training that goes on from a checkpoint', () => {
  it.each(Object.keys(cases))('gives the bits of the one that was never stopped: %s', async (name) => {
    const { options, events } = cases[name]!;
    const happening = events?.({}) ?? {};
    const whole = await trainer(options());
    const files = new Map<number, Uint8Array>();
    const reports = [];
    for (const step of STEPS) {
      reports.push(...(await trainTo(whole, step, happening)));
      files.set(step, await whole.checkpoint());
    }
    reports.push(...(await trainTo(whole, END, happening)));
    const [last, parameters] = [await whole.checkpoint(), await whole.readParameters()];
    const ends = { stopped: whole.stopped, best: whole.best };
    if (options().earlyStopping) expect(ends.stopped!.step).toBeLessThan(END);

    const next = await trainer(options());
    for (const [step, file] of files) {
      const at = Math.min(step, ends.stopped?.step ?? END);
      expect(await next.restore(file)).toMatchObject({ step: at, otherForms: [] });
      expect(next.step).toBe(at);
      // What was restored is what was saved, byte for byte.
      expect(await next.checkpoint()).toEqual(file);
      expect(await trainTo(next, END, happening)).toEqual(reports.slice(step));
      expect(await next.readParameters()).toEqual(parameters);
      expect({ stopped: next.stopped, best: next.best }).toEqual(ends);
      expect(await next.checkpoint()).toEqual(last);
    }
  });

  it('a plateau goes on, too', async () => {
    const rule = (lr: ReturnType<typeof plateau>) =>
      sgd({ lr: warmup(lr, { steps: 3 }), momentum: 0.9 }) as unknown as Rule;
    const first = feeding();
    const whole = await trainer({ rule: rule(first.plateau) });
    const reports = await trainTo(whole, 14, first.events);
    const file = await whole.checkpoint();
    reports.push(...(await trainTo(whole, END, first.events)));
    expect(new Set(reports.map(({ lr }) => lr)).size).toBeGreaterThan(4);

    const second = feeding();
    const next = await trainer({ rule: rule(second.plateau) });
    await next.restore(file);
    expect(second.plateau.state()).toMatchObject({ lr: 0.05, best: 1 });
    expect(await trainTo(next, END, second.events)).toEqual(reports.slice(14));
  });

  it.each<[string, Partial<TrainerOptions>]>([
    ['', {}],
    [
      ', also while a validation is awaited',
      cases['a validation that lowers the rate and ends it, of an average']!.options(),
    ],
  ])('may be saved in the middle of a run, which goes on%s', async (_, options) => {
    const whole = await trainer(options);
    const reports: StepReport[] = [];
    const files: Promise<Uint8Array>[] = [];
    for await (const report of whole.run({ steps: END })) {
      reports.push(report);
      if (report.step % 4 === 0) files.push(whole.checkpoint());
    }
    const next = await trainer(options);
    for (const file of await Promise.all(files)) {
      const { step } = await next.restore(file);
      const stopped = next.stopped;
      if (stopped) expect(stopped).toEqual(whole.stopped);
      else expect(await collect(next, { steps: END - step })).toEqual(reports.slice(step));
    }
  });
});

describe('the plan of a file', () => {
  const planned = (file: Uint8Array, update: unknown) =>
    changed(file, (metadata) => {
      const state = JSON.parse(metadata['downhill.state']!);
      state.plan.update = update;
      metadata['downhill.state'] = JSON.stringify(state);
    });

  it('is used again where it fits, and told where it does not', async () => {
    // The guard keeps the update apart from the gradient.
    const apart = { skipNonFinite: true };
    const [one, other] = [await trainer(apart), await trainer(apart)];
    await collect(one, { steps: 5 });
    const file = await one.checkpoint();
    const rest = await collect(one, { steps: 6 });
    const own = other.describe().choice.update!;
    const wanted = own === 'update/lanes-1' ? 'update/lanes-4' : 'update/lanes-1';

    // A bad file leaves the plan as it is, too.
    const bad = changed(planned(file, wanted), (_, tensors) => tensors.delete('0.bias'));
    await expect(other.restore(bad)).rejects.toThrow(/CHECKPOINT-MISMATCH/);
    expect(other.describe().choice.update).toBe(own);

    expect((await other.restore(planned(file, wanted))).otherForms).toEqual([]);
    expect(other.describe().choice.update).toBe(wanted);
    expect((await other.evaluate(data)).step).toBe(5);
    // Every form of the update has the same bits.
    expect(await collect(other, { steps: 6 })).toEqual(rest);

    expect((await other.restore(planned(file, 'update/magic'))).otherForms).toEqual(['update']);
    expect(await collect(other, { steps: 6 })).toEqual(rest);

    // No name at all, and one that cannot even be shown as text.
    for (const form of [null, 3, { toString: null }])
      await expect(other.restore(planned(file, form))).rejects.toThrow(
        expect.objectContaining({ code: 'CHECKPOINT-CORRUPT', message: expect.stringContaining('the pass "update"') }),
      );
    expect(other.describe().choice.update).toBe(wanted);
  });
});

/** A file with other tensors or metadata, and a checksum that fits. */
function changed(
  file: Uint8Array,
  change: (metadata: Record<string, string>, tensors: Map<string, SafeTensor>) => void,
): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(file);
  const [copy, texts] = [new Map(tensors), Object.fromEntries(metadata)];
  change(texts, copy);
  return encodeSafetensors(copy, texts);
}

describe('a file that does not fit', () => {
  const options = () => ({
    rule: nadam({ lr: cosine(0.01, { steps: 50 }) }) as unknown as Rule,
    accumulate: { steps: 2 },
  });
  const text = (
    file: Uint8Array,
    key: string,
    change: (json: Record<string, Record<string, Record<string, unknown>>>) => void,
  ) =>
    changed(file, (metadata) => {
      const json = JSON.parse(metadata[key]!);
      change(json);
      metadata[key] = JSON.stringify(json);
    });
  const state = (file: Uint8Array, change: (parts: Record<string, Record<string, unknown>>) => void) =>
    text(file, 'downhill.state', ({ parts }) => change(parts!));
  const words = (file: Uint8Array, name: string, change: (own: Uint32Array) => void) =>
    changed(file, (_, tensors) => {
      const tensor = tensors.get(name)!;
      const own = new Uint32Array(tensor.bytes.slice().buffer);
      change(own);
      tensors.set(name, { ...tensor, bytes: new Uint8Array(own.buffer) });
    });
  const rename = (file: Uint8Array, from: string, to?: string) =>
    changed(file, (_, tensors) => {
      const tensor = tensors.get(from)!;
      tensors.delete(from);
      if (to) tensors.set(to, tensor);
    });

  type Fault = [name: string, damage: (file: Uint8Array) => Uint8Array, code: string, place: RegExp];
  const faults: Fault[] = [
    [
      'a flipped bit',
      (file) => file.map((byte, i) => (i === file.length - 9 ? byte ^ 4 : byte)),
      'CHECKPOINT-CORRUPT',
      /checksum/,
    ],
    ['a missing weight', (file) => rename(file, '2.bias'), 'CHECKPOINT-MISMATCH', /no tensor "2.bias"/],
    ['missing state', (file) => rename(file, 'optimizer.exp_avg.0.weight'), 'CHECKPOINT-MISMATCH', /exp_avg.0.weight/],
    ['an extra tensor', (file) => rename(file, '0.bias', '4.bias'), 'CHECKPOINT-MISMATCH', /bias/],
    [
      'another rank, same count',
      (file) => changed(file, (_, tensors) => tensors.set('0.weight', { ...tensors.get('0.weight')!, shape: [30] })),
      'CHECKPOINT-MISMATCH',
      /"0.weight" of the file has the shape \[30\]/,
    ],
    [
      'a weight that is NaN',
      (file) => words(file, '2.weight', (own) => own.fill(0x7fc00000, 4, 5)),
      'CHECKPOINT-MISMATCH',
      /Element 4 of tensor "2.weight"/,
    ],
    [
      'an infinite weight',
      (file) => words(file, '2.weight', (own) => own.fill(0x7f800000, 0, 1)),
      'CHECKPOINT-MISMATCH',
      /Infinity/,
    ],
    [
      'a step beyond its bits',
      (file) => words(file, 'optimizer.clock', (own) => own.fill(0xffffffff, 0, 1)),
      'CHECKPOINT-MISMATCH',
      /clock/,
    ],
    [
      'more updates than steps',
      (file) => words(file, 'optimizer.clock', (own) => own.fill(999, 1, 2)),
      'CHECKPOINT-MISMATCH',
      /update 999/,
    ],
    [
      'a micro-step too many',
      (file) => words(file, 'optimizer.clock', (own) => own.fill(2, 5, 6)),
      'CHECKPOINT-MISMATCH',
      /micro-step 2 of 2/,
    ],
    [
      'another step than its own',
      (file) => text(file, 'downhill', (json) => Object.assign(json, { step: 8 })),
      'CHECKPOINT-MISMATCH',
      /says step 8, but its optimizer is at step 7/,
    ],
    [
      'data at another step',
      // The first batch of the fourth epoch.
      (file) => words(file, 'data.stream', (own) => own.set([9, 8, 3])),
      'CHECKPOINT-MISMATCH',
      /says step 7, but its data is at step 9/,
    ],
    [
      'a place in the data that is none',
      (file) => words(file, 'data.stream', (own) => own.fill(99, 1, 2)),
      'CHECKPOINT-MISMATCH',
      /place in the data is \(7, 99, 2, 0\), which should be \(7, 8, 2, 0\)/,
    ],
    [
      'a place in the data of other length',
      (file) =>
        changed(file, (_, tensors) =>
          tensors.set('data.stream', { dtype: 'U8', shape: [3], bytes: new Uint8Array(3) }),
        ),
      'CHECKPOINT-MISMATCH',
      /"data.stream" takes 3 bytes/,
    ],
    [
      'a negative step',
      (file) => state(file, ({ scheduler }) => (scheduler!.step = -1)),
      'CHECKPOINT-CORRUPT',
      /step -1/,
    ],
    [
      'a fractional step',
      (file) => state(file, ({ scheduler }) => (scheduler!.step = 1.5)),
      'CHECKPOINT-CORRUPT',
      /step 1.5/,
    ],
    [
      'no step',
      (file) => state(file, ({ scheduler }) => delete scheduler!.step),
      'CHECKPOINT-CORRUPT',
      /step undefined/,
    ],
    [
      'no part',
      (file) => state(file, (parts) => void Reflect.deleteProperty(parts, 'data')),
      'CHECKPOINT-MISMATCH',
      /no state of this trainer's "data"/,
    ],
    [
      'groups that are none',
      (file) => state(file, (parts) => (parts.optimizer!.groups = [null])),
      'CHECKPOINT-MISMATCH',
      /groups of tensors/,
    ],
    ...[undefined, 3, [], [null], [-1]].map(
      (rules): Fault => [
        `hyper-parameters that are ${JSON.stringify(rules)}`,
        (file) => state(file, (parts) => ((parts.optimizer!.groups as { rules: unknown }[])[0]!.rules = rules)),
        'CHECKPOINT-MISMATCH',
        /hyper-parameters of group 0/,
      ],
    ),
    ['another part', (file) => state(file, (parts) => (parts.magic = {})), 'CHECKPOINT-MISMATCH', /"magic"/],
    [
      'a newer part',
      (file) => state(file, ({ optimizer }) => (optimizer!.version = 2)),
      'CHECKPOINT-VERSION',
      /version 2/,
    ],
    [
      'carries that are none',
      (file) => state(file, ({ optimizer }) => (optimizer!.carries = [null])),
      'CHECKPOINT-MISMATCH',
      /carry/,
    ],
    [
      'a newer format',
      (file) => text(file, 'downhill', (json) => Object.assign(json, { format: 2 })),
      'CHECKPOINT-VERSION',
      /format 2/,
    ],
    [
      'a model alone',
      (file) => changed(file, (metadata) => delete metadata['downhill.state']),
      'CHECKPOINT-MISMATCH',
      /no training/,
    ],
    [
      'another program’s file',
      (file) => encodeSafetensors(decodeSafetensors(file).tensors),
      'CHECKPOINT-MISMATCH',
      /no training/,
    ],
  ];

  it('is refused with its place, and all is as it was', async () => {
    const one = await trainer(options());
    await collect(one, { steps: 7 });
    const file = await one.checkpoint();
    await collect(one, { steps: 4 });
    const before = await one.checkpoint();
    for (const [name, damage, code, place] of faults) {
      const error = expect.objectContaining({
        code,
        message: expect.stringMatching(place),
        fix: expect.stringMatching(/\S/),
      });
      await expect(one.restore(damage(file)), name).rejects.toEqual(error);
      expect(await one.checkpoint(), name).toEqual(before);
    }
    await expect(one.restore('file' as never)).rejects.toThrow(/OPTION-TYPE/);
    expect(await one.restore(file)).toMatchObject({ step: 7 });
  });

  it.each<[string, Partial<TrainerOptions>, RegExp]>([
    ['another model', { model: mlp({ sizes: [6, 5, 3], activation: 'relu' }) }, /of the model/],
    ['other widths', { model: mlp({ sizes: [6, 4, 3], activation: 'tanh' }) }, /of the model/],
    ['another rule', { rule: adam() as unknown as Rule }, /of the rule "nadam", this trainer's is adam/],
    [
      'another rule, of other state',
      { rule: sgd({ momentum: 0.9 }) as unknown as Rule },
      /^The file is of the rule "nadam"/,
    ],
    ['no accumulation', { accumulate: undefined }, /"micro":2/],
    ['another schedule', { rule: nadam({ lr: cosine(0.02, { steps: 50 }) }) as unknown as Rule }, /cosine\(0.01/],
    ['a number for a schedule', { rule: nadam({ lr: 0.01 }) as unknown as Rule }, /but 0.01 here/],
    ['a function of one’s own', { rule: nadam({ lr: () => 0.01 }) as unknown as Rule }, /but a function here/],
    ['other groups', { groups: [{ tensors: '*.bias', weightDecay: 0.1 }] }, /groups of tensors/],
    ['other accumulation', { accumulate: { steps: 3 } }, /"micro":2/],
    ['a clip', { clip: { value: 1 } }, /"clipValue":null/],
    ['another batch size', { batchSize: 4 }, /"rows":8/],
    ['another seed', { seed: 1 }, /"seeds":\[0\]/],
    ['data scaled otherwise', { data: { ...data, scale: 2 } }, /"scale":1/],
    ['an average', { average: ema() }, /no state of this trainer's "average"/],
    ['a penalty', { penalty: { l2: 0.1 } }, /the objective .*"penalty":null/],
    ['mixup', { augment: { mixup: { alpha: 1 } } }, /the objective .*"augment":null/],
  ])('is refused by a trainer with %s', async (_, other, place) => {
    const one = await trainer(options());
    const file = await one.checkpoint();
    const two = await trainer({ ...options(), ...other });
    await expect(two.restore(file)).rejects.toEqual(
      expect.objectContaining({ code: 'CHECKPOINT-MISMATCH', message: expect.stringMatching(place) }),
    );
    await collect(two, { steps: 1 });
  });

  it('is refused with other data of the same form, which it names', async () => {
    const held = noise(12, 6, 3);
    const options = { validation: { data: held, every: { batches: 2 } } };
    const file = await (await trainer(options)).checkpoint();
    const { targets } = data;
    const labels = targets.kind === 'classes' ? targets.labels : [];
    const copy: Dataset = {
      ...data,
      x: data.x.slice(),
      targets: { ...targets, labels: Uint32Array.from(labels) } as never,
    };
    expect(await (await trainer({ ...options, data: copy })).restore(file)).toMatchObject({ step: 0 });

    const x = (of: Dataset) => ({ ...of, x: of.x.map((value, i) => (i === 9 ? -value : value)) as Float32Array });
    const relabelled = { ...targets, labels: Uint8Array.from(labels, (label) => (label + 1) % 3) } as never;
    const other: [Partial<TrainerOptions>, RegExp][] = [
      [{ data: x(data) }, /trained on other data: 20 samples with the checksum "[0-9a-f]{8}"/],
      [{ data: { ...data, targets: relabelled } }, /trained on other data/],
      [{ validation: { ...options.validation, data: x(held) } }, /validated on other data: 12 samples .*validation/],
    ];
    const without = changed(file, (metadata) => {
      const { fingerprints, ...state } = JSON.parse(metadata['downhill.state']!);
      expect(Object.keys(fingerprints)).toEqual(['data', 'validation']);
      metadata['downhill.state'] = JSON.stringify(state);
    });
    for (const [options, place] of other) {
      const one = await trainer({ ...{ validation: { data: held, every: { batches: 2 } } }, ...options });
      await expect(one.restore(file)).rejects.toMatchObject({
        code: 'CHECKPOINT-MISMATCH',
        message: expect.stringMatching(place),
        fix: expect.stringMatching(/^Resume with the data it was (trained|validated) on, or import its weights/),
      });
      // Files of before there were fingerprints load as they did.
      expect(await one.restore(without)).toMatchObject({ step: 0 });
    }
    // A source is not read for one.
    const rows = (indices: Uint32Array) => Array.from(indices, (i) => i);
    const streamed = source({
      ...{ samples: 20, features: 6, classes: 3 },
      read: (indices) => ({
        x: Float32Array.from(rows(indices).flatMap((i) => [...data.x.subarray(6 * i, 6 * i + 6)])),
        y: Uint8Array.from(rows(indices), (i) => labels[i]!),
      }),
    });
    expect(await (await trainer({ ...options, data: streamed })).restore(file)).toMatchObject({ step: 0 });
  });

  it('may have state that is not finite: that of a training that goes on so', async () => {
    // A gradient's square that is beyond f32: adagrad's sum stays there, and the weight stands still.
    const one = await trainer({ rule: adagrad() as unknown as Rule });
    const file = words(await one.checkpoint(), 'optimizer.sum.0.bias', (own) => own.fill(0x7f800000, 1, 2));
    await one.restore(file);
    expect(await one.checkpoint()).toEqual(file);
    await collect(one, { steps: 2 });
    const { sum } = (await one.state()).tensors['0.bias']!;
    expect(Array.from(sum!, Number.isFinite)).toEqual([true, false, true, true, true]);
    expect((await one.readParameters())['0.bias']![1]).toBe(0);
  });

  it('functions of one’s own are compared by their values', async () => {
    const rule = (lr: (count: number) => number) => ({ rule: adam({ lr }) as unknown as Rule });
    const file = await (await trainer(rule((count) => 0.1 / (count + 1)))).checkpoint();
    await (await trainer(rule((t) => 0.1 / (1 + t)))).restore(file);
    await expect((await trainer(rule((t) => 0.1 / (2 + t)))).restore(file)).rejects.toThrow(/is 0.1 at update 0/);
  });

  it('has no best weights before the first validation', async () => {
    const one = await trainer({ validation: { data: noise(12, 6, 3), every: { batches: 2 }, keepBest: true } });
    await collect(one, { steps: 1 });
    const file = await one.checkpoint();
    const refused = expect.objectContaining({ code: 'CHECKPOINT-MISMATCH', message: expect.stringMatching(/no best/) });
    expect(() => readModel(file, { weights: 'best' })).toThrow(refused);
    await collect(one, { steps: 1 });
    const best = readModel(await one.checkpoint(), { weights: 'best' }).tensors;
    expect(best).toEqual(readModel(await one.checkpoint({ state: false, weights: 'best' })).tensors);
  });

  it('nothing is restored while a run is pulled; one that is not ends', async () => {
    const one = await trainer({});
    const file = await one.checkpoint();
    const run = one.run({ steps: 3 });
    const pull = run.next();
    await expect(one.restore(file)).rejects.toThrow(/RUN-BUSY/);
    expect((await pull).value).toMatchObject({ step: 1 });
    await one.restore(file);
    await expect(run.next()).rejects.toThrow(/RUN-BUSY/);
    expect(one.step).toBe(0);
    one.destroy();
    await expect(one.restore(file)).rejects.toThrow(/RUN-DESTROYED/);
    await expect(one.checkpoint()).rejects.toThrow(/RUN-DESTROYED/);
  });
});

describe('weights', () => {
  const deep = sequential({ input: 6, layers: [linear(5), tanh(), linear(3)] });
  const values = randomFloats(30, 9);
  const tensors = (names: readonly string[]): Map<string, SafeTensor> =>
    new Map([
      [names[0]!, { dtype: 'F32', shape: [5, 6], bytes: new Uint8Array(values.buffer) }],
      [
        names[1]!,
        { dtype: 'F16', shape: [5], bytes: new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 1, 0x3555, 0).buffer) },
      ],
      [names[2]!, { dtype: 'BF16', shape: [3, 5], bytes: new Uint8Array(new Uint16Array(15).fill(0x3f80).buffer) }],
      [names[3]!, { dtype: 'F64', shape: [3], bytes: new Uint8Array(Float64Array.of(0.1, 0.2, 0.3).buffer) }],
    ]);
  const NAMES = ['0.weight', '0.bias', '2.weight', '2.bias'];

  it('come from PyTorch’s files, turned over and exact', async () => {
    const one = await trainer({ model: deep, average: ema() });
    await collect(one, { steps: 2 });
    const before = await one.state();
    expect(await one.importWeights(encodeSafetensors(tensors(NAMES)))).toEqual({
      tensors: NAMES,
      missing: [],
      unused: [],
    });
    const imported = await one.readParameters({ weights: 'current' });
    for (let i = 0; i < 6; i++)
      for (let o = 0; o < 5; o++) expect(imported['0.weight']![i * 5 + o]).toBe(values[o * 6 + i]);
    expect(imported['0.bias']).toEqual(Float32Array.of(1, -2, 2 ** -24, 0.333251953125, 0));
    expect(imported['2.weight']).toEqual(new Float32Array(15).fill(1));
    expect(imported['2.bias']).toEqual(Float32Array.of(0.1, 0.2, 0.3));
    // The average starts anew from them; the optimizer's state is as it was.
    expect(await one.readParameters({ weights: 'average' })).toEqual(imported);
    expect(await one.state()).toEqual(before);
    expect(one.step).toBe(2);
  });

  it('go by names that are told, never guessed', async () => {
    const one = await trainer({ model: deep });
    const untouched = await one.readParameters();
    const prefixed = encodeSafetensors(tensors(NAMES.map((name) => `net.${name}`)));
    await expect(one.importWeights(prefixed)).rejects.toMatchObject({
      code: 'CHECKPOINT-MISMATCH',
      fix: 'Pass { prefix: "net." }.',
    });
    const named = ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'];
    const other = encodeSafetensors(tensors(named));
    await expect(one.importWeights(other)).rejects.toMatchObject({
      code: 'CHECKPOINT-MISMATCH',
      fix: expect.stringContaining('map'),
    });
    for (const bad of [{ map: 3 }, { prefix: 1 }, { strict: 'no' }, { rename: {} }])
      await expect(one.importWeights(other, bad as never)).rejects.toThrow(/OPTION/);
    // A bias that is not finite, in the last of the tensors: nothing of the others is applied.
    const bad = tensors(NAMES).set('2.bias', {
      dtype: 'F32',
      shape: [3],
      bytes: new Uint8Array(Float32Array.of(0, 1, 1 / 0).buffer),
    });
    await expect(one.importWeights(encodeSafetensors(bad))).rejects.toThrow(/Element 2 of tensor "2.bias"/);
    const turned = tensors(NAMES).set('0.weight', {
      dtype: 'F32',
      shape: [6, 5],
      bytes: new Uint8Array(values.buffer),
    });
    await expect(one.importWeights(encodeSafetensors(turned))).rejects.toThrow(/\[6, 5\], the model needs \[5, 6\]/);
    const more = tensors(NAMES).set('3.bias', { dtype: 'F32', shape: [0], bytes: new Uint8Array(0) });
    await expect(one.importWeights(encodeSafetensors(more))).rejects.toThrow(/"3.bias", which the model has not/);
    expect(await one.readParameters()).toEqual(untouched);

    const map = Object.fromEntries(NAMES.map((name, i) => [name, named[i]!]));
    await one.importWeights(other, { map });
    const imported = await one.readParameters();
    await one.importWeights(prefixed, { prefix: 'net.' });
    expect(await one.readParameters()).toEqual(imported);
    await one.importWeights(other, { map: (name) => map[name]! });
    more.delete('2.weight');
    expect(await one.importWeights(encodeSafetensors(more), { strict: false })).toEqual({
      tensors: ['0.weight', '0.bias', '2.bias'],
      missing: ['2.weight'],
      unused: ['3.bias'],
    });
  });

  it('come with the statistics of layers, whose counters are whole numbers', async () => {
    const options = { model: sequential({ input: 6, layers: [linear(4), batchNorm(), linear(3)] }) };
    const one = await trainer(options);
    await collect(one, { steps: 6 });
    const file = await one.checkpoint({ state: false });
    const { tensors: saved } = decodeSafetensors(file);
    expect(saved.get('1.num_batches_tracked')).toMatchObject({ dtype: 'I64', shape: [] });
    expect(saved.get('1.running_mean')).toMatchObject({ dtype: 'F32', shape: [4] });
    const { statistics } = readModel(file);
    expect(statistics.get('1.num_batches_tracked')!.values).toEqual(Float32Array.of(6));
    expect(statistics.get('1.running_mean')!.values).not.toEqual(new Float32Array(4));
    const two = await trainer(options);
    await two.importWeights(file);
    expect(await two.checkpoint({ state: false }).then((bytes) => decodeSafetensors(bytes).tensors)).toEqual(saved);
    const negative = changed(file, (_, own) => own.set('1.num_batches_tracked', integerTensor([], [-1])));
    await expect(two.importWeights(negative)).rejects.toThrow(/counter "1.num_batches_tracked" in the file is \[-1\]/);
  });

  it('go out with the model, and come back', async () => {
    const one = await trainer({ average: ema({ decay: 0.5 }), data: { ...data, scale: 2 } });
    await collect(one, { steps: 5 });
    const [network, whole] = [await one.checkpoint({ state: false }), await one.checkpoint()];
    const saved = readModel(network);
    expect([saved.step, saved.model, saved.scaling]).toEqual([
      5,
      expect.objectContaining({ input: 6 }),
      { scale: 2, shift: 0 },
    ]);
    expect(readModel(whole)).toEqual(saved);
    expect(readModel(whole, { weights: 'current' })).toEqual(
      readModel(await one.checkpoint({ state: false, weights: 'current' })),
    );
    await expect(one.restore(network)).rejects.toThrow(/no training/);
    await expect(one.checkpoint({ weights: 'current' })).rejects.toThrow(/OPTION-RANGE/);

    const two = await trainer({});
    await two.importWeights(network);
    expect(await two.readParameters()).toEqual(await one.readParameters({ weights: 'average' }));
    await two.importWeights(whole);
    expect(await two.readParameters()).toEqual(await one.readParameters({ weights: 'current' }));
    await two.importWeights(whole, { prefix: 'average.' });
    expect(await two.readParameters()).toEqual(await one.readParameters({ weights: 'average' }));
  });
});

describe('a predictor', () => {
  it('says what the trainer says, of a file alone', async () => {
    const table = arrays({ x: randomFloats(60, 3), y: randomFloats(40, 4), features: 3 });
    const options = {
      model: sequential({ input: 3, layers: [linear(6), batchNorm(), tanh(), linear(2)], loss: mse() }),
      data: standardizeTargets(standardize({ ...table, targetNames: ['a', 'b'] })),
    };
    const one = await trainer(options);
    await collect(one, { steps: 9 });
    const x = randomFloats(21, 8);
    const device = await testDevice();
    for (const file of [await one.checkpoint(), await one.checkpoint({ state: false })]) {
      const predictor = await createPredictor(device, file);
      expect(await predictor.predict(x)).toEqual(await one.predict(x));
      expect(predictor.saved.targetNames).toEqual(['a', 'b']);
      await expect(predictor.predict(x.subarray(1))).rejects.toThrow(/DATA-MISMATCH/);
      predictor.destroy();
      await expect(predictor.predict(x)).rejects.toThrow(/RUN-DESTROYED/);
    }
    await expect(createPredictor(device, {} as never)).rejects.toThrow(/OPTION-TYPE/);
    await expect(createPredictor(device, new Uint8Array(3))).rejects.toThrow(/CHECKPOINT-CORRUPT/);
  });
});
