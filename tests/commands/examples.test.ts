import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import {
  adam,
  arrays,
  type CallerMinimizer,
  createTrainer,
  digits,
  mlp,
  newtonCg,
  type Optimizer,
  readModel,
  split,
  type Trainer,
} from '../../src/index.js';
import { memoryLog } from '../../src/search/index.js';
import { readFloats, testDevice } from '../support/gpu.js';
import { halfOf, halfValue } from '../support/halves.js';
import { EXAMPLE_FIT } from '../support/raw-webgpu.js';
import { prices } from '../support/table.js';

const root = resolve(import.meta.dirname, '../..');
/** Runs an example as a user would: on the built package, by its own name. */
const run = async (name: string) =>
  (await promisify(execFile)(process.execPath, [`examples/${name}`], { cwd: root, timeout: 250_000 })).stdout;

beforeAll(() => ensureBuild());

it('the ten lines of the README train', async () => {
  const out = await run('train.mjs');
  expect(out).toMatch(/step 50, loss \d/);
  expect(Number(/accuracy: ([\d.]+)/.exec(out)?.[1])).toBeGreaterThan(0.9);
});

describe('the three doors of the README', () => {
  it('train', async () => {
    const losses = (await run('doors/train.mjs'))
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    expect(losses).toHaveLength(3 * Math.ceil(5000 / 64));
    expect(losses.at(-1)).toBeLessThan(0.5);
  });

  it('embed', async () => {
    const device = await testDevice();
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
    const filled = () => {
      const buffer = device.createBuffer({ size: 4 * 7840, usage, mappedAtCreation: true });
      new Float32Array(buffer.getMappedRange()).fill(1);
      buffer.unmap();
      return buffer;
    };
    const [param, grad] = [filled(), filled()];
    const { attach } = await import(pathToFileURL(resolve(root, 'examples/doors/embed.mjs')).href);
    const step = await attach(device, param, grad);
    const encoder = device.createCommandEncoder();
    step(encoder);
    device.queue.submit([encoder.finish()]);
    // Adam's first step is its rate; the decay takes a hundredth of the rate of the weight.
    for (const value of await readFloats(device, { buffer: param, offset: 0, size: param.size }))
      expect(value).toBeCloseTo(1 - 1e-3 - 1e-5, 6);
  });

  it('learn', async () => {
    const [, f] = /^f = (\S+) at /.exec(await run('doors/learn.mjs'))!;
    expect(Number(f)).toBeLessThan(1e-6);
  });
});

it('a program without a framework fits its curve', async () => {
  const out = await run('raw-webgpu/node.mjs');
  const [, loss, count, found] = /loss (\S+) after (\d+) updates; a … d = (\S+)/.exec(out)!;
  expect(Number(count)).toBe(500);
  expect(Number(loss)).toBeCloseTo(EXAMPLE_FIT.loss, 4);
  for (const [i, value] of found!.split(',').entries())
    expect(Number(value)).toBeCloseTo(EXAMPLE_FIT.coefficients[i]!, 4);
});

