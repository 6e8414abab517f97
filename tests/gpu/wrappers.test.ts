import { afterEach, describe, expect, it } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, adamw, lamb, sgd } from '../../src/optim/rules.gen.js';
import { cautious, centralize, gradientNoise, lookahead, type Wrapper, wrappers } from '../../src/optim/wrappers.js';
import {
  Path,
  type ReferenceRule,
  ROUNDING,
  referenceCautious,
  referenceCentralize,
  referenceLookahead,
  referenceNoise,
  referenceRules,
  referenceState,
  worst,
} from '../../src/reference/index.js';
import { readTensors } from '../../src/space/vectors.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { collect, noise, replicasOf } from '../support/train.js';

/*
 * What goes round a rule, on a caller's memory against float64 at 1, 2, 3, 10 and 25 steps, and in trainers: checkpoints,
 * replicas, what is refused.
 */

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });
const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

const STEPS = [1, 2, 3, 10, 25];
/** The second has its own rate, the third is frozen, the last has segments, and outputs for more than a workgroup. */
const SHAPES = [[7], [30, 10], [5], [3, 4, 2], [700, 37]];
const LEAD = 3;
const elements = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

interface Setting {
  readonly rule: Rule;
  readonly wrappers: readonly Wrapper[];
  readonly options?: OptimizerOptions;
  /** Gradients right behind the parameters: bindings that overlap must not be. */
  readonly oneBuffer?: boolean;
}

/** An optimizer on the caller's buffers, its tensors one behind the other. */
async function foreign({ rule, wrappers: around, options, oneBuffer = false }: Setting) {
  const gpu = await testDevice();
  const total = SHAPES.reduce((sum, shape) => sum + elements(shape), 0);
  const buffer = () => {
    const made = gpu.createBuffer({ size: 4 * (2 * total + 2 * LEAD), usage: 0x80 | 0x04 | 0x08 });
    close.push(made);
    return made;
  };
  const param = buffer();
  const [grad, shift] = oneBuffer ? [param, total] : [buffer(), 0];
  let from = 0;
  const tensors = SHAPES.map((shape, i) => {
    const own = { name: `t${i}`, shape, param: { buffer: param, offset: 4 * (LEAD + from) }, from };
    from += elements(shape);
    const place = { buffer: grad, offset: own.param.offset + 4 * shift };
    return { ...own, grad: place, frozen: i === 2, group: i === 1 ? { lr: 0.03 } : {} };
  });
  const start = randomFloats(total, 5);
  gpu.queue.writeBuffer(param, 4 * LEAD, start);
  const list = tensors.map(({ from: _, ...tensor }) => tensor as never);
  const optimizer = await createOptimizer(gpu, rule, list, { ...options, wrappers: around });
  close.push(optimizer);
  const gradient = (step: number) => randomFloats(total, 100 + step).map((g, i) => (i % 11 === 3 ? 0 : g));
  const read = (of: GPUBuffer, begin: number) =>
    readFloats(gpu, { buffer: of, offset: 4 * (LEAD + begin), size: 4 * total });
  return {
    ...{ gpu, optimizer, tensors, start, gradient },
    step(step: number) {
      gpu.queue.writeBuffer(grad, 4 * (LEAD + shift), gradient(step));
      const encoder = gpu.createCommandEncoder();
      optimizer.step(encoder);
      gpu.queue.submit([encoder.finish()]);
    },
    params: () => read(param, 0),
    grads: () => read(grad, shift),
  };
}

/** What a wrapper does to a tensor in float64. */
interface Oracle {
  before?(gradient: Float64Array, shape: readonly number[], first: number, count: number): Float64Array;
  after?(own: {
    param: Float64Array;
    old: Float64Array;
    gradient: Float64Array;
    count: number;
    slow: Float64Array;
  }): void;
}

/**
 * Compares with the reference of the rule and the wrapper.
 *
 * @param r roundings of a parameter per step, beside the rule's one
 * @param edge how much of its travel an element may be off where one element more or less counts
 */
