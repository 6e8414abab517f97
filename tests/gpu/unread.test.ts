import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  failBuffer,
  faultMaps,
  followBuffers,
  type MapFault,
  onBuffers,
  wrap,
} from '../../harness/torture/gpu/faults.js';
import { mlp } from '../../src/nn/mlp.js';
import { requestDevice } from '../../src/node/index.js';
import { createMinimizer } from '../../src/optim/create-minimizer.js';
import { lbfgs } from '../../src/optim/minimizers.gen.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { plateau } from '../../src/optim/schedules/plateau.js';
import { createPopulation } from '../../src/train/population.js';
import type { StepReport } from '../../src/train/report-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { likeDevice } from '../support/gpu.js';
import { noise } from '../support/train.js';

/*
 * What was computed and could not be brought to the host: `mapAsync` rejects, or comes late. Nothing that was computed is lost, and
 * whoever asks again gets it.
 */

const unread = expect.objectContaining({ name: 'DownhillError', code: 'GPU-READ', fix: expect.stringMatching(/\S/) });
const refused = () => Promise.reject(new DOMException('The map was refused.', 'OperationError'));

let device: GPUDevice;
let undo: (() => void)[] = [];
beforeAll(async () => {
  device = await requestDevice();
});
afterEach(() => {
  for (const each of undo.reverse()) each();
  undo = [];
});

/** Has the maps of buffers made from here on be answered as `fault` says, while it says anything. */
function faulty(fault: () => MapFault | undefined): void {
  undo.push(faultMaps(device, (index, map) => fault()?.(index, map) ?? map()));
}

const data = noise(50, 9, 4);
/** With submits of one step. */
const make = (options: Partial<TrainerOptions> = {}) =>
  createTrainer(device, {
    model: mlp({ sizes: [9, 4] }),
    rule: adam(),
    data,
    batchSize: 10,
    submitMs: 0.001,
    ...options,
  } as TrainerOptions);