describe('the snippets of docs/', () => {
  const made: { destroy(): void }[] = [];
  afterEach(() => {
    for (const each of made.splice(0)) each.destroy();
  });

  const tried = new Set<string>();
  // biome-ignore lint/suspicious/noExplicitAny: the snippets are JavaScript
  const snippet = async (name: string): Promise<any> => {
    tried.add(`${name}.js`);
    return import(/* @vite-ignore */ pathToFileURL(resolve(root, `examples/snippets/${name}.js`)).href);
  };

  async function buffer(values: ArrayBufferView<ArrayBuffer>): Promise<GPUBuffer> {
    const device = await testDevice();
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const made_ = device.createBuffer({ size: values.byteLength, usage });
    made.push(made_);
    device.queue.writeBuffer(made_, 0, values);
    return made_;
  }
  const floats = (length: number, value: number) => buffer(new Float32Array(length).fill(value));
  const valuesOf = async (of: GPUBuffer) => readFloats(await testDevice(), { buffer: of, offset: 0, size: of.size });

  async function tensors(length = 8, gradient = 1) {
    const param = await floats(length, 1);
    const grad = await floats(length, gradient);
    return { param, grad, list: [{ name: 'p', shape: [length], param, grad }] };
  }
  const keep = (optimizer: Optimizer): Optimizer => {
    made.push(optimizer);
    return optimizer;
  };
  async function step(optimizer: Optimizer, times = 1): Promise<void> {
    const device = await testDevice();
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < times; i++) optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
  }

  it('lbfgs: all samples in every step, until it ends by itself', async () => {
    const { trainWhole } = await snippet('lbfgs');
    const lines: string[] = [];
    const model = mlp({ sizes: [784, 8, 10], activation: 'tanh' });
    const trainer: Trainer = await trainWhole(await testDevice(), model, digits({ samples: 100 }), (line: string) =>
      lines.push(line),
    );
    made.push(trainer);
    expect(lines.at(-1)).toMatch(/^ended after \d+ rounds: (gradient|flat)$/);
    expect(lines.length).toBe(trainer.step + 1);
  });

  it('own-objective: a kernel of the caller, 64 rounds in a submit', async () => {
    const device = await testDevice();
    const { minimizeOwn } = await snippet('own-objective');
    const code = `
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read_write> g: array<f32>;
      @group(0) @binding(2) var<storage, read_write> value: array<f32>;
      @compute @workgroup_size(1) fn main() {
        let off = vec2f(x[0] - 3.0, x[1] + 1.0);
        value[0] = off.x * off.x + 10.0 * off.y * off.y + off.x * off.y;
        g[0] = 2.0 * off.x + off.y;
        g[1] = 20.0 * off.y + off.x;
      }`;
    const compute = { module: device.createShaderModule({ code }) };
    const pipeline = device.createComputePipeline({ layout: 'auto', compute });
    const param = await floats(2, 0);
    const minimizer: CallerMinimizer = await minimizeOwn(device, pipeline, param, [2]);
    made.push(minimizer);
    expect((await minimizer.read()).stopped).toBe('gradient');
    const [a, b] = await valuesOf(param);
    expect(a).toBeCloseTo(3, 5);
    expect(b).toBeCloseTo(-1, 5);
  });

  it('embed: the decay is off for the bias', async () => {
    const { train } = await snippet('embed');
    const params = await floats(78_500, 1);
    const gradients = await floats(78_500, 0);
    let recorded = 0;
    const optimizer = keep(
      await train(await testDevice(), { params, gradients, recordGradients: () => recorded++, steps: 2 }),
    );
    expect(recorded).toBe(2);
    expect(optimizer.describe().dispatches).toBe(4);
    expect(await optimizer.read()).toMatchObject({ step: 2, count: 2, gradNorm: 0 });
    const values = await valuesOf(params);
    expect(values[0]).toBeCloseTo((1 - 1e-5) ** 2, 6);
    expect(values[78_399]).toBe(values[0]);
    expect(values[78_400]).toBe(1);
  });

  it('encoder: many steps in one submit', async () => {
    const { trainMany } = await snippet('encoder');
    const { makeGuarded } = await snippet('guard');
    const { list } = await tensors();
    const optimizer = keep(await makeGuarded(await testDevice(), list));
    trainMany(await testDevice(), optimizer, () => {}, 300);
    expect(await optimizer.read()).toMatchObject({ step: 300, count: 300 });
  });

  it('pool: two buffers in turn', async () => {
    const { trainPooled } = await snippet('pool');
    const { makeGuarded } = await snippet('guard');
    const { param, list } = await tensors();
    const optimizer = keep(await makeGuarded(await testDevice(), list));
    const pool = [await floats(8, 1), await floats(8, -1)];
    await trainPooled(await testDevice(), optimizer, (step: number) => ({ p: pool[step % 2] }), 2);
    expect(await optimizer.read()).toMatchObject({ step: 2, count: 2 });
    // Adam's first moves by the rate, its second, with moments that nearly cancel, by a twentieth back.
    const [value] = await valuesOf(param);
    expect(value).toBeGreaterThan(1 - 1e-3);
    expect(value).toBeLessThan(1 - 0.9e-3);
  });

  it('groups: each at its own rate, one not at all', async () => {
    const { makeOptimizer } = await snippet('groups');
    const make = async (length: number) => ({ values: await floats(length, 1), gradient: await floats(length, 1) });
    const [positions, colours, camera] = [await make(3000), await make(4000), await make(16)];
    await step(keep(await makeOptimizer(await testDevice(), { positions, colours, camera })));
    expect((await valuesOf(positions.values))[2999]).toBeCloseTo(0.99, 6);
    expect((await valuesOf(colours.values))[3999]).toBeCloseTo(0.9, 6);
    expect((await valuesOf(camera.values))[15]).toBe(1);
  });

  it('records: splats that are seen are fitted, pruned and split', async () => {
    const { makeSplats, densify } = await snippet('records');
    const device = await testDevice();
    const [count, room] = [100, 150];
    const splats = await floats(16 * room, 1);
    const gradients = await buffer(new Int32Array(12 * room).fill(1000));
    const visible = await buffer(Uint32Array.from({ length: room }, (_, i) => i % 2));
    const optimizer = keep(await makeSplats(device, { splats, gradients, visible, count, room }));
    expect(optimizer.describe()).toMatchObject({ dispatches: 2, rows: { position: 100, colour: 100 } });
    await step(optimizer);
    const fitted = await valuesOf(splats);
    // Adam's first step is the rate, whatever the unit; a splat nobody sees stays.
    for (const [at, lr] of Object.entries({ 0: 2e-3, 5: 5e-3, 6: 1e-2, 7: 5e-2, 8: 1e-2, 13: 5e-4, 2: 0, 15: 0 }))
      expect([fitted[Number(at)], fitted[16 + Number(at)]]).toEqual([1, expect.closeTo(1 - lr, 5)]);
    const encoder = device.createCommandEncoder();
    densify(encoder, optimizer, { kept: [1, 3, 3, 0], copies: [2], added: 1 });
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
    expect(optimizer.describe().rows).toMatchObject({ opacity: 5 });
    const { tensors: state } = await optimizer.state();
    // Of the four that were kept the first two were seen; the third is a copy, the last was not.
    expect([...state.opacity!.exp_avg_sq!].map((value) => value > 0)).toEqual([true, true, false, false, false]);
  });

  it('halves: the master moves where float16 does not', async () => {
    const { makeMixed } = await snippet('halves');
    const device = await testDevice();
    const [weights, gradients] = [await buffer(new Uint16Array(20).fill(halfOf(1))), await buffer(new Uint16Array(20))];
    const optimizer = keep(await makeMixed(device, { weights, gradients, lossScale: 1024 }));
    const halvesOf = async () => [...new Uint16Array((await valuesOf(weights)).buffer)].map(halfValue);
    for (let i = 0; i < 4; i++) {
      device.queue.writeBuffer(gradients, 0, new Uint16Array(20).fill(i === 1 ? 0x7c00 : halfOf(512)));
      await step(optimizer);
    }
    // Adam's steps are the rate, and a decay of a millionth; float16 below 1 goes by 4.9e-4.
    const { tensors } = await optimizer.state();
    for (const { master } of Object.values(tensors)) expect(master!.at(-1)).toBeCloseTo(1 - 3 * 1.01e-4, 6);
    expect(await halvesOf()).toEqual(new Array(20).fill(1 - 2 ** -11));
    expect(await optimizer.read()).toMatchObject({ count: 3, skipped: 1 });
  });

  it('guard: clips, skips, and says when it stopped', async () => {
    const { makeGuarded, check } = await snippet('guard');
    const { param, grad, list } = await tensors(4, 5);
    const optimizer = keep(await makeGuarded(await testDevice(), list));
    await step(optimizer);
    expect(await check(optimizer)).toBe('step 1: 1 updates, 0 skipped, gradient 10, rate 0.001');
    const before = await valuesOf(param);
    (await testDevice()).queue.writeBuffer(grad, 4, Float32Array.of(3e19));
    await step(optimizer, 2);
    expect(await optimizer.read()).toMatchObject({ step: 3, count: 1, skipped: 2, stopped: false });
    await step(optimizer);
    await expect(check(optimizer)).rejects.toThrow('after 1 updates');
    expect(await valuesOf(param)).toEqual(before);
  });

  it('schedule-free: looks at the average, and trains on', async () => {
    const { makeScheduleFree, stepAndLook } = await snippet('schedule-free');
    const { param, list } = await tensors();
    const seen = await floats(8, 0);
    const optimizer = keep(await makeScheduleFree(await testDevice(), list));
    await step(optimizer, 2);
    const encoder = (await testDevice()).createCommandEncoder();
    stepAndLook(optimizer, encoder, () => encoder.copyBufferToBuffer(param, 0, seen, 0, 32));
    (await testDevice()).queue.submit([encoder.finish()]);
    // Steps of lr·t/100: z = 1 - 2.5e-5·(1 + 2 + 3); x has z's of t = 1, 2, 3 with weights 1, 4, 9.
    const z = [1, 3, 6].map((sum) => 1 - 2.5e-5 * sum);
    const x = (z[0]! * 1) / 14 + (z[1]! * 4) / 14 + (z[2]! * 9) / 14;
    expect((await valuesOf(seen))[0]).toBeCloseTo(x, 6);
    expect((await valuesOf(param))[0]).toBeCloseTo(0.1 * z[2]! + 0.9 * x, 6);
    expect(await optimizer.read()).toMatchObject({ count: 3 });
  });

  it('accumulate: four calls make one update', async () => {
    const { makeAccumulating } = await snippet('accumulate');
    const { param, grad, list } = await tensors();
    const optimizer = keep(await makeAccumulating(await testDevice(), list));
    for (let i = 0; i < 4; i++) {
      expect((await valuesOf(param))[0]).toBe(1);
      (await testDevice()).queue.writeBuffer(grad, 0, new Float32Array(8).fill(i));
      await step(optimizer);
    }
    expect((await valuesOf(param))[0]).toBeCloseTo(1 - 0.1 * 1.5, 6);
    expect((await valuesOf(grad))[0]).toBe(0);
  });

  it('fixed-point: cells come to the mean of their samples', async () => {
    const { makeField } = await snippet('fixed-point');
    const samples = await buffer(Float32Array.from({ length: 60 }, (_, i) => (i % 2 ? (i % 12) / 2 : (i >> 1) % 3)));
    const cells = await floats(3, 0);
    const gradient = await floats(3, 0);
    const record = await makeField(await testDevice(), { samples, count: 30, cells, size: 3, gradient });
    const device = await testDevice();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < 100; i++) record(pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const data = await valuesOf(samples);
    const means = [0, 1, 2].map((cell) => {
      const own = Array.from({ length: 30 }, (_, i) => i).filter((i) => data[2 * i] === cell);
      return own.reduce((sum, i) => sum + data[2 * i + 1]!, 0) / own.length;
    });
    for (const [i, value] of (await valuesOf(cells)).entries()) expect(value).toBeCloseTo(means[i]!, 3);
    expect([...(await valuesOf(gradient))]).toEqual([0, 0, 0]);
  });

  it('schedules: a warm-up, then what was set', async () => {
    const { makeScheduled, slowDown } = await snippet('schedules');
    const { list } = await tensors();
    const optimizer = keep(await makeScheduled(await testDevice(), list));
    expect((await optimizer.read()).lr).toBeCloseTo(2e-6, 12);
    await step(optimizer, 500);
    expect((await optimizer.read()).lr).toBeCloseTo(1e-3, 12);
    slowDown(optimizer);
    // A tenth of what the schedule has there.
    expect((await optimizer.read()).lr).toBeCloseTo(1e-4, 12);
  });

  it('resume: goes on where it was', async () => {
    const { moveTo } = await snippet('resume');
    const { makeGuarded } = await snippet('guard');
    const { list } = await tensors();
    const first = await makeGuarded(await testDevice(), list);
    await step(first, 5);
    const next = keep(await moveTo(await testDevice(), list, first));
    expect(() => first.read).not.toThrow();
    await expect(first.read()).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
    await step(next);
    expect(await next.read()).toMatchObject({ step: 6, count: 6 });
  });

  it('describe: what a step costs', async () => {
    const { cost } = await snippet('describe');
    const { makeGuarded } = await snippet('guard');
    const { list } = await tensors(100);
    const optimizer = keep(await makeGuarded(await testDevice(), list));
    const { stateBytes } = optimizer.describe();
    expect(stateBytes).toBeGreaterThan(800);
    expect(cost(optimizer)).toBe(`3 dispatches, 3200 bytes moved, ${stateBytes} bytes of state, 7936 steps ahead`);
  });

  it('raw-kernel: an update by its kernel alone', async () => {
    const { updateOnce } = await snippet('raw-kernel');
    const param = await floats(128, 1);
    await updateOnce(await testDevice(), { param, grad: await floats(128, 0.5), elements: 128 });
    for (const value of await valuesOf(param)) expect(value).toBeCloseTo(0.95, 6);
  });

  it('shader-text: a kernel and its layout', async () => {
    const { describeKernel } = await snippet('shader-text');
    const { code, entryPoint, names, scalars } = describeKernel();
    expect(code).toContain(`fn ${entryPoint}(`);
    expect(names.slice(0, 3)).toEqual(['0 hyper: uniform', '1 param: storage', '2 grad: storage']);
    // The header of a row, as docs/embedding.md gives it.
    const header = ['count: u32', 'skip: u32', 'grad_scale: f32', 'clip_value: f32', 'l2: f32', 'decay: f32'];
    expect(scalars.slice(0, 6)).toEqual(header.map((field, word) => `${4 * word} ${field}`));
  });

  it('verify-kernel: an Adam in plain JavaScript against the vectors', async () => {
    const { mistakes } = await snippet('verify-kernel');
    type Floats = number[];
    const adamOf =
      (factor: number) => (param: Floats, grad: Floats, state: Record<string, Floats>, h: Record<string, number>) => {
        const [m, v] = [state.exp_avg!, state.exp_avg_sq!];
        for (const [i, g] of grad.entries()) {
          m[i] = m[i]! + h.beta1_c! * (g - m[i]!);
          v[i] = v[i]! + h.beta2_c! * (g * g - v[i]!);
          param[i] = param[i]! - (factor * h.step_size! * m[i]!) / (Math.sqrt(v[i]!) * h.v_scale! + h.eps!);
        }
      };
    expect(mistakes(adamOf(1))).toEqual([]);
    expect(mistakes(adamOf(1 + 1e-5))).toContain('param[4] after 25 updates');
  });

  it('a table is learnt, and new rows are predicted in its units', async () => {
    const { learnColumn } = await snippet('table');
    const rows = 'kind,a,b,c,price\ndown,-0.5,5000,0,0\nup,0.5,5500,0.0005,0';
    const { metrics, predicted } = await learnColumn(await testDevice(), prices(300), 'price', rows);
    expect(metrics.r2).toBeGreaterThan(0.9);
    // 50,000 + 10,000 (sin 2a + b² + ac); wrong by 4 deviations of what is wrong in the rows held back at most.
    const expected = [50_000 - 10_000 * Math.sin(1), 50_000 + 10_000 * (Math.sin(1) + 0.25 + 0.25)];
    for (const [i, price] of expected.entries()) expect(Math.abs(predicted[i] - price)).toBeLessThan(4 * metrics.rmse);
  });

  it('dataset: a data set by name, where there is no network', async () => {
    const { clothes } = await snippet('dataset');
    vi.stubEnv('DOWNHILL_MIRROR', 'http://127.0.0.1:61');
    vi.stubEnv('DOWNHILL_CACHE', mkdtempSync(join(tmpdir(), 'downhill-test-')));
    const error = await clothes().catch((reason: unknown) => reason);
    rmSync(process.env.DOWNHILL_CACHE!, { recursive: true });
    vi.unstubAllEnvs();
    expect(error).toMatchObject({ code: 'DATA-NOT-FOUND', message: expect.stringContaining('refuses connections') });
  });

  it('early-stopping: ends by itself, with the best weights', async () => {
    const { trainWell } = await snippet('early-stopping');
    const said = vi.spyOn(console, 'log').mockImplementation(() => {});
    const data = digits({ samples: 400, seed: 2 });
    const trainer: Trainer = await trainWell(await testDevice(), data);
    made.push(trainer);
    const [stopped, best, evaluation] = said.mock.calls.at(-1)!;
    said.mockRestore();
    expect(stopped).toMatchObject({ reason: 'early-stopping', best: { step: best.step, value: best.loss } });
    expect(evaluation).toMatchObject({ step: stopped.step, loss: best.loss });
  });

  it('plateau: goes by the validation, and the best network is a file', async () => {
    const { trainOnPlateaus, bestFile } = await snippet('plateau');
    const [train, held] = split(digits({ samples: 300, seed: 2 }), 250);
    const trainer: Trainer = await trainOnPlateaus(await testDevice(), train, held);
    made.push(trainer);
    const seen: number[] = [];
    for await (const { step, validation } of trainer.run({ steps: 100 })) if (validation) seen.push(step);
    expect(seen).toEqual([50, 100]);
    expect(readModel(await bestFile(trainer)).step).toBe(100);
  });

  it('source: more samples than any memory holds', async () => {
    const { circle, trainOn } = await snippet('source');
    const trainer: Trainer = await trainOn(await testDevice(), circle());
    made.push(trainer);
    const losses: number[] = [];
    for await (const { loss } of trainer.run({ steps: 60 })) losses.push(loss);
    const mean = (some: number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
    expect(mean(losses.slice(-10))).toBeLessThan(0.7 * mean(losses.slice(0, 5)));
  });

  it('keep and use: trained in two goes, asked about samples', async () => {
    const { trainOn } = await snippet('keep');
    const { use } = await snippet('use');
    const device = await testDevice();
    const data = digits({ samples: 200, seed: 2 });
    const folder = mkdtempSync(join(tmpdir(), 'downhill-test-'));
    try {
      const warnings: string[] = [];
      (await trainOn(device, data, folder, 30)).destroy();
      const trainer: Trainer = await trainOn(device, data, folder, 40, (text: string) => warnings.push(text));
      made.push(trainer);
      expect(trainer.step).toBe(40);
      expect(readdirSync(folder).sort()).toEqual(['step-000030.safetensors', 'step-000040.safetensors']);
      expect(warnings).toEqual([]);
      const { probabilities, onnx } = await use(device, await trainer.checkpoint(), data.x);
      expect(probabilities).toEqual(await trainer.predict(data.x));
      expect(onnx.length).toBeGreaterThan(4 * 784 * 32);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('learn-table: from a table to a file, which goes on bit for bit and is exported', async () => {
    const { learnTable } = await snippet('learn-table');
    const device = await testDevice();
    const whole = await learnTable(device, prices(300), 'price', { epochs: 12 });
    expect(whole.metrics.r2).toBeGreaterThan(0.8);
    expect(whole.history.map(({ step }: { step: number }) => step)).toEqual(
      whole.history.map((_: never, i: number) => 7 * (i + 1)),
    );
    expect(whole.stopped).toBeUndefined();
    const half = await learnTable(device, prices(300), 'price', { epochs: 6 });
    const rest = await learnTable(device, prices(300), 'price', { epochs: 6, saved: half.checkpoint });
    expect(Buffer.compare(rest.checkpoint, whole.checkpoint)).toBe(0);
    expect(whole.onnx.length).toBeGreaterThan(4 * 64 * 64);
  });

  it('check and watch: a network that is well, and one whose units are dead', async () => {
    const { checkFirst } = await snippet('check');
    const { watched } = await snippet('watch');
    const device = await testDevice();
    const data = digits({ samples: 100, seed: 2 });
    const model = mlp({ sizes: [784, 16, 10], init: 'pytorch' });
    expect(await checkFirst(device, model, data)).toMatchObject({ start: true, gradients: true, learns: true });
    const dead = mlp({ sizes: [784, 16, 10], init: 'zeros' });
    const trainer = await createTrainer(device, { model: dead, rule: adam(), data });
    made.push(trainer);
    const said: string[] = [];
    await watched(trainer, 100, (text: string) => said.push(text));
    expect(said).toContain('step 100: 100 % of layer 1 (relu) are dead');
    expect(said.join()).toContain('step 100: 0.weight changes by 0 of its size');
  });

  it('loss-plane: where a training ended, and the way there', async () => {
    const { look } = await snippet('loss-plane');
    const data = digits({ samples: 60, seed: 2 });
    // Trainer and snippet are of the built package: what stands beside a trainer knows only its own.
    const built = await import(/* @vite-ignore */ pathToFileURL(resolve(root, 'dist/lib/index.js')).href);
    const options = { model: built.mlp({ sizes: [784, 4, 10] }), rule: built.adam(), data };
    const trainer: Trainer = await built.createTrainer(await testDevice(), options);
    made.push(trainer);
    const { random, along, line } = await look(trainer, 15);
    expect(random.loss).toHaveLength(625);
    expect(along.path.steps).toEqual([0, 5, 10, 15]);
    expect(line.loss.at(-1)).toBe(Math.fround(along.centre.loss));
  });

  it('landscape: a way without a device, and three rates on one', async () => {
    const { walk } = await snippet('landscape');
    const { end, value, steps } = await walk(await testDevice());
    expect(value).toBeLessThan(0.05);
    expect(Math.hypot(end[0] - 1, end[1] - 1)).toBeLessThan(0.5);
    expect(steps[0]).toBeGreaterThan(steps[1]);
    expect(steps[1]).toBeGreaterThan(steps[2]);
  });

  it('population: a copy of the best in the place of the worst', async () => {
    const { breed } = await snippet('population');
    const [train, test] = split(digits({ samples: 600, seed: 2 }), 480);
    const said: [number, Float32Array][] = [];
    const say = (...line: [number, Float32Array]) => said.push(line);
    const { trainer, best, worst } = await breed(await testDevice(), train, test, say);
    made.push(trainer);
    expect([best, worst]).toEqual([3, 0]);
    expect(said.map(([step]) => step)).toEqual([20, 40, 60]);
    expect(trainer.step).toBe(60);
    expect(said[2]![1][worst]).toBeLessThan(said[1]![1][worst]! / 2);
  });

  it('curvature: what the loss looks like', async () => {
    const { shape } = await snippet('curvature');
    const data = digits({ samples: 100, seed: 2 });
    const trainer = await createTrainer(await testDevice(), {
      model: mlp({ sizes: [784, 8, 10] }),
      rule: adam(),
      data,
    });
    made.push(trainer);
    const said: string[] = [];
    await shape(trainer, (text: string) => said.push(text));
    expect(said).toEqual([
      expect.stringMatching(/^step 0, loss 2\.\d+: eigenvalues from -[\d.]+ to \d/),
      expect.stringMatching(/times the 5-th; at least \d+ directions bend down/),
      expect.stringMatching(/below a rate of 0\.\d/),
    ]);
  });

  it('newton: to the bottom of a small fit', async () => {
    const { fitExactly } = await snippet('newton');
    const x = Float32Array.from({ length: 60 }, (_, i) => Math.sin(1.7 * i));
    const y = Array.from({ length: 30 }, (_, i) => [Math.tanh(2 * x[2 * i]! - x[2 * i + 1]!)]);
    const { trainer, loss, steps, reason } = await fitExactly(await testDevice(), arrays({ x, y }), {
      rule: newtonCg({ toleranceGrad: 1e-3 }),
    });
    made.push(trainer);
    expect(reason).toBe('gradient');
    expect(steps).toBeLessThan(2000);
    expect(loss).toBeLessThan(1e-2);
  });

  it('search: a rate and a momentum, in a log that is gone on with', async () => {
    const { findRate } = await snippet('search');
    const data = digits({ samples: 200, seed: 2 });
    const log = memoryLog();
    const said = vi.spyOn(console, 'log').mockImplementation(() => {});
    const best = await findRate(await testDevice(), data, log);
    expect(await findRate(await testDevice(), data, memoryLog(log.text))).toEqual(best);
    expect(said).toHaveBeenCalledTimes(6);
    said.mockRestore();
    expect(best).toMatchObject({ state: 'complete', step: 64 });
  });

  it('range-test: a sweep, and rates side by side', async () => {
    const { testRates } = await snippet('range-test');
    const said = vi.spyOn(console, 'log').mockImplementation(() => {});
    const { sweep, side } = await testRates(await testDevice(), digits({ samples: 200, seed: 2 }));
    said.mockRestore();
    expect(sweep.suggestion).toBeGreaterThan(1e-4);
    expect(side.points).toHaveLength(16);
  });

  it('search-function: any function', async () => {
    const { searchFunction } = await snippet('search-function');
    const { best } = await searchFunction();
    expect(best.params.sign).toBe(1);
    expect(Math.abs(Math.log(best.params.x / 2))).toBeLessThan(0.5);
  });

  it('plan: measured once, taken up from then on', async () => {
    const { trainFast } = await snippet('plan');
    const { folderPlans } = await import('../../src/node/index.js');
    const folder = mkdtempSync(join(tmpdir(), 'downhill-test-'));
    try {
      const data = digits({ samples: 200, seed: 2 });
      const first = await trainFast(await testDevice(), data, folderPlans(folder));
      const next = await trainFast(await testDevice(), data, folderPlans(folder));
      made.push(first.trainer, next.trainer);
      expect([first.chosenBy, next.chosenBy]).toEqual(['measured', 'kept']);
      expect(next.choice).toEqual(first.choice);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('worker: trains on what it is sent, until it is told to stop', async () => {
    const { serveTraining } = await snippet('worker');
    const { port1: page, port2: worker } = new MessageChannel();
    serveTraining(worker, await testDevice());
    const answers: { step?: number; bytes?: Uint8Array; error?: string }[] = [];
    const answered = new Promise<void>((resolve) => {
      page.onmessage = ({ data }) => {
        answers.push(data);
        if (data.step === 3) page.postMessage('stop');
        if (data.bytes) resolve();
      };
    });
    page.postMessage({ data: digits({ samples: 200, seed: 2 }), epochs: 10_000 });
    await answered;
    const refused = new Promise((resolve) => {
      page.onmessage = ({ data }) => resolve(data);
    });
    page.postMessage({ data: digits({ samples: 200, seed: 2 }), epochs: -1 });
    expect(answers.slice(0, 3).map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(readModel(answers.at(-1)!.bytes!).step).toBeGreaterThanOrEqual(answers.at(-2)!.step!);
    expect(await refused).toMatchObject({ error: expect.stringContaining('epochs') });
    page.close();
  });

  it('are all run here', () => {
    expect([...tried].sort()).toEqual(readdirSync(resolve(root, 'examples/snippets')).sort());
  });
});