async function compare(setting: Setting, oracle: Oracle, r = 0, edge = 0) {
  const { optimizer, tensors, start, gradient, step, params } = await foreign(setting);
  const { row, hyper: settings } = setting.rule;
  const reference = (referenceRules as unknown as Record<string, ReferenceRule>)[row.name]!;
  let number = 0;
  const parts = tensors.map(({ from, shape, group, frozen }) => {
    const length = elements(shape);
    const param = Float64Array.from(start.subarray(from, from + length));
    const hyper = { ...settings, ...group } as never;
    const first = number;
    if (!frozen) number += length;
    const state = referenceState(reference, length, hyper);
    return {
      ...{ from, shape, frozen, length, param, hyper, first, state },
      slow: param.slice(),
      path: new Path(param),
    };
  });
  for (let count = 1; count <= Math.max(...STEPS); count++) {
    step(count);
    for (const { from, shape, frozen, length, param, hyper, first, state, slow, path } of parts) {
      if (frozen) continue;
      const own = Float64Array.from(gradient(count).subarray(from, from + length));
      const changed = oracle.before?.(own, shape, first, count - 1) ?? own;
      const old = param.slice();
      reference.update(param, changed, state, count, hyper);
      oracle.after?.({ param, old, gradient: changed, count, slow });
      path.advance(param);
    }
    if (!STEPS.includes(count)) continue;
    const seen = await params();
    for (const [i, { from, frozen, length, param, path }] of parts.entries()) {
      const actual = seen.subarray(from, from + length);
      if (frozen) expect(actual).toEqual(start.subarray(from, from + length));
      else {
        const found = worst(actual, param, (k) => path.limit(k, count, 1 + r) + (edge / length) * path.travel[k]!);
        expect(found.ratio, JSON.stringify({ count, i, ...found })).toBeLessThanOrEqual(1);
      }
    }
  }
  return optimizer;
}

const rate = sgd({ lr: 0.01, momentum: 0.9 }) as unknown as Rule;

describe('lookahead on the caller’s buffers', () => {
  it.each([
    ['with its defaults', rate, { k: 5, alpha: 0.5 }],
    ['every update', adam({ lr: 0.01 }) as unknown as Rule, { k: 1, alpha: 0.8 }],
    ['that never steps back', rate, { k: 2, alpha: 1 }],
    ['round a rule of several passes', lamb({ lr: 0.01 }) as unknown as Rule, { k: 2, alpha: 0.5 }],
  ])('agrees with float64: %s', async (_, rule, settings) => {
    await compare(
      { rule, wrappers: [lookahead(settings)] },
      {
        after: ({ param, count, slow }) => referenceLookahead(param, slow, count, settings),
      },
      3,
    );
  });

  it('starts at what the parameters are at the first step, and its state goes on bit for bit', async () => {
    const setting = { rule: rate, wrappers: [lookahead({ k: 3 })] };
    const [one, other] = [await foreign(setting), await foreign(setting)];
    for (const step of [1, 2, 3, 4]) one.step(step);
    const state = await one.optimizer.state();
    expect(Object.keys(state.tensors.t0!)).toEqual(['momentum_buffer', 'slow']);
    const { buffer } = other.tensors[0]!.param;
    other.gpu.queue.writeBuffer(buffer, 4 * LEAD, (await one.params()) as Float32Array<ArrayBuffer>);
    other.optimizer.load(state);
    for (const each of [one, other]) for (const step of [5, 6, 7]) each.step(step);
    expect(bits(await other.params())).toEqual(bits(await one.params()));
    // Steps that are left out are none of the k, and before the first there is nothing to look back to.
    const plain = await foreign({
      rule: rate,
      wrappers: [lookahead({ k: 2, alpha: 0 })],
      options: { skipNonFinite: true },
    });
    const bad = plain.tensors[0]!.grad;
    plain.gpu.queue.writeBuffer(bad.buffer, bad.offset, Float32Array.of(Number.NaN));
    const encoder = plain.gpu.createCommandEncoder();
    plain.optimizer.step(encoder);
    plain.gpu.queue.submit([encoder.finish()]);
    const moved = plain.start.map((value) => value + 1);
    plain.gpu.queue.writeBuffer(buffer === bad.buffer ? buffer : plain.tensors[0]!.param.buffer, 4 * LEAD, moved);
    plain.step(1);
    expect(bits(await plain.params())).not.toEqual(bits(moved));
    plain.step(2);
    expect(bits(await plain.params())).toEqual(bits(moved));
  });
});

