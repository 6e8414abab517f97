import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { type DataSource, type Dataset, type Rows, source } from '../../src/data/index.js';
import { DataStream } from '../../src/data/stream.js';
import { readRanges } from '../../src/gpu/buffers.js';
import {
  adam,
  arrays,
  createTrainer,
  linear,
  mlp,
  type Sampling,
  sequential,
  softmaxCrossEntropy,
  type TrainerOptions,
} from '../../src/index.js';
import { buffersFor, randomFloats, testDevice } from '../support/gpu.js';
import { collect, countCreations, noise, replicasOf } from '../support/train.js';

/** Small, so that hundreds of steps take no time; 1,003 samples in batches of 10 leave a short one. */
const SIZES = [14, 8, 3];
const model = mlp({ sizes: SIZES, activation: 'tanh' });
const data = noise(1003, 14, 3);
/** Of a binding: the data takes 64 kB, a ring of this size 25 batches of 10 rows. */
const LIMIT = 16_384;

let gpu: GPUDevice;
/** No device can be asked for with less than WebGPU's default limits; what the library sees of them can be less. */
let limited: (on: boolean) => void;
beforeAll(async () => {
  gpu = await testDevice();
  const { limits } = gpu;
  const less = new Map<string | symbol, number>([
    ['maxStorageBufferBindingSize', LIMIT],
    ['maxBufferSize', LIMIT],
  ]);
  const fake = new Proxy(limits, { get: (target, key) => less.get(key) ?? Reflect.get(target, key, target) });
  limited = (on) =>
    void Object.defineProperty(gpu, 'limits', { configurable: true, writable: true, value: on ? fake : limits });
});
afterEach(() => limited(false));

/** The rows of a data set, as a source reads them. */
function rows({ x, targets, features }: Dataset, indices: Uint32Array): Rows {
  const picked = new Float32Array(indices.length * features);
  indices.forEach((i, row) => void picked.set(x.subarray(i * features, (i + 1) * features), row * features));
  const labels = (targets as { labels: Uint8Array }).labels;
  return { x: picked, y: Uint8Array.from(indices, (i) => labels[i]!) };
}
const laterSource = (of: Dataset, read?: (indices: Uint32Array, call: number) => Rows | Promise<Rows>): DataSource => {
  let calls = 0;
  const now = (indices: Uint32Array) => rows(of, indices);
  return source({
    samples: of.samples,
    features: of.features,
    classes: 3,
    read: read
      ? (indices) => read(indices, calls++)
      : async (indices) => {
          const copy = indices.slice();
          await new Promise((resolve) => setTimeout(resolve, 1));
          return now(copy);
        },
  });
};

type Options = Omit<TrainerOptions, 'model' | 'rule' | 'data'> & { readonly data?: Dataset; readonly limit?: boolean };
async function train({ limit = false, ...options }: Options, steps = 130) {
  limited(limit);
  try {
    const rule = adam({ lr: 0.01 });
    const trainer = await createTrainer(gpu, { model, rule, data, batchSize: 10, seed: 3, ...options });
    const reports = await collect(trainer, { steps });
    const evaluation = await trainer.evaluate(options.data ?? data);
    const parameters = await trainer.readParameters();
    const { data: bytes } = trainer.describe().bytes;
    trainer.destroy();
    return { reports, evaluation, parameters, bytes };
  } finally {
    limited(false);
  }
}

