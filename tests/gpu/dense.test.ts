import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { activation, KERNEL_ACTIVATIONS, type KernelActivation } from '../../src/kernels/activation.js';
import { dense as denseOp, denseWeightGradient, wholePiece } from '../../src/kernels/dense.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { worst } from '../../src/reference/index.js';
import { activationShader } from '../../src/shaders/nn/activation.gen.js';
import { activationGradientShader } from '../../src/shaders/nn/activation_gradient.gen.js';
import { denseForwardShader } from '../../src/shaders/nn/dense_forward.gen.js';
import { denseInputGradientShader } from '../../src/shaders/nn/dense_input_gradient.gen.js';
import { buffersFor, dense, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';
import {
  type Compared,
  formsOf,
  forward,
  inputGradient,
  productLimit,
  ROUNDING,
  run,
  testsOf,
  weightGradient,
} from '../support/products.js';

/*
 * Every form of every product (tests/support/products.ts) against a float64 one, at sizes on and around the tiles' edges.
 */

const FUSED = 'dense+activation/tile';
const FUSED_GRADIENT = 'dense-input-gradient+activation-gradient/tile';
const FORWARD = [...formsOf('dense+activation'), ...formsOf('dense')];
const INPUT_GRADIENT = [...formsOf('dense-input-gradient+activation-gradient'), ...formsOf('dense-input-gradient')];
const WEIGHT_GRADIENT = formsOf('dense-weight-gradient');

const SIZES: readonly [rows: number, inputs: number, outputs: number][] = [
  [1, 1, 1],
  [1, 3, 10],
  [5, 4, 4],
  [3, 10, 1],
  [64, 784, 100],
  [64, 100, 10],
  [7, 129, 131],
  [65, 33, 257],
  [300, 20, 7],
  [130, 260, 140],
];
/** Where W comes in pieces. */
const PIECES = { rows: 6, inputs: 150, outputs: 12, splits: [64, 128] };

/*
 * What a form shares with others of one generator is tested there: each pipeline of a large tile takes lavapipe 3 to 10 s to
 * compile. All activations run in the form that is used everywhere, in the others one that has a constant and one whose input
 * is saved (their functions are the same, word for word).
 */
const large = (form: string) => /tile-\d+x128/.test(form);
const sizesOf = (form: string) => (large(form) ? [SIZES[2]!, SIZES[6]!, SIZES.at(-1)!] : SIZES);
function activationsOf(form: string): readonly KernelActivation[] {
  if (form === FUSED || form === FUSED_GRADIENT) return KERNEL_ACTIVATIONS;
  return large(form) ? ['leaky-relu'] : ['leaky-relu', 'silu'];
}

const ratio = ({ actual, expected, limit }: Compared) => worst(actual, expected, limit).ratio;
const SEEDS = [20, 40, 60];

describe.each(FORWARD)('%s', (form) => {
  testsOf(form, () => {
    it.each(sizesOf(form))('%i x %i x %i agrees with float64', async (rows, inputs, outputs) => {
      const found = await forward({ form, rows, inputs, outputs });
      expect(ratio(found)).toBeLessThanOrEqual(1);
      expect(found.made > 0).toBe(!form.includes('+'));
    });

    it.each(activationsOf(form))('%s agrees with float64, from tiny to saturated', async (name) => {
      for (const scale of [1e-3, 1, 30, 1000]) {
        const found = await forward({ form, rows: 9, inputs: 13, outputs: 22, activation: name, scale });
        expect(found.actual.every(Number.isFinite)).toBe(true);
        expect(ratio(found), `${name} at scale ${scale}`).toBeLessThanOrEqual(1);
        if (found.saved) expect(ratio(found.saved)).toBeLessThanOrEqual(1);
      }
    });

    if (!large(form))
      it('adds up a weight matrix that comes in pieces', async () => {
        expect(ratio(await forward({ form, ...PIECES, activation: 'leaky-relu' }))).toBeLessThanOrEqual(1);
      });

    it('gives replicas the bits of single runs', async () => {
      const shape = { form, rows: 5, inputs: 140, outputs: 132 };
      const alone = await Promise.all(SEEDS.map((seed) => forward({ ...shape, seeds: [seed] })));
      const { actual } = await forward({ ...shape, seeds: SEEDS });
      expect(actual).toEqual(Float32Array.from(alone.flatMap((each) => [...each.actual])));
    });
  });
});

it('a product folds a grid of more than 65,535 workgroups', async () => {
  // 262,148 rows in tiles of 4 are 65,537 workgroups.
  expect(ratio(await forward({ form: FUSED, rows: 262_148, inputs: 1, outputs: 1 }))).toBeLessThanOrEqual(1);
});

describe.each(INPUT_GRADIENT)('%s', (form) => {
  testsOf(form, () => {
    it.each(sizesOf(form))('%i x %i x %i agrees with float64', async (rows, inputs, outputs) => {
      const found = await inputGradient({ form, rows, inputs, outputs });
      expect(ratio(found)).toBeLessThanOrEqual(1);
      expect(found.made > 0).toBe(!form.includes('+'));
    });

    it.each(activationsOf(form))('through %s agrees with float64', async (name) => {
      for (const scale of [1e-3, 1, 30]) {
        const found = await inputGradient({ form, rows: 9, inputs: 22, outputs: 13, activation: name, scale });
        expect(ratio(found), `${name} ${scale}`).toBeLessThanOrEqual(1);
      }
    });

    if (!large(form))
      it('takes a weight matrix that comes in pieces', async () => {
        expect(ratio(await inputGradient({ form, ...PIECES, activation: 'leaky-relu' }))).toBeLessThanOrEqual(1);
      });

    it('gives replicas the bits of single runs', async () => {
      const shape = { form, rows: 5, inputs: 140, outputs: 132 };
      const alone = await Promise.all(SEEDS.map((seed) => inputGradient({ ...shape, seeds: [seed] })));
      const { actual } = await inputGradient({ ...shape, seeds: SEEDS });
      expect(actual).toEqual(Float32Array.from(alone.flatMap((each) => [...each.actual])));
    });
  });
});

describe.each(WEIGHT_GRADIENT)('%s', (form) => {
  testsOf(form, () => {
    it.each(sizesOf(form))('%i x %i x %i agrees with float64', async (rows, inputs, outputs) => {
      expect(ratio(await weightGradient({ form, rows, inputs, outputs }))).toBeLessThanOrEqual(1);
    });

    if (!large(form))
      it('takes a weight matrix that comes in pieces', async () => {
        expect(ratio(await weightGradient({ form, ...PIECES }))).toBeLessThanOrEqual(1);
      });

    it('gives replicas the bits of single runs, in buffers of their own and in one', async () => {
      const shape = { form, rows: 140, inputs: 9, outputs: 68 };
      const alone = await Promise.all(SEEDS.map((seed) => weightGradient({ ...shape, seeds: [seed] })));
      const expected = Float32Array.from(alone.flatMap((each) => [...each.actual]));
      expect((await weightGradient({ ...shape, seeds: SEEDS })).actual).toEqual(expected);
      expect((await weightGradient({ ...shape, seeds: SEEDS }, true)).actual).toEqual(expected);
    });
  });
});

/** Every form of a forward product and of a weight gradient, each beside the usual one. */
const LAYERS: readonly (readonly [forward: string, gradient: string])[] = [
  ...FORWARD.filter((form) => !large(form)).map((form) => [form, 'dense-weight-gradient/tile'] as const),
  ...WEIGHT_GRADIENT.filter((form) => !large(form)).map((form) => [FUSED, form] as const),
];

describe.each(LAYERS)('a layer that reads the data set: %s, %s', (forwardForm, gradientForm) => {
  testsOf(
    forwardForm,
    () => {
      it.each(['bytes', 'f32'] as const)('decodes %s through the batch', async (encoding) => {
        const gpu = await testDevice();
        const buffers = buffersFor(gpu, 'gather');
        const [samples, rows, inputs, outputs] = [40, 6, 21, 5];
        const [scale, shift] = [0.0125, -0.4];
        const raw = Uint8Array.from(randomFloats(samples * inputs, 12), (v) => Math.floor((v + 1) * 128));
        const stride = rowStride(inputs);
        const padded = new Uint8Array(samples * stride).fill(255);
        for (let s = 0; s < samples; s++) padded.set(raw.subarray(s * inputs, (s + 1) * inputs), s * stride);
        const x = range(buffers.upload('x', encoding === 'bytes' ? padded : Float32Array.from(padded)));
        const picked = [39, 0, 7, 7, 21, 13];
        const batch = { indices: range(buffers.upload('batch', Uint32Array.from(picked))), encoding, scale, shift };
        const w = randomFloats(inputs * outputs, 13);
        const dy = randomFloats(rows * outputs, 14);
        const y = buffers.storage('y', 4 * rows * rowStride(outputs));
        const grads = buffers.storage('grads', w.byteLength);
        const shape = { label: 'test/gather', rows, inputs, outputs, x, batch };
        const piece = (buffer: GPUBuffer) => [wholePiece(range(buffer), w.length)];
        const sum = buffers.later('sum', y.size);
        await run(
          [
            denseOp({ ...shape, weight: piece(buffers.upload('w', w)), y: sum }),
            activation({ label: 'test/act', rows, width: outputs, activation: 'identity', x: sum, y: range(y) }),
          ],
          forwardForm,
        );
        await run(
          [
            denseWeightGradient({
              ...shape,
              dy: range(buffers.upload('dy', strided(dy, outputs, rowStride(outputs), 0))),
              weight: piece(grads),
            }),
          ],
          gradientForm,
        );
        const value = (row: number, k: number) => raw[picked[row]! * inputs + k]! * scale + shift;
        const expectedY = new Float64Array(rows * outputs);
        const expectedW = new Float64Array(inputs * outputs);
        for (let r = 0; r < rows; r++) {
          for (let k = 0; k < inputs; k++) {
            for (let j = 0; j < outputs; j++) {
              expectedY[r * outputs + j]! += value(r, k) * w[k * outputs + j]!;
              expectedW[k * outputs + j]! += value(r, k) * dy[r * outputs + j]!;
            }
          }
        }
        const actualY = dense(
          (await readFloats(gpu, range(y))).subarray(0, rows * rowStride(outputs)),
          outputs,
          rowStride(outputs),
        );
        const actualW = (await readFloats(gpu, range(grads))).subarray(0, inputs * outputs);
        // Values reach 2.8; decoding rounds raw·scale + shift twice more.
        const limit = (form: string, k: number) => () => productLimit(form, k, k * 3) + 4 * ROUNDING * k;
        expect(worst(actualY, expectedY, limit(forwardForm, inputs)).ratio).toBeLessThanOrEqual(1);
        expect(worst(actualW, expectedW, limit(gradientForm, rows)).ratio).toBeLessThanOrEqual(1);
        buffers.destroy();
      });
    },
    gradientForm,
  );
});

describe('an activation alone', () => {
  it.each(KERNEL_ACTIVATIONS)('%s gives the bits it gives beside a product', async (name) => {
    for (const scale of [1e-3, 1, 30, 1000]) {
      const shape = { rows: 9, inputs: 13, outputs: 22, activation: name, scale };
      const fused = await forward({ ...shape, form: FUSED });
      const alone = await forward({ ...shape, form: 'dense/tile' });
      expect(alone.actual).toEqual(fused.actual);
      expect(alone.saved?.actual).toEqual(fused.saved?.actual);
    }
  });
  it.each(KERNEL_ACTIVATIONS)('%s’s gradient gives the bits it gives beside a product', async (name) => {
    for (const scale of [1e-3, 1, 30]) {
      const shape = { rows: 9, inputs: 22, outputs: 13, activation: name, scale };
      const fused = await inputGradient({ ...shape, form: FUSED_GRADIENT });
      expect((await inputGradient({ ...shape, form: 'dense-input-gradient/tile' })).actual).toEqual(fused.actual);
    }
  });

  it('has its functions word for word as in the products', () => {
    const functions = (code: string) => code.match(/^fn (?!apply|finish|load_x|row_start)\w+\(.*?^}/gms)!;
    const both = (product: string, own: string) => functions(product).filter((text) => own.includes(text)).length;
    expect(both(denseForwardShader.code, activationShader.code)).toBe(7); // bytes, logistic, tanh, Φ, log(1 + e), gelu’s, activate
    expect(both(denseInputGradientShader.code, activationGradientShader.code)).toBe(3); // logistic, Φ, slope
  });
});

describe('a product whose tensors are not what it says', () => {
  it.each<[string, number[][], number]>([
    ['too few weights', [[0, 30]], 5],
    ['a piece that begins elsewhere', [[20, 40]], 5],
    ['pieces split at no multiple of 4 inputs', [[0, 10], [10, 30]], 5], // biome-ignore format: one case a line
    ['a bias of another length', [[0, 40]], 4],
  ])('is refused: %s', async (_, parts, bias) => {
    const nothing = range({} as GPUBuffer, 0, 4);
    const weight = parts.map(([start, elements]) => ({ ...wholePiece(nothing, elements!), start: start! }));
    const operands = { label: 'test/wrong', rows: 1, inputs: 8, outputs: 5, x: nothing, y: nothing };
    expect(() => denseOp({ ...operands, weight, bias: wholePiece(nothing, bias) })).toThrow(
      expect.objectContaining({ code: 'SHAPE-INVALID' }),
    );
  });
});