describe('gradient centralisation on the caller’s buffers', () => {
  it.each(['last', 'first'] as const)('agrees with float64, outputs %s', async (outputs) => {
    const before = (gradient: Float64Array, shape: readonly number[]) => referenceCentralize(gradient, shape, outputs);
    await compare({ rule: rate, wrappers: [centralize({ outputs })] }, { before });
  });

  it('changes gradients of two axes and more, and no others; their norm is that of what is left', async () => {
    const { optimizer, tensors, gradient, step, grads } = await foreign({
      rule: rate,
      wrappers: [centralize()],
      options: { clip: { globalNorm: 1 } },
    });
    expect(
      optimizer
        .describe()
        .passes.map(({ label }) => label.split('/')[1])
        .slice(0, 3),
    ).toEqual(['centralize-t1', 'centralize-t3', 'centralize-t4']);
    step(1);
    const [seen, given] = [await grads(), gradient(1)];
    let squares = 0;
    for (const { from, shape, frozen } of tensors) {
      const [own, was] = [seen, given].map((each) => each.subarray(from, from + elements(shape))) as [
        Float32Array,
        Float32Array,
      ];
      if (frozen || shape.length === 1) expect(own).toEqual(was);
      else {
        const expected = referenceCentralize(Float64Array.from(was), shape, 'last');
        // A sum of numbers below 1 in two levels, one rounding of the mean, one of the difference.
        const inputs = own.length / shape.at(-1)!;
        expect(worst(own, expected, () => ROUNDING * (inputs / 4 + 4)).ratio).toBeLessThanOrEqual(1);
      }
      if (!frozen) for (const value of own) squares += value * value;
    }
    expect((await optimizer.read()).gradNorm! / Math.sqrt(squares)).toBeCloseTo(1, 5);
  });
});

describe('gradient noise on the caller’s buffers', () => {
  const settings = { eta: 0.3, gamma: 0.55 };
  it('is that of the reference, element by element, in any layout', async () => {
    for (const oneBuffer of [false, true]) {
      const setting = { rule: rate, wrappers: [gradientNoise({ ...settings, seed: 7 })], oneBuffer };
      const { tensors, gradient, step, grads } = await foreign(setting);
      for (let count = 0; count < 3; count++) {
        step(count);
        const [seen, given] = [await grads(), gradient(count)];
        let number = 0;
        for (const { from, shape, frozen } of tensors) {
          if (frozen) continue;
          // Not all of the many.
          for (let k = 0; k < elements(shape); k += elements(shape) > 1000 ? 97 : 1) {
            const [n, g] = [referenceNoise(number + k, count, settings, [0, 7]), given[from + k]!];
            // σ is a product of three with ten roundings or so.
            const limit = ROUNDING * (Math.abs(g + n) + 12 * Math.abs(n));
            expect(Math.abs(seen[from + k]! - (g + n)), `${count}, ${number + k}`).toBeLessThanOrEqual(limit);
          }
          number += elements(shape);
        }
      }
    }
  });

  it('agrees with float64', async () => {
    const small = { eta: 1e-3, gamma: 1 };
    const before = (gradient: Float64Array, _: readonly number[], first: number, count: number) =>
      gradient.map((g, i) => g + referenceNoise(first + i, count, small, [0, 0]));
    await compare({ rule: rate, wrappers: [gradientNoise(small)] }, { before });
  }, 120_000);

  it('has mean 0, variance σ² and hardly a correlation', async () => {
    const { step, grads, gradient, tensors } = await foreign({ rule: rate, wrappers: [gradientNoise(settings)] });
    const { from, shape } = tensors[4]!;
    const drawn: number[][] = [];
    for (const count of [0, 1]) {
      step(count);
      const [seen, given] = [await grads(), gradient(count)];
      drawn.push(Array.from({ length: elements(shape) }, (_, k) => seen[from + k]! - given[from + k]!));
    }
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = 4 / Math.sqrt(elements(shape)); // four of them
    for (const [count, values] of drawn.entries()) {
      const variance = settings.eta / (1 + count) ** settings.gamma;
      expect(Math.abs(mean(values)) / Math.sqrt(variance)).toBeLessThan(deviation);
      expect(Math.abs(mean(values.map((n) => n * n)) / variance - 1)).toBeLessThan(deviation * Math.SQRT2);
      const next = values.slice(1);
      expect(Math.abs(mean(next.map((n, i) => n * values[i]!))) / variance).toBeLessThan(deviation);
    }
    expect(Math.abs(mean(drawn[0]!.map((n, i) => n * drawn[1]![i]!))) / settings.eta).toBeLessThan(deviation);
  });
});

