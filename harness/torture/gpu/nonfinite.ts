/* Gradients that are no numbers, once, k times or for ever: what is left out leaves every bit as it was. */
import {
  adam,
  arrays,
  createOptimizer,
  createPopulation,
  createTrainer,
  mlp,
  type OptimizerState,
  type Rule,
  rules,
  type StateEncoding,
  sgd,
} from '../../../src/index.js';
import { type DeviceCampaign, errorOf, pick, untyped } from './place.js';
import { data, drawn, floats, readFloats, same } from './subjects.js';

/** As bits: quiet and signalling NaN of both signs, infinities, and magnitudes whose squares are beyond f32. */
const POISON = [0x7fc00000, 0xffc00000, 0x7f800001, 0xff800123, 0x7f800000, 0xff800000, 0x7f7fffff, 0xe0ad78ec];
const WEIGHTS = 70;
/** Unusable gradients in a row after which nothing is applied. */
const AT_MOST = 4;
const ENCODINGS: readonly StateEncoding[] = ['f32', 'bf16', 'f16', '8bit'];

type Names = keyof typeof rules;
const ruleNames = Object.keys(rules) as Names[];

/** What unusable gradients must not change: all but what counts them. */
const kept = ({ step: _, skipped: __, streak: ___, ...state }: OptimizerState) => state;

async function optimizerCase(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const name = pick(ruleNames, random);
  const state = pick(ENCODINGS, random);
  const clip = pick([undefined, { globalNorm: 1 }, { tensorNorm: 1 }, { value: 0.5 }], random);
  const make = async () => {
    const [param, grad] = [floats(device, drawn(WEIGHTS, 3)), floats(device, new Float32Array(WEIGHTS))];
    const tensors = [
      { name: 'w', shape: [8, 8], param: { buffer: param, offset: 0 }, grad: { buffer: grad, offset: 0 } },
      { name: 'b', shape: [6, 1], param: { buffer: param, offset: 256 }, grad: { buffer: grad, offset: 256 } },
    ];
    const rule = (rules[name] as unknown as () => Rule)();
    const options = { ...(clip && { clip }), skipNonFinite: { atMost: AT_MOST } };
    // Not every rule keeps its state in other ways.
    const made = await createOptimizer(device, rule, tensors, { ...options, state }).catch(() =>
      createOptimizer(device, rule, tensors, options),
    );
    const step = (gradient: Float32Array<ArrayBuffer>) => {
      device.queue.writeBuffer(grad, 0, gradient);
      const encoder = device.createCommandEncoder();
      if (made.describe().passes.length > 0) made.step(encoder);
      device.queue.submit([encoder.finish()]);
    };
    const all = async () => ({ state: kept(await made.state()), params: await readFloats(device, param, 4 * WEIGHTS) });
    const destroy = () => {
      made.destroy();
      param.destroy();
      grad.destroy();
    };
    return { made, step, all, destroy };
  };
  const [one, twin] = [await make(), await make()];
  const where = `${name}, ${state}, clip ${JSON.stringify(clip)}: `;
  try {
    let [seed, attempts, skipped] = [50, 0, 0];
    for (let round = 0; round < 4; round++) {
      for (let good = Math.floor(3 * random()); good >= 0; good--) {
        const gradient = drawn(WEIGHTS, seed++);
        one.step(gradient);
        twin.step(gradient);
        attempts++;
      }
      const before = await one.all();
      if (!same(before, await twin.all())) return fail(`${where}it differs from one that never saw them`);
      const forEver = round === 3;
      const times = forEver ? AT_MOST + 2 : 1 + Math.floor((AT_MOST - 1) * random());
      for (let i = 0; i < times; i++) {
        const gradient = drawn(WEIGHTS, seed + 1000);
        new Uint32Array(gradient.buffer)[Math.floor(WEIGHTS * random())] = pick(POISON, random);
        one.step(gradient);
        attempts++;
        skipped++;
        if (!same(before, await one.all())) return fail(`${where}an unusable gradient changed parameters or state`);
      }
      const report = await one.made.read();
      if (report.step !== attempts && !forEver) fail(`${where}step ${report.step} after ${attempts}`);
      if (report.skipped < skipped - (forEver ? 2 : 0)) fail(`${where}${report.skipped} of ${skipped} were left out`);
      if (report.stopped !== forEver) fail(`${where}stopped is ${report.stopped} after ${times} in a row`);
      if (!forEver) continue;
      one.step(drawn(WEIGHTS, seed));
      if (!same(before, await one.all())) fail(`${where}it was stopped, and applied a good gradient`);
    }
  } finally {
    one.destroy();
    twin.destroy();
  }
}

const [FEATURES, CLASSES, BATCH, BATCHES] = [6, 3, 4, 8];

