import { afterEach, describe, expect, it } from 'vitest';
import { BufferSet, guarded, readRanges } from '../../src/gpu/buffers.js';
import { createPasses, encodePass, type Pass } from '../../src/gpu/passes.js';
import { readClocks } from '../../src/kernels/advance.js';
import { lower } from '../../src/kernels/lower.js';
import { makeGroups } from '../../src/optim/groups.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import { loadStates, readState } from '../../src/optim/optimizer-state.js';
import type { Optimizer } from '../../src/optim/optimizer-types.js';
import { passesOf, passForms } from '../../src/optim/passes.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { adagrad, adamw, ftrl, muon, nadam, rules as ruleTable, sgd, shampoo } from '../../src/optim/rules.gen.js';
import { arenaUpdate, type GradientSettings, UPDATER_FORMS, Updater } from '../../src/optim/updater.js';
import { arenaSpace } from '../../src/space/arena.js';
import type { Copies } from '../../src/space/stateful.js';
import { readTensors, writeTensor } from '../../src/space/vectors.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { passNames } from '../support/rule-cases.js';

/* An updater on arenas: replicas and groups, split or whole, with everything createOptimizer can do to a gradient. */

const TENSORS = [
  { name: '0.weight', shape: [130, 20] },
  { name: '0.bias', shape: [20] },
  { name: '2.weight', shape: [20, 3] },
  { name: '2.bias', shape: [3] },
];
const PLAIN: GradientSettings = {
  clip: undefined,
  clipValue: undefined,
  skip: undefined,
  gradScale: 1,
  zero: false,
  unit: undefined,
  micro: 1,
};

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

const seedOf = (tensor: number, replica: number, step: number) => 7919 * step + 101 * replica + tensor;
const sizes = TENSORS.map(({ shape }) => shape.reduce((product, size) => product * size, 1));

interface Setup {
  /** By replica, the rule of tensors whose name ends in this. */
  readonly rules: readonly Readonly<Record<string, Rule>>[];
  readonly settings?: Partial<GradientSettings>;
  readonly frozen?: readonly string[];
  readonly maxBytes?: number;
  /** Seeds of the replicas, in place of their indices. */
  readonly ids?: readonly number[];
}

async function makeArena({
  rules,
  settings = {},
  frozen = [],
  maxBytes = 2 ** 24,
  ids = rules.map((_, i) => i),
}: Setup) {
  const device = await testDevice();
  const buffers = new BufferSet(device, 'updater');
  made.push(buffers);
  const space = arenaSpace(TENSORS, { replicas: rules.length, maxBytes });
  const param = space.vector(buffers, 'param');
  const grad = space.vector(buffers, 'grad');
  const perTensor = settings.clip?.by === 'tensor' || rules[0]![Object.keys(rules[0]!)[0]!]!.row.perTensor === true;
  const groups = makeGroups(
    TENSORS.map(({ name }) => ({
      name,
      frozen: frozen.includes(name),
      rules: rules.map((own) => own[Object.keys(own).find((end) => name.endsWith(end))!]!),
    })),
    perTensor,
  );
  const { row } = groups[0]!.rules[0]!;
  const updater = new Updater(buffers, {
    label: 'updater',
    row,
    space,
    param,
    grad,
    groups,
    apply: arenaUpdate,
    passesOf,
    ...PLAIN,
    ...settings,
  });
  const plan = lower(updater.ops, [...UPDATER_FORMS, ...passForms, ...(row.forms ?? [])], device);
  const passes = await createPasses(device, plan.passes, buffers);
  const write = (vector: typeof param, step: number, bad?: number) => {
    for (const [replica, id] of ids.entries()) {
      for (const [i, { name }] of TENSORS.entries()) {
        const values = randomFloats(sizes[i]!, seedOf(i, id, step));
        if (id === bad) values[1] = Number.NaN;
        writeTensor(device, space, vector, name, values, replica);
      }
    }
  };
  write(param, 0);
  return {
    device,
    updater,
    space,
    plan,
    passes,
    /** One attempt with the gradients of this step; those of the replica with the id `bad` hold a NaN. */
    step: async (step: number, bad?: number) => {
      write(grad, step, bad);
      expect(updater.scalars.issue(1)).toBe(1);
      await record(device, passes);
    },
    params: async (replica = 0) => {
      const [tensors] = await readTensors(device, 'test', space, [param], replica);
      return [...tensors!.values()];
    },
    clocks: async () => readClocks((await readRanges(device, 'test', [updater.clock]))[0]!),
  };
}