describe('data that is streamed', () => {
  const CASES: readonly [string, Options][] = [
    ['shuffle, with a short last batch', {}],
    ['sequential, the short one dropped', { sampling: 'sequential', dropLast: true }],
    ['replacement', { sampling: 'replacement' as Sampling }],
    ['accumulation', { accumulate: { steps: 3 }, clip: { globalNorm: 0.5 } }],
  ];
  it.each(CASES)('trains as it does on the GPU as a whole, bit for bit: %s', async (_, options) => {
    const { bytes: whole, ...resident } = await train(options);
    const { bytes, ...streamed } = await train({ ...options, limit: true });
    expect(streamed).toEqual(resident);
    expect(whole).toBeGreaterThan(LIMIT);
    expect(bytes).toBeLessThan(LIMIT + LIMIT / 4);
  });

  it('leaves out the same steps that are not finite', async () => {
    const x = randomFloats(14 * 203, 7);
    x[14 * 77 + 3] = Number.NaN;
    const bad = arrays({ x, y: Uint8Array.from({ length: 203 }, (_, i) => i % 3), classes: 3, features: 14 });
    const options = { data: bad, skipNonFinite: true };
    const [{ bytes: _, ...resident }, { bytes: __, ...streamed }] = [
      await train(options, 63),
      await train({ ...options, stream: true }, 63),
    ];
    expect(resident.reports.filter(({ skipped }) => skipped)).toHaveLength(3);
    expect(streamed).toEqual(resident);
  });

  it('holds bytes as bytes, and features scaled one by one, as they are on the GPU as a whole', async () => {
    const scale = Array.from({ length: 14 }, (_, i) => 1 / (i + 3));
    const y = Uint8Array.from({ length: 303 }, (_, i) => i % 3);
    const bytes = arrays({ x: Uint8Array.from({ length: 14 * 303 }, (_, i) => (i * 37) % 256), y, classes: 3 });
    for (const each of [bytes, { ...bytes, scale, shift: 0.5 }]) {
      const { bytes: _, ...resident } = await train({ data: each }, 40);
      const { bytes: __, ...streamed } = await train({ data: each, stream: true }, 40);
      expect(streamed).toEqual(resident);
    }
  });

  it('validates, mixes and cuts as it does on the GPU as a whole', async () => {
    const image = { ...data, image: [2, 7] as const };
    const options = {
      data: image,
      augment: { mixup: { alpha: 0.3 }, cutout: { size: 1 } },
      validation: { data: noise(90, 14, 3), every: { iterations: 20 } },
    };
    const { bytes: _, ...resident } = await train(options, 60);
    const { bytes: __, ...streamed } = await train({ ...options, limit: true }, 60);
    expect(resident.reports.filter(({ validation }) => validation)).toHaveLength(3);
    expect(streamed).toEqual(resident);
    const source = { ...options, validation: { data: laterSource(data) } };
    await expect(train(source)).rejects.toMatchObject({
      code: 'OPTION-TYPE',
      message: expect.stringContaining('source'),
    });
  });

  it('goes on from a checkpoint of data that was on the GPU as a whole, and back', async () => {
    const make = (stream: boolean) =>
      createTrainer(gpu, { model, rule: adam({ lr: 0.01 }), data, batchSize: 10, seed: 3, stream });
    const whole = await make(false);
    const expected = (await collect(whole, { steps: 90 })).map(({ loss }) => loss);
    whole.destroy();
    const losses: number[] = [];
    let bytes: Uint8Array | undefined;
    for (const stream of [false, true, false]) {
      const trainer = await make(stream);
      if (bytes) await trainer.restore(bytes);
      losses.push(...(await collect(trainer, { steps: 30 })).map(({ loss }) => loss));
      bytes = await trainer.checkpoint();
      trainer.destroy();
    }
    expect(losses).toEqual(expected);
  });

  it('gives each replica the batches of its seed', async () => {
    const run = async (stream: boolean) => {
      limited(stream);
      const replicas = [4, 9].map((seed) => ({ seed, rule: adam({ lr: 0.01 }) }));
      const made = await replicasOf(gpu, { model, data, rows: 10, replicas });
      const results = await made.run(60);
      const parameters = [await made.program.readParameters(0), await made.program.readParameters(1)];
      made.destroy();
      limited(false);
      return { results, parameters };
    };
    expect(await run(true)).toEqual(await run(false));
  });

  it('predicts chunk by chunk what it predicts at once', async () => {
    const trainer = await createTrainer(gpu, { model, rule: adam(), data, stream: true });
    const whole = await trainer.predict(data);
    limited(true);
    const streamed = await trainer.predict(data);
    limited(false);
    trainer.destroy();
    expect(whole).toHaveLength(3 * 1003);
    expect(streamed).toEqual(whole);
  });

  it('creates nothing but encoders while it runs', async () => {
    limited(true);
    const trainer = await createTrainer(gpu, { model, rule: adam(), data, batchSize: 10 });
    await collect(trainer, { steps: 3 });
    const { counts, restore: uncount } = countCreations(gpu);
    await collect(trainer, { steps: 200 });
    uncount();
    limited(false);
    trainer.destroy();
    expect(Object.keys(counts)).toEqual(['createCommandEncoder']);
  });

  it('goes on from a state, wherever the samples lie', async () => {
    const plan = { samples: 103, rows: 10, sampling: 'shuffle', stepsPerEpoch: 11 } as const;
    const buffers = buffersFor(gpu, 'stream');
    const whole = new DataStream(buffers, plan, [5]);
    const ring = new DataStream(buffers, plan, [5], 4);
    const batch = async ({ batch: at }: DataStream) => [...new Uint32Array((await readRanges(gpu, 'test', [at]))[0]!)];
    expect(await batch(ring)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const step of [6, 10]) {
      whole.seek(step);
      const [copy] = await readRanges(gpu, 'test', whole.ranges());
      ring.load(whole.host(), new Map([['stream', copy!]]));
      const valid = step === 10 ? 3 : 10;
      expect(await batch(ring)).toEqual(
        Array.from({ length: 10 }, (_, row) => 10 * (step % 4) + (row < valid ? row : 0)),
      );
      whole.load(ring.host(), new Map([['stream', copy!]]));
      expect(await batch(whole)).toEqual([...batchOf(plan, 5, step).indices]);
    }
    buffers.destroy();
  });

  it('refuses a batch that no binding holds', async () => {
    limited(true);
    const wide = noise(400, 14, 3);
    const made = createTrainer(gpu, { model, rule: adam(), data: wide, sampling: 'full' });
    await expect(made).rejects.toMatchObject({
      code: 'LIMIT-BINDING',
      message: expect.stringContaining('A batch of 400'),
    });
    limited(false);
  });
});