describe('cautious updates on the caller’s buffers', () => {
  const decayOf = ({ hyper }: Rule) => {
    const { lr, weightDecay, decoupledWeightDecay } = hyper as unknown as Record<string, number>;
    return { l2: decoupledWeightDecay ? 0 : weightDecay!, decoupled: decoupledWeightDecay ? lr! * weightDecay! : 0 };
  };
  it.each<[string, Rule]>([
    ['momentum', rate],
    ['Adam with an L2 penalty', adam({ lr: 0.01, weightDecay: 0.05 }) as unknown as Rule],
    ['AdamW', adamw({ lr: 0.03, weightDecay: 0.1 }) as unknown as Rule],
    ['climbing', sgd({ lr: 0.01, momentum: 0.9, maximize: true }) as unknown as Rule],
  ])('agree with float64: %s', async (_, rule) => {
    const { l2, decoupled } = decayOf(rule);
    const { maximize } = rule.hyper as unknown as { maximize: boolean };
    // u is the difference of two roundings of the parameter, times the scale, 3 or so here. An update within a rounding of 0
    // may count or not: of a tensor whose mean(mask) is 1/2, that changes the scale by 2/elements.
    await compare(
      { rule, wrappers: [cautious()] },
      {
        after: ({ param, old, gradient }) =>
          referenceCautious(
            param,
            old.map(
              (p) =>
                p - (param.length === 300 ? (decoupled * 0.03) / (rule.hyper as { lr: number }).lr : decoupled) * p,
            ),
            gradient.map((g, i) => (maximize ? -g : g) + l2 * old[i]!),
          ),
      },
      6,
      2,
    );
  });

  it('gives the same bits in one buffer, where the update clears the gradient, and where it is fixed-point', async () => {
    const wrapped = { rule: adamw() as unknown as Rule, wrappers: [cautious()] };
    const run = async (setting: Setting) => {
      const made = await foreign(setting);
      for (const step of [1, 2, 3, 4]) made.step(step);
      return bits(await made.params());
    };
    const plain = await run(wrapped);
    expect(await run({ ...wrapped, oneBuffer: true })).toEqual(plain);
    expect(await run({ ...wrapped, options: { zeroGrad: true } })).toEqual(plain);
    expect(await run({ ...wrapped, wrappers: [] })).not.toEqual(plain);
    // Read as integers those gradients are other numbers, but of the same signs.
    await run({ ...wrapped, options: { gradients: { fixed: 2 ** -30 } } });
  });

  it('leaves out what is skipped', async () => {
    const made = await foreign({ rule: rate, wrappers: [cautious()], options: { skipNonFinite: true } });
    made.step(1);
    const before = await made.params();
    const { buffer, offset } = made.tensors[4]!.grad;
    made.gpu.queue.writeBuffer(buffer, offset, Float32Array.of(Number.NaN));
    const encoder = made.gpu.createCommandEncoder();
    made.optimizer.step(encoder);
    made.gpu.queue.submit([encoder.finish()]);
    expect(bits(await made.params())).toEqual(bits(before));
  });
});