/** Batches in order. In the bad ones all samples are alike and very large: of some the class is wrong, whatever is said. */
function spoiled(bad: ReadonlySet<number>) {
  const samples = BATCH * BATCHES;
  const x = drawn(samples * FEATURES, 9);
  for (const batch of bad) x.fill(3e38, batch * BATCH * FEATURES, (batch + 1) * BATCH * FEATURES);
  return arrays({
    x,
    y: Uint8Array.from({ length: samples }, (_, i) => i % CLASSES),
    classes: CLASSES,
    features: FEATURES,
  });
}

/** Of a network: bad batches are left out; the clock goes on, and nothing else does. */
async function trainerCase(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const bad = new Set(Array.from({ length: 1 + Math.floor(2 * random()) }, () => Math.floor(BATCHES * random())));
  const name = pick(ruleNames, random);
  const rule = (rules[name] as unknown as () => Rule)();
  const trainer = await createTrainer(device, {
    ...{
      model: mlp({ sizes: [FEATURES, CLASSES] }),
      rule,
      data: spoiled(bad),
      batchSize: BATCH,
    },
    ...{ sampling: 'sequential', skipNonFinite: { atMost: AT_MOST }, submitMs: 1e-3 },
  });
  const all = async () => ({ state: kept(await trainer.state()), params: await trainer.readParameters() });
  try {
    for (let step = 0; step < 2 * BATCHES; step++) {
      const before = await all();
      for await (const { skipped = false } of trainer.run({ steps: 1 })) {
        const must = bad.has(step % BATCHES);
        if (skipped !== must) return fail(`trainer, ${name}: step ${step} was ${skipped ? '' : 'not '}left out`);
        const changed = !same(before, await all());
        if (must === changed)
          return fail(`trainer, ${name}: step ${step} changed ${changed ? 'something' : 'nothing'}`);
      }
    }
    // For ever: a weight that is no number makes every gradient one that is none.
    const weight = trainer.parameters()['0.weight']!;
    device.queue.writeBuffer(weight.buffer, weight.offset, Uint32Array.of(pick(POISON.slice(0, 4), random)));
    const before = await all();
    const told: number[] = [];
    const run = async () => {
      for await (const { step } of trainer.run({ steps: 40 })) told.push(step);
    };
    const wrong = untyped(await errorOf(run()), ['GRADIENT-NONFINITE']);
    if (wrong) fail(`trainer, ${name}: ${wrong}`);
    // Those left out at the end of the pass count among them.
    let left = AT_MOST;
    while (bad.has(BATCHES - 1 - (AT_MOST - left))) left--;
    if (told.length < left) fail(`trainer, ${name}: ${told.length} steps were told before it stopped`);
    if (!same(before, await all())) fail(`trainer, ${name}: unusable gradients changed parameters or state`);
    const again = untyped(await errorOf(run()), ['GRADIENT-NONFINITE']);
    if (again) fail(`trainer, ${name}, a second run: ${again}`);
  } finally {
    trainer.destroy();
  }
}

/** A member that runs away disturbs nobody. */
async function populationCase(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const size = 3;
  const mad = Math.floor(size * random());
  const lr = pick([1e30, 1e20, 3e38], random);
  const make = (one: number | undefined) =>
    createPopulation(device, {
      ...{ model: mlp({ sizes: [FEATURES, 4, CLASSES], activation: 'relu' }), data, batchSize: 8, submitMs: 1e-3 },
      skipNonFinite: { atMost: AT_MOST },
      members: Array.from({ length: size }, (_, i) => ({
        rule: (i % 2 === 0
          ? sgd({ lr: i === one ? lr : 0.1 })
          : adam({ lr: i === one ? lr : 0.01 })) as unknown as Rule,
        seed: i,
      })),
    });
  const [population, calm] = [await make(mad), await make(undefined)];
  try {
    const steps = 12 + Math.floor(10 * random());
    for (const each of [population, calm]) for await (const _ of each.run({ steps }));
    const reason = population.members[mad]!.stopped?.reason;
    if (reason !== 'nonfinite') fail(`population: member ${mad} with lr ${lr} was ${reason ?? 'not stopped'}`);
    for (let i = 0; i < size; i++) {
      if (i === mad) continue;
      if (!same(await population.readParameters(i), await calm.readParameters(i)))
        fail(`population: member ${mad} with lr ${lr} changed member ${i}`);
    }
  } finally {
    population.destroy();
    calm.destroy();
  }
}

const KINDS = [optimizerCase, optimizerCase, trainerCase, populationCase];

export const nonfinite: DeviceCampaign = {
  name: 'nonfinite',
  attacks: 'gradients that are no numbers, once, k times, for ever; skipped steps keep every bit',
  unit: 'trainings',
  sizes: { short: 16, full: 200 },
  async run(context, place) {
    const device = await place.requestDevice();
    try {
      for await (const { index, random } of context.cases()) {
        await KINDS[index % KINDS.length]!(device, random, (what) => context.fail(what));
      }
    } finally {
      device.destroy();
    }
  },
};