describe('a source', () => {
  it('trains and evaluates as the same samples in memory, bit for bit, whether it reads at once or later', async () => {
    const { bytes: _, ...resident } = await train({});
    for (const each of [laterSource(data), laterSource(data, (indices) => rows(data, indices))]) {
      const { bytes: __, ...read } = await train({ data: each, limit: true });
      expect(read).toEqual(resident);
    }
  });

  it('has metrics, and weights of classes, as the same samples in memory', async () => {
    const weighted = sequential({
      input: 14,
      layers: [linear(3)],
      loss: softmaxCrossEntropy({ classWeights: [1, 2, 5] }),
    });
    const evaluate = async (each: Dataset) => {
      const trainer = await createTrainer(gpu, {
        model: weighted,
        rule: adam({ lr: 0.01 }),
        data: each,
        batchSize: 10,
      });
      await collect(trainer, { steps: 20 });
      const evaluation = await trainer.evaluate(each, { metrics: ['confusion', 'f1'] });
      trainer.destroy();
      return evaluation;
    };
    const resident = await evaluate(data);
    expect(resident.metrics).toMatchObject({ f1: expect.anything() });
    expect(await evaluate(laterSource(data))).toEqual(resident);
  });

  it('reads ahead of the steps, and no further', async () => {
    let asked = 0;
    const counted = laterSource(data, async (indices) => {
      asked += indices.length;
      return rows(data, indices);
    });
    limited(true);
    const trainer = await createTrainer(gpu, { model, rule: adam(), data: counted, batchSize: 10 });
    for await (const { step } of trainer.run({ steps: 100 })) {
      // What is under way, in the ring, and the block behind it.
      expect(asked).toBeLessThan(10 * (step + 4 * 25));
    }
    limited(false);
    trainer.destroy();
  });

  it('that fails ends the run behind the steps before, which are done', async () => {
    const broken = laterSource(data, async (indices, call) => {
      if (call > 1) throw new Error('the disk is gone');
      return rows(data, indices);
    });
    limited(true);
    const trainer = await createTrainer(gpu, { model, rule: adam(), data: broken, batchSize: 10 });
    const done: number[] = [];
    const run = (async () => {
      for await (const { step } of trainer.run({ steps: 100 })) done.push(step);
    })();
    await expect(run).rejects.toThrow('the disk is gone');
    limited(false);
    expect(done).toEqual(Array.from({ length: 26 }, (_, i) => i + 1));
    trainer.destroy();
  });

  it('that gives wrong rows is refused, with the sample', async () => {
    const first = async (made: DataSource) => {
      const trainer = await createTrainer(gpu, {
        model,
        rule: adam(),
        data: made,
        batchSize: 10,
        sampling: 'sequential',
      });
      try {
        return await collect(trainer, { steps: 2 }).catch((error) => error);
      } finally {
        trainer.destroy();
      }
    };
    const wrong = (change: (given: Rows, indices: Uint32Array) => Rows) =>
      first(laterSource(data, async (indices) => change(rows(data, indices), indices)));
    const label = await wrong(({ x }, indices) => ({ x, y: Uint8Array.from(indices, (i) => (i === 17 ? 3 : 0)) }));
    expect(label).toMatchObject({
      code: 'DATA-LABEL',
      message: expect.stringMatching(/sample 17 the label 3, but there are 3 classes/),
    });
    const short = await wrong(({ x, y }) => ({ x: x.subarray(14), y }));
    expect(short).toMatchObject({ code: 'DATA-MISMATCH' });
    const type = await wrong(({ y }) => ({ x: new Uint8Array(1), y }));
    expect(type).toMatchObject({ code: 'DATA-MISMATCH', message: expect.stringContaining('Float32Array of') });
  });
});