/** Pulls until a run ends or throws. */
async function pull(run: AsyncIterable<StepReport>, into: StepReport[]): Promise<unknown> {
  try {
    for await (const report of run) into.push(report);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function whole(options: Partial<TrainerOptions>, steps: number): Promise<StepReport[]> {
  const one = await make(options);
  const reports: StepReport[] = [];
  expect(await pull(one.run({ steps }), reports)).toBeUndefined();
  one.destroy();
  return reports;
}

/** Trains to a step, as often as it takes; every run that fails does so for a map. */
async function insist(one: Trainer, until: number): Promise<{ reports: StepReport[]; failures: number }> {
  const reports: StepReport[] = [];
  for (let failures = 0; failures < 50; failures++) {
    const error = await pull(one.run({ steps: until - one.step }), reports);
    if (error === undefined) return { reports, failures };
    expect(error).toEqual(unread);
  }
  throw new Error('It never ends.');
}

describe('a trainer whose losses cannot be read', () => {
  it('throws, and the next run begins with them: whichever map it is, as often as one likes', async () => {
    const expected = await whole({}, 100);
    let reject: ReadonlySet<number> = new Set();
    let count = 0;
    faulty(() => (_, map) => (reject.has(count++) ? refused() : map()));
    for (const at of [0, 1, 2, 3]) {
      const one = await make();
      [reject, count] = [new Set([at, at + 3, at + 4, at + 6, at + 7, at + 8, at + 9]), 0];
      const { reports, failures } = await insist(one, 100);
      expect(failures).toBeGreaterThan(2);
      expect(reports).toEqual(expected);
      one.destroy();
    }
  });

  it('throws as long as it stays so, and forgets nothing', async () => {
    const expected = await whole({}, 60);
    let off = false;
    faulty(() => (off ? refused : undefined));
    const one = await make();
    const reports: StepReport[] = [];
    const until = async () => {
      for await (const report of one.run({ steps: 60 })) {
        reports.push(report);
        off = report.step >= 5;
      }
    };
    await expect(until()).rejects.toEqual(unread);
    const { step } = one;
    expect([step, reports.length]).toEqual([9, 7]);
    for (let i = 0; i < 4; i++) expect(await pull(one.run({ steps: 1 }), reports)).toEqual(unread);
    // Nothing was submitted meanwhile.
    expect([one.step, reports.length]).toEqual([9, 7]);
    off = false;
    expect(await pull(one.run({ steps: 60 - step }), reports)).toBeUndefined();
    expect(reports).toEqual(expected);
    one.destroy();
  });

  it('keeps the order where the GPU process tells of a later one first', async () => {
    const expected = await whole({}, 80);
    let late: (() => void) | undefined;
    let told = 0;
    faulty(() => async (_, map) => {
      const result = await map();
      // Every other one waits until the one behind it is there.
      if (told++ % 2 === 0) await new Promise<void>((resolve) => (late = resolve));
      else late?.();
      return result;
    });
    const one = await make();
    const reports: StepReport[] = [];
    const timer = setInterval(() => late?.(), 50); // the last one
    expect(await pull(one.run({ steps: 80 }), reports)).toBeUndefined();
    clearInterval(timer);
    expect(told).toBeGreaterThan(4);
    expect(reports).toEqual(expected);
    one.destroy();
  });

  it('tells schedules and early stopping of every validation once', async () => {
    // A schedule is of one training.
    const options = (): Partial<TrainerOptions> => ({
      rule: sgd({ lr: plateau(0.5, { patience: 0, threshold: 0.1, factor: 0.5 }) }),
      validation: { data: noise(30, 9, 4), every: { iterations: 3 } },
      earlyStopping: { metric: 'loss', patience: 6 },
    });
    const expected = await whole(options(), 40);
    expect(new Set(expected.map(({ lr }) => lr)).size).toBeGreaterThan(2);
    let count = 0;
    // A third of all, one cannot tell which.
    faulty(() => (_, map) => ((Math.imul(count++, 0x9e3779b1) >>> 0) % 3 === 0 ? refused() : map()));
    for (count of [1, 100]) {
      const one = await make(options());
      const reports: StepReport[] = [];
      let failures = 0;
      for (let error: unknown = true; error !== undefined; failures++) {
        error = await pull(one.run({ steps: Math.max(40 - one.step, 0) }), reports);
        if (error !== undefined) expect(error).toEqual(unread);
        // A checkpoint asks for what the schedule waits for; it fails alike, or is of a moment behind it.
        await one.checkpoint().catch((cause: unknown) => expect(cause).toEqual(unread));
        if (one.stopped) break;
      }
      expect(failures).toBeGreaterThan(3);
      expect(reports.slice(0, expected.length)).toEqual(expected);
      one.destroy();
    }
  });
});

it('a look or a profile that cannot be read throws; the losses of its steps come with the next run', async () => {
  const expected = await whole({}, 60);
  const reject = new Set<string>();
  undo.push(
    onBuffers(device, (buffer) => {
      wrap(
        buffer,
        'mapAsync',
        (map) =>
          (...args) =>
            reject.delete(buffer.label) ? refused() : map(...args),
      );
    }),
  );
  const one = await make({ label: 'looked' });
  const reports: StepReport[] = [];
  for (const label of ['looked/staging-2', 'looked-watch/staging-1']) {
    reject.add(`downhill:${label}`);
    expect(await pull(one.run({ steps: 10, watch: { every: 2 } }), reports)).toEqual(unread);
    expect(reject.size).toBe(0);
  }
  reject.add('downhill:looked/timestamps-staging');
  await expect(one.profile({ steps: 2 })).rejects.toEqual(unread);
  expect(await pull(one.run({ steps: 60 - one.step }), reports)).toBeUndefined();
  const plain = reports.map(({ watch, ...report }) => report);
  const profiled = expected.filter(({ step }) => plain.every((report) => report.step !== step));
  expect(profiled.length).toBeLessThanOrEqual(4); // what a profile reports is in its result
  expect(plain).toEqual(expected.filter((each) => !profiled.includes(each)));
  one.destroy();
});

describe('a population whose losses cannot be read', () => {
  const members = Array.from({ length: 6 }, (_, seed) => ({
    rule: (seed < 3 ? adam({ lr: 1e-2 }) : sgd({ lr: 0.1 })) as Rule,
    seed,
  }));
  const options = { model: mlp({ sizes: [2, 8, 2] }), data: noise(24, 2, 2), batchSize: 4, submitMs: 0.001, members };
  // Four of them fit a binding.
  const population = () =>
    createPopulation(likeDevice(device, { limits: { maxStorageBufferBindingSize: 4 * 4 * 64 * 8 } }), options);

  it('throws, and the next run begins with them, of all passes', async () => {
    let at = 0;
    let count = 0;
    faulty(() => (_, map) => (at > 0 && ++count % at === 0 ? refused() : map()));
    const calm = await population();
    expect(calm.memory.passes).toBe(2);
    const expected: Float32Array[] = [];
    for await (const { losses } of calm.run({ steps: 30 })) expected.push(losses);
    for (const every of [5, 7]) {
      const one = await population();
      [at, count] = [every, 0];
      const reports: [number, Float32Array][] = [];
      let failures = 0;
      for (let error: unknown = true; error !== undefined; ) {
        error = undefined;
        try {
          for await (const { step, losses } of one.run({ steps: 30 - one.step })) reports.push([step, losses]);
        } catch (cause) {
          expect(cause).toEqual(unread);
          error = cause;
          failures++;
          await expect(one.refill(0, { seed: 9 })).rejects.toMatchObject({ code: 'RUN-BUSY' });
        }
      }
      at = 0;
      expect(failures).toBeGreaterThan(2);
      expect(reports).toEqual(expected.map((losses, i) => [i + 1, losses]));
      one.destroy();
    }
    calm.destroy();
  });
});

describe('what is read back once', () => {
  const buffer = (floats: number) => device.createBuffer({ label: 'own', size: 4 * floats, usage: 0x80 | 4 | 8 });

  it.each<[string, () => Promise<{ reads: readonly (() => Promise<unknown>)[]; destroy(): void }>]>([
    [
      'of a trainer',
      async () => {
        const one = await make({ rule: adam({ amsgrad: true }) });
        const { x } = data;
        const reads = [
          () => one.evaluate(data),
          () => one.evaluate(data, { metrics: ['f1'] }),
          () => one.predict(x),
          () => one.readParameters(),
          () => one.state(),
          () => one.checkpoint(),
          () => one.curvature({ samples: 20, eigenvalues: 1, iterations: 2 }),
        ];
        return { reads, destroy: () => one.destroy() };
      },
    ],
    [
      'of an optimizer',
      async () => {
        const one = await createOptimizer(device, adam(), [
          { name: 'w', shape: [8], param: buffer(8), grad: buffer(8) },
          { name: 'v', shape: [4], param: buffer(4), grad: buffer(4) },
        ]);
        return { reads: [() => one.read(), () => one.state()], destroy: () => one.destroy() };
      },
    ],
    [
      'of a minimizer',
      async () => {
        const evaluate = () => {};
        const one = await createMinimizer(device, lbfgs(), [{ name: 'x', shape: [2], param: buffer(2) }], { evaluate });
        return { reads: [() => one.read()], destroy: () => one.destroy() };
      },
    ],
  ])('%s: a map that is refused, memory that is not there', async (_, create) => {
    const live = followBuffers(device);
    undo.push(live.undo);
    let refuse = false;
    faulty(() => (refuse ? refused : undefined));
    const { reads, destroy } = await create();
    for (const read of reads) await read();
    const before = live.live();
    for (const read of reads) {
      refuse = true;
      await expect(read()).rejects.toEqual(unread);
      refuse = false;
      for (const how of ['scope', 'range-error'] as const) {
        const fault = failBuffer(device, 0, how);
        await expect(read()).rejects.toMatchObject({ code: 'GPU-OUT-OF-MEMORY' });
        fault.undo();
      }
      await read();
      expect(live.live()).toEqual(before);
    }
    destroy();
    await setImmediate(); // evaluators are freed once they are idle
    expect(live.live()).toEqual([]);
  });
});