describe('wrappers', () => {
  it('refuse what they cannot do', async () => {
    expect(() => lookahead({ k: 0 })).toThrow(at('OPTION-RANGE', 'lookahead: k'));
    expect(() => lookahead({ alpha: 1.5 })).toThrow(at('OPTION-RANGE', 'alpha'));
    expect(() => lookahead({ alpha: (() => 1) as never })).toThrow(at('OPTION-TYPE', 'alpha'));
    expect(() => lookahead({ period: 5 } as never)).toThrow(at('OPTION-UNKNOWN', 'period'));
    expect(() => gradientNoise({ eta: -1 })).toThrow(at('OPTION-RANGE', 'eta'));
    expect(() => gradientNoise({ seed: 0.5 })).toThrow(at('OPTION-RANGE', 'seed'));
    expect(() => centralize({ outputs: 'middle' as never })).toThrow(at('OPTION-RANGE', 'outputs'));
    expect(() => cautious({ mask: 1 } as never)).toThrow(at('OPTION-UNKNOWN', 'mask'));
    const made = (around: unknown, options?: OptimizerOptions) =>
      foreign({ rule: rate, wrappers: around as Wrapper[], ...(options && { options }) });
    await expect(made(lookahead())).rejects.toThrow(at('OPTION-TYPE', 'wrappers'));
    await expect(made([lookahead])).rejects.toThrow(at('OPTION-TYPE', 'wrappers'));
    await expect(made([null])).rejects.toThrow(at('OPTION-TYPE', 'wrappers'));
    await expect(made([cautious(), lookahead(), cautious()])).rejects.toThrow(at('OPTION-RANGE', 'twice'));
    for (const each of [centralize(), gradientNoise()])
      await expect(made([each], { gradients: { fixed: 1 } })).rejects.toThrow(at('OPTION-RANGE', 'fixed-point'));
    // Their sum is f32.
    await made([centralize(), gradientNoise()], { gradients: { fixed: 1 }, accumulate: { steps: 2 } });
  });

  it('give the same bits for gradients that step is given, wherever they lie', async () => {
    const around = [centralize(), gradientNoise({ eta: 0.1 }), cautious(), lookahead({ k: 2 })];
    for (const accumulate of [undefined, { steps: 1 }]) {
      const setting = { rule: rate, wrappers: around, options: { ...(accumulate && { accumulate }) } };
      const [whole, other] = [await foreign(setting), await foreign(setting)];
      for (const step of [1, 2, 3, 4]) {
        whole.step(step);
        const values = whole.gradient(step);
        // The second and the last somewhere else, by themselves; the others where they were.
        const grads = Object.fromEntries(
          [1, 4].map((i) => {
            const { from, shape, name } = other.tensors[i]!;
            const buffer = other.gpu.createBuffer({ size: 4 * elements(shape) + 512, usage: 0x80 | 0x08 });
            close.push(buffer);
            const offset = 4 * i + 256 * (step % 2);
            other.gpu.queue.writeBuffer(buffer, offset, values.slice(from, from + elements(shape)));
            return [name, { buffer, offset }];
          }),
        );
        const { buffer } = other.tensors[0]!.grad;
        other.gpu.queue.writeBuffer(buffer, 4 * LEAD, values.slice(0, other.tensors[1]!.from));
        const { from } = other.tensors[2]!;
        other.gpu.queue.writeBuffer(buffer, 4 * (LEAD + from), values.slice(from, other.tensors[4]!.from));
        const encoder = other.gpu.createCommandEncoder();
        other.optimizer.step(encoder, { grads });
        other.gpu.queue.submit([encoder.finish()]);
      }
      expect(bits(await other.params())).toEqual(bits(await whole.params()));
    }
  });

  it('work on the sum of micro-steps, once', async () => {
    const around = [centralize(), gradientNoise({ eta: 0.1 }), cautious(), lookahead({ k: 2 })];
    const [whole, parts] = [
      await foreign({ rule: rate, wrappers: around }),
      await foreign({ rule: rate, wrappers: around, options: { accumulate: { steps: 2 } } }),
    ];
    const zero = new Float32Array(whole.start.length);
    for (const step of [1, 2, 3, 4]) {
      whole.step(step);
      const { buffer } = parts.tensors[0]!.grad;
      for (const values of [zero, whole.gradient(step)]) {
        parts.gpu.queue.writeBuffer(buffer, 4 * LEAD, values as Float32Array<ArrayBuffer>);
        const encoder = parts.gpu.createCommandEncoder();
        parts.optimizer.step(encoder);
        parts.gpu.queue.submit([encoder.finish()]);
      }
    }
    expect(bits(await parts.params())).toEqual(bits(await whole.params()));
  });
});