async function record(device: GPUDevice, passes: readonly Pass[]): Promise<void> {
  await guarded(device, 'test', () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const each of passes) encodePass(each, pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
  });
}

/** The same tensors on packed memory of the caller's, with createOptimizer. */
async function makeForeign(
  rules: Readonly<Record<string, Rule>>,
  id: number,
  options: OptimizerOptions,
  frozen: readonly string[] = [],
) {
  const device = await testDevice();
  const bytes = 4 * sizes.reduce((sum, size) => sum + size, 0);
  const [param, grad] = [0, 1].map(() => {
    const buffer = device.createBuffer({ size: bytes, usage: 0x80 | 0x04 | 0x08 });
    made.push(buffer);
    return buffer;
  });
  const offsets = sizes.map((_, i) => 4 * sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  const write = (buffer: GPUBuffer, step: number, bad: boolean) => {
    for (const [i, size] of sizes.entries()) {
      const values = randomFloats(size, seedOf(i, id, step));
      if (bad) values[1] = Number.NaN;
      device.queue.writeBuffer(buffer, offsets[i]!, values);
    }
  };
  write(param!, 0, false);
  const of = (name: string) => rules[Object.keys(rules).find((end) => name.endsWith(end))!]!;
  const optimizer: Optimizer = await createOptimizer(
    device,
    of('weight'),
    TENSORS.map(({ name, shape }, i) => ({
      name,
      shape,
      param: { buffer: param!, offset: offsets[i]! },
      grad: { buffer: grad!, offset: offsets[i]! },
      group: of(name).hyper,
      frozen: frozen.includes(name),
    })),
    options,
  );
  made.push(optimizer);
  return {
    optimizer,
    step: (step: number, bad = false) => {
      write(grad!, step, bad);
      const encoder = device.createCommandEncoder();
      optimizer.step(encoder);
      device.queue.submit([encoder.finish()]);
    },
    params: async () => {
      const all = await readFloats(device, { buffer: param!, offset: 0, size: bytes });
      return sizes.map((size, i) => all.slice(offsets[i]! / 4, offsets[i]! / 4 + size));
    },
  };
}

const decayed = (lr: number) => ({
  weight: adamw({ lr }) as unknown as Rule,
  bias: adamw({ lr, weightDecay: 0 }) as unknown as Rule,
});
const REPLICAS = [decayed(0.01), decayed(0.1), decayed(0.003)];

describe('an updater on arenas', () => {
  it.each<[string, Partial<GradientSettings>, OptimizerOptions]>([
    ['plainly', {}, {}],
    ['by the global norm', { clip: { by: 'global', norm: 0.5, optax: false } }, { clip: { globalNorm: 0.5 } }],
    [
      'by each tensor’s norm',
      { clip: { by: 'tensor', norm: 0.5, optax: true } },
      { clip: { tensorNorm: 0.5, convention: 'optax' } },
    ],
    ['clipped by value', { clipValue: 0.25, gradScale: 0.5 }, { clip: { value: 0.25 }, gradScale: 0.5 }],
    ['with micro-steps', { micro: 3, gradScale: 1 / 3 }, { accumulate: { steps: 3, reduce: 'mean' } }],
    [
      'with micro-steps, clipped and skipping',
      { micro: 2, clip: { by: 'global', norm: 0.5, optax: false }, skip: { atMost: 9 } },
      { accumulate: { steps: 2 }, clip: { globalNorm: 0.5 }, skipNonFinite: { atMost: 9 } },
    ],
  ])('gives replicas and groups the bits of createOptimizer, each alone: %s', async (_, settings, options) => {
    const frozen = ['2.bias'];
    const all = await makeArena({ rules: REPLICAS, settings, frozen });
    for (let step = 1; step <= 7; step++) await all.step(step, step === 4 ? 1 : undefined);
    const clocks = await all.clocks();
    for (const [replica, own] of REPLICAS.entries()) {
      const alone = await makeForeign(own, replica, options, frozen);
      for (let step = 1; step <= 7; step++) alone.step(step, step === 4 && replica === 1);
      expect(await all.params(replica)).toEqual(await alone.params());
      const { count, skipped } = await alone.optimizer.read();
      expect(clocks[replica]).toMatchObject({ step: 7, count, skipped });
      const state = await alone.optimizer.state();
      expect(await readState(all.updater, replica)).toEqual(state);
    }
  });

  it('gives the same bits where its arenas are split', async () => {
    const whole = await makeArena({ rules: REPLICAS });
    const split = await makeArena({ rules: REPLICAS, maxBytes: 3 * 4 * 64 * 20 });
    expect(split.space.spans.length).toBeGreaterThan(2);
    expect(Object.keys(split.plan.choice)).toContain('update-2');
    for (let step = 1; step <= 4; step++) for (const each of [whole, split]) await each.step(step);
    for (const replica of [0, 1, 2]) {
      expect(await split.params(replica)).toEqual(await whole.params(replica));
      expect(await readState(split.updater, replica)).toEqual(await readState(whole.updater, replica));
    }
  });

  const orthogonal = (lr: number, scale: 'original' | 'match-rms-adamw') => ({
    weight: muon({ lr, scale, adamwLr: lr }) as unknown as Rule,
    bias: muon({ lr, scale, adamwLr: lr, weightDecay: 0 }) as unknown as Rule,
  });
  const preconditioned = (lr: number, preconditionFrequency: number) => ({
    weight: shampoo({ lr, preconditionFrequency, weightDecay: 0.1 }) as unknown as Rule,
    bias: shampoo({ lr, preconditionFrequency }) as unknown as Rule,
  });
  const ofMatrices = {
    muon: [orthogonal(0.01, 'original'), orthogonal(0.1, 'match-rms-adamw')],
    shampoo: [preconditioned(0.1, 1), preconditioned(0.03, 2)],
  };
  it.each([
    ['muon', 'whole', 2 ** 24],
    ['muon', 'split', 3 * 4 * 64 * 20],
    ['shampoo', 'split', 3 * 4 * 64 * 20],
  ] as const)('gives replicas of %s the bits of createOptimizer, its arenas %s', async (name, _, maxBytes) => {
    const rules = ofMatrices[name];
    const all = await makeArena({ rules, settings: { skip: { atMost: 9 } }, frozen: ['2.bias'], maxBytes });
    expect(all.space.spans.length > 1).toBe(maxBytes < 2 ** 24);
    for (let step = 1; step <= 4; step++) await all.step(step, step === 3 ? 1 : undefined);
    for (const [replica, own] of rules.entries()) {
      const alone = await makeForeign(own, replica, { skipNonFinite: { atMost: 9 } }, ['2.bias']);
      for (let step = 1; step <= 4; step++) alone.step(step, step === 3 && replica === 1);
      expect(await all.params(replica)).toEqual(await alone.params());
      const state = await alone.optimizer.state();
      expect(await readState(all.updater, replica)).toEqual(state);
    }
  });

  it('says what each step did', async () => {
    const rules = [decayed(0.1)];
    const one = await makeArena({ rules, settings: { micro: 2, skip: { atMost: 2 } } });
    const fates: [number, number, number][] = [];
    for (const bad of [false, false, false, true, true, true, false, false]) {
      await one.step(fates.length + 1, bad ? 0 : undefined);
      const [{ fate, count, fault }] = (await one.clocks()) as [Awaited<ReturnType<typeof one.clocks>>[0]];
      fates.push([fate, count, fault]);
    }
    expect(fates).toEqual([
      [2, 0, 0],
      [0, 1, 0],
      [2, 1, 0],
      [1, 1, 0],
      [2, 1, 0],
      [1, 1, 2],
      [2, 1, 2],
      [1, 1, 2],
    ]);
  });

  it.each([
    ['adagrad', adagrad({ initialAccumulatorValue: 0.25 })],
    ['ftrl', ftrl()],
  ])('starts the state of %s as its rule says, padding and all, per replica and group', async (_, rule) => {
    const own = { weight: rule as unknown as Rule, bias: rule as unknown as Rule };
    const one = await makeArena({ rules: [own, own] });
    const slot = one.updater.slots.find(({ name }) => rule.row.initial?.(name, rule.hyper as never))!;
    const value = rule.row.initial!(slot.name, rule.hyper as never);
    const all = await readFloats(one.device, slot.ranges[0]!);
    expect(new Set(all)).toEqual(new Set([Math.fround(value)]));
  });

  it('goes on from a state, of one replica or of all, bit for bit', async () => {
    const rules = [1, 2].map((k) => ({
      weight: nadam({ lr: 0.01 * k }) as unknown as Rule,
      bias: nadam() as unknown as Rule,
    }));
    const whole = await makeArena({ rules });
    for (let step = 1; step <= 3; step++) await whole.step(step);
    const states = await Promise.all([0, 1].map((replica) => readState(whole.updater, replica)));
    expect(states[0]!.carries.map(({ tensors }) => tensors)).toEqual([
      ['0.weight', '2.weight'],
      ['0.bias', '2.bias'],
    ]);
    const next = await makeArena({ rules });
    for (const replica of [0, 1]) {
      for (const [i, values] of (await whole.params(replica)).entries())
        writeTensor(next.device, next.space, next.updater.options.param, TENSORS[i]!.name, values, replica);
    }
    loadStates(next.updater, structuredClone(states));
    for (let step = 4; step <= 6; step++) for (const each of [whole, next]) await each.step(step);
    for (const replica of [0, 1]) expect(await next.params(replica)).toEqual(await whole.params(replica));
    expect(await next.clocks()).toEqual(await whole.clocks());
  });

  it('is a Stateful: its vectors, ranges and host values go on bit for bit', async () => {
    const rules = [1, 2].map((k) => ({
      weight: nadam({ lr: 0.01 * k }) as unknown as Rule,
      bias: nadam() as unknown as Rule,
    }));
    const settings = { micro: 2 };
    const whole = await makeArena({ rules, settings });
    for (let step = 1; step <= 3; step++) await whole.step(step);
    const everything = ({ updater }: typeof whole) => [
      ...updater.ranges(),
      ...updater.vectors().map(
        ({
          vector: {
            name,
            ranges: [only],
          },
        }) => ({ name, ...only! }),
      ),
    ];
    const ranges = everything(whole);
    expect(ranges.map(({ name }) => name)).toEqual(['clock', 'exp_avg', 'exp_avg_sq', 'accumulated']);
    const bytes = await readRanges(whole.device, 'test', [...ranges, whole.updater.options.param.ranges[0]!]);
    const copies: Copies = new Map(ranges.map(({ name }, i) => [name, bytes[i]!]));
    const host = JSON.parse(JSON.stringify(whole.updater.host(copies)));
    const next = await makeArena({ rules, settings });
    for (const { name, buffer, offset } of everything(next))
      next.device.queue.writeBuffer(buffer, offset, copies.get(name)!);
    next.device.queue.writeBuffer(next.updater.options.param.ranges[0]!.buffer, 0, bytes.at(-1)!);
    next.updater.load(host, copies);
    for (let step = 4; step <= 8; step++) for (const each of [whole, next]) await each.step(step);
    for (const replica of [0, 1]) expect(await next.params(replica)).toEqual(await whole.params(replica));
    expect(await next.clocks()).toEqual(await whole.clocks());
  });

  it('gives 1,024 records, of groups and replicas, the bits of single runs', async () => {
    const rules = Array.from({ length: 512 }, (_, i) => ({
      weight: sgd({ lr: 0.001 * (i + 1) }) as unknown as Rule,
      bias: sgd({ lr: 0.5 }) as unknown as Rule,
    }));
    const all = await makeArena({ rules });
    expect(all.updater.scalars.rules).toHaveLength(1024);
    for (let step = 1; step <= 2; step++) await all.step(step);
    for (const replica of [0, 63, 511]) {
      const alone = await makeArena({ rules: [rules[replica]!], ids: [replica] });
      for (let step = 1; step <= 2; step++) await alone.step(step);
      expect(await all.params(replica)).toEqual(await alone.params());
    }
  });
});

describe.each(passNames)('the passes of %s on arenas', (name) => {
  const own = [1, 2].map((k) => ({ '': resolveRule(ruleTable, name, { lr: 0.01 * k }) }));

  it('give replicas the bits of createOptimizer, each alone', async () => {
    const frozen = ['2.bias'];
    const settings = { skip: { atMost: 9 } };
    const all = await makeArena({ rules: own, settings, frozen });
    for (let step = 1; step <= 4; step++) await all.step(step, step === 3 ? 1 : undefined);
    for (const [replica, rule] of own.entries()) {
      const alone = await makeForeign(rule, replica, { skipNonFinite: { atMost: 9 } }, frozen);
      for (let step = 1; step <= 4; step++) alone.step(step, step === 3 && replica === 1);
      expect(await all.params(replica)).toEqual(await alone.params());
      expect(await readState(all.updater, replica)).toEqual(await alone.optimizer.state());
    }
  });

  it('give the same where the arenas are split, but for the order of sums', async () => {
    const whole = await makeArena({ rules: own });
    const split = await makeArena({ rules: own, maxBytes: 2 * 4 * 64 * 20 });
    expect(split.space.spans.length).toBeGreaterThan(2);
    for (let step = 1; step <= 4; step++) for (const each of [whole, split]) await each.step(step);
    for (const replica of [0, 1]) {
      const expected = await whole.params(replica);
      for (const [i, values] of (await split.params(replica)).entries()) {
        const difference = values.map((value, k) => Math.abs(value - expected[i]![k]!));
        expect(Math.max(...difference)).toBeLessThanOrEqual(2 ** -20);
      }
    }
  });
});