describe('a trainer with wrappers', () => {
  const model = mlp({ sizes: [5, 7, 3] });
  const data = noise(37, 5, 3);
  const all = [centralize(), gradientNoise({ eta: 0.1 }), cautious(), lookahead({ k: 3 })];
  async function trainer(more: Partial<TrainerOptions> = {}): Promise<Trainer> {
    const options = { model, rule: adamw({ lr: 0.05 }) as unknown as Rule, data, batchSize: 8, seed: 3, wrappers: all };
    const one = await createTrainer(await testDevice(), { ...options, ...more });
    close.push(one);
    return one;
  }

  it.each(Object.entries(wrappers))(
    '%s changes the training, and costs nothing where it is not asked for',
    async (_, make) => {
      const [plain, wrapped] = [await trainer({ wrappers: [] }), await trainer({ wrappers: [make()] })];
      for (const each of [plain, wrapped]) await collect(each, { steps: 6 });
      expect(await wrapped.readParameters()).not.toEqual(await plain.readParameters());
      expect(wrapped.describe().dispatches).toBeGreaterThan(plain.describe().dispatches);
    },
  );

  it('goes on from a checkpoint bit for bit, with the same wrappers only', async () => {
    const [one, other] = [await trainer(), await trainer()];
    await collect(one, { steps: 5 });
    await collect(other, { steps: 2 });
    await other.restore(await one.checkpoint());
    expect(await collect(other, { steps: 5 })).toEqual(await collect(one, { steps: 5 }));
    expect(await other.readParameters()).toEqual(await one.readParameters());
    const bytes = await one.checkpoint();
    for (const around of [[], [...all.slice(0, 3), lookahead({ k: 4 })]])
      await expect((await trainer({ wrappers: around })).restore(bytes)).rejects.toThrow(at('CHECKPOINT-MISMATCH'));
  });

  it('takes slow weights from what is imported', async () => {
    const one = await trainer({ wrappers: [lookahead({ k: 100 })] });
    const given = await trainer({ seed: 8 });
    await collect(one, { steps: 2 });
    await one.importWeights(await given.checkpoint({ state: false }));
    const { tensors } = await one.state();
    for (const [name, values] of Object.entries(await given.readParameters()))
      expect(tensors[name]!.slow).toEqual(values);
  });

  it('gives replicas the bits of single networks, and one that is split over arenas', async () => {
    const gpu = await testDevice();
    const members = [3, 4].map((seed) => ({ seed, rule: adamw({ lr: 0.05 }) as unknown as Rule }));
    const run = async (replicas: typeof members, more: object = {}) => {
      const options = { model, data, rows: 8, replicas, optimizer: { wrappers: all }, ...more };
      const { program, run: go, ...made } = await replicasOf(gpu, options);
      close.push(made);
      await go(7);
      const { space, params, device, updater } = program;
      const vectors = [params, ...updater.vectors!().map(({ vector }) => vector)];
      return Promise.all(replicas.map((_, i) => readTensors(device, 'test', space, vectors, i)));
    };
    const layers = { choice: { 'forward-0': 'dense+activation/tile' } };
    const together = await run(members, layers);
    for (const [i, member] of members.entries()) expect(together[i]).toEqual((await run([member], layers))[0]);
    const around = { optimizer: { wrappers: all.slice(1) }, ...layers };
    expect(await run(members, { ...around, maxArenaBytes: 1024 })).toEqual(await run(members, around));
  });
});
