import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LossFunction } from '../../src/nn/loss.js';
import { binaryCrossEntropy, huber, l1, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { ACTIVATIONS, LOSSES, mlp } from '../../src/nn/mlp.js';
import { type Model, tensorsOf } from '../../src/nn/model.js';
import { erf, erfc, referenceActivations, referenceLosses, referenceNetwork } from '../../src/reference/index.js';

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b);

/** Numbers from -1 to 1, the same every time: a test that fails must fail again. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function problem(model: Model, rows: number, seed = 1) {
  const next = generator(seed);
  const values = (n: number, scale = 1) => Float64Array.from({ length: n }, () => scale * next());
  const width = model.output;
  return {
    parameters: tensorsOf(model).map(({ shape }) => values(size(shape))),
    x: values(rows * model.input),
    targets:
      model.loss.row.targets === 'values'
        ? values(rows * width)
        : Float64Array.from({ length: rows }, () => Math.floor(((next() + 1) / 2) * width)),
  };
}

describe('erf', () => {
  // Abramowitz, Stegun 1964, table 7.1, carried to 20 digits with mpmath; the last columns of each pair are erfc.
  it.each([
    [0, 0, 1],
    [0.1, 0.1124629160182849, 0.887537083981715],
    [0.25, 0.27632639016823696, 0.7236736098317631],
    [0.4999, 0.5204119951613866, 0.4795880048386134],
    [0.5, 0.5204998778130465, 0.4795001221869535],
    [0.75, 0.7111556336535151, 0.28884436634648486],
    [1, 0.8427007929497149, 0.15729920705028513],
    [1.5, 0.9661051464753108, 0.033894853524689274],
    [2, 0.9953222650189527, 0.004677734981047266],
    [3, 0.9999779095030014, 2.209049699858544e-5],
    [4, 0.9999999845827421, 1.541725790028002e-8],
    [5, 0.9999999999984626, 1.537459794428035e-12],
    [6.2, 1.0, 1.816675617238127e-18], // either side of π/h = 6.283, where a term is dropped
    [6.3, 1.0, 5.124221687395715e-19],
    [10, 1, 2.088487583762545e-45],
    [26, 1, 5.663192408856143e-296],
    [40, 1, 0],
  ])('at %f', (x, value, complement) => {
    expect(Math.abs(erf(x) - value)).toBeLessThanOrEqual(1e-15 * value);
    expect(Math.abs(erfc(x) - complement)).toBeLessThanOrEqual(1e-15 * complement);
    expect(erf(-x)).toBe(-erf(x));
    expect(Math.abs(erfc(-x) - (2 - complement))).toBeLessThanOrEqual(1e-15);
  });

  it('agrees with its Maclaurin series of positive terms', () => {
    // erf(x) = 2/√π exp(-x²) Σ 2^n x^(2n+1) / (2n+1)!!, another way to the same number
    for (let x = 0.01; x < 4; x += 0.0173) {
      let sum = 0;
      for (let n = 0, term = x; n < 200; n++, term *= (2 * x * x) / (2 * n + 1)) sum += term;
      expect(Math.abs(erf(x) - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum)).toBeLessThan(4e-15);
    }
  });

  it('at the ends', () => {
    expect([erf(Infinity), erf(-Infinity), erfc(Infinity), erfc(-Infinity)]).toEqual([1, -1, 0, 2]);
    expect(erf(1e-300)).toBeCloseTo(0);
    expect(erf(1e-300) / 1e-300).toBeCloseTo(2 / Math.sqrt(Math.PI), 14);
    expect([erf(NaN), erfc(NaN)]).toEqual([NaN, NaN]);
  });
});

describe('activations', () => {
  it.each([
    // x·Φ(x), Φ(1) = 0.84134474606854294859, Φ(-10) = 7.6198530241605260660e-24
    ['gelu', 1, 0.8413447460685429],
    ['gelu', -1, -0.15865525393145705],
    ['gelu', -10, -7.619853024160526e-23],
    // 1 / (1 + e^-1) = 0.73105857863000487926
    ['silu', 1, 0.7310585786300049],
    ['sigmoid', 1, 0.7310585786300049],
    ['sigmoid', -1, 0.2689414213699951],
    ['tanh', 1, 0.7615941559557649],
    ['relu', 2, 2],
    ['relu', -2, 0],
    ['leaky-relu', -2, -0.02],
    ['identity', -3, -3],
    ['elu', 2, 2],
    // e^-1 - 1
    ['elu', -1, -0.6321205588285577],
    // x (1 + tanh(√(2/π)(x + 0.044715 x³)))/2 = torch.nn.functional.gelu(x, approximate='tanh')
    ['gelu-tanh', 1, 0.8411919906082768],
    ['gelu-tanh', -1, -0.15880800939172324],
    // log 2, log(1 + e^-10)
    ['softplus', 0, Math.LN2],
    ['softplus', -10, 4.539889921686465e-5],
    ['softplus', 21, 21],
  ] as const)('%s(%f) = %f', (name, z, expected) => {
    // z/√2 has a rounding of its own, which the tail of erfc multiplies by z².
    const relative = 2e-15 + (z * z) / 2 ** 53;
    expect(Math.abs(referenceActivations[name].value(z) - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));
  });

  it('slopes at 0 are those of PyTorch', () => {
    expect(referenceActivations.relu.slope(0)).toBe(0);
    expect(referenceActivations['leaky-relu'].slope(0)).toBe(0.01);
    expect(referenceActivations.gelu.slope(0)).toBe(0.5);
    expect(referenceActivations.silu.slope(0)).toBe(0.5);
    expect(referenceActivations.sigmoid.slope(0)).toBe(0.25);
    expect(referenceActivations.tanh.slope(0)).toBe(1);
    expect(referenceActivations.elu.slope(0)).toBe(1);
    expect(referenceActivations['gelu-tanh'].slope(0)).toBe(0.5);
    expect(referenceActivations.softplus.slope(0)).toBe(0.5);
  });

  it.each(Object.keys(referenceActivations) as (keyof typeof referenceActivations)[])(
    '%s: finite at ±1e4, and a NaN stays one',
    (name) => {
      const { value, slope } = referenceActivations[name];
      for (const z of [-1e4, -40, 40, 1e4]) {
        expect(value(z)).toSatisfy(Number.isFinite);
        expect(slope(z)).toSatisfy(Number.isFinite);
      }
      expect(value(NaN)).toBeNaN();
    },
  );
});

describe('referenceNetwork', () => {
  it('a network by hand', () => {
    // x = (1, 2), W0 = [[1, -1], [3, 0]], b0 = (0.5, 0.25): z0 = (7.5, -0.75), relu y0 = (7.5, 0)
    // W1 = [[2], [4]], b1 = (1): y1 = 16, target 10: loss 36, δ1 = 2 · 6 = 12
    // dW1 = (90, 0), db1 = 12; δ0 = (24, 48) ⊙ (1, 0) = (24, 0); dW0 = [[24, 0], [48, 0]], db0 = (24, 0)
    const net = referenceNetwork(mlp({ sizes: [2, 2, 1], loss: 'mse' }));
    const parameters = [[1, -1, 3, 0], [0.5, 0.25], [2, 4], [1]];
    const result = net.lossAndGradients(parameters, [1, 2], [10], 1);
    expect(result.values.map((y) => [...y])).toEqual([[7.5, -0.75], [7.5, 0], [16]]);
    expect([...result.outputs]).toEqual([16]);
    expect(result.loss).toBe(36);
    expect(result.gradients.map((g) => [...g])).toEqual([[24, 0, 48, 0], [24, 0], [90, 0], [12]]);
  });

  it('softmax cross-entropy by hand', () => {
    // No hidden layer; logits ln 1, ln 2, ln 5, so probabilities 1/8, 2/8, 5/8. Label 1: loss ln 4.
    const net = referenceNetwork(mlp({ sizes: [1, 3] }));
    const bias = [Math.log(1), Math.log(2), Math.log(5)];
    const { loss, gradients } = net.lossAndGradients([[0, 0, 0], bias], [2], [1], 1);
    expect(loss).toBeCloseTo(Math.log(4), 14);
    for (const [i, g] of [0.125, -0.75, 0.625].entries()) {
      expect(gradients[1]![i]).toBeCloseTo(g, 14);
      expect(gradients[0]![i]).toBeCloseTo(2 * g, 14);
    }
  });

  it('mse is the mean over rows and outputs', () => {
    const net = referenceNetwork(mlp({ sizes: [1, 2], loss: 'mse' }));
    // Outputs are x · (1, 1) = (1, 1), (3, 3); targets (0, 3), (1, 1): squares 1 + 4 and 4 + 4, over 4 elements
    const result = net.lossAndGradients(
      [
        [1, 1],
        [0, 0],
      ],
      [1, 3],
      [0, 3, 1, 1],
      2,
    );
    expect([...result.rowLosses]).toEqual([2.5, 4]);
    expect(result.loss).toBe(3.25);
    expect([...result.gradients[1]!]).toEqual([2 * (1 + 2) * 0.25, 2 * (-2 + 2) * 0.25]);
  });

  it('losses by hand, with the options of PyTorch', () => {
    const run = (loss: LossFunction, outputs: number[], targets: number[], kind?: 'probabilities') => {
      const rows = 2;
      const [rowLosses, gradient] = [new Float64Array(rows), new Float64Array(outputs.length)];
      const of = referenceLosses[loss.row.name as keyof typeof referenceLosses](
        loss.settings,
        kind ?? loss.row.targets,
      );
      const [z, t] = [Float64Array.from(outputs), Float64Array.from(targets)];
      of.rows(z, t, outputs.length / rows, rowLosses, gradient);
      return { loss: (rowLosses[0]! + rowLosses[1]!) / rows, gradient: [...gradient] };
    };
    const near = (actual: ReturnType<typeof run>, loss: number, gradient: readonly number[]) => {
      expect(actual.loss).toBeCloseTo(loss, 13);
      for (const [i, g] of gradient.entries()) expect(actual.gradient[i]).toBeCloseTo(g, 13);
    };
    const { log } = Math;
    // p = (1/4, 3/4) and (1/2, 1/2); labels 1 and 0 cost log 4/3 and log 2.
    const z = [0, log(3), 0, 0];
    near(run(softmaxCrossEntropy(), z, [1, 0]), (log(4 / 3) + log(2)) / 2, [1 / 8, -1 / 8, -1 / 4, 1 / 4]);
    // Weights 1 and 3: (3 log 4/3 + log 2) / (3 + 1).
    const classWeights = [1, 3];
    near(run(softmaxCrossEntropy({ classWeights }), z, [1, 0]), (3 * log(4 / 3) + log(2)) / 4, [
      3 / 16,
      -3 / 16,
      -1 / 8,
      1 / 8,
    ]);
    // Smoothing 0.2: q = (0.1, 0.9) and (0.9, 0.1).
    const smooth = run(softmaxCrossEntropy({ labelSmoothing: 0.2 }), z, [1, 0]);
    near(smooth, (0.1 * log(4) + 0.9 * log(4 / 3) + log(2)) / 2, [0.15 / 2, -0.15 / 2, -0.2, 0.2]);
    // Both: q = (0.1, 2.7) and (0.9, 0.3), and the sum of weights of the labels is 4 all the same.
    near(
      run(softmaxCrossEntropy({ labelSmoothing: 0.2, classWeights }), z, [1, 0]),
      (0.1 * log(4) + 2.7 * log(4 / 3) + 1.2 * log(2)) / 4,
      [(2.8 / 4 - 0.1) / 4, (2.8 * 0.75 - 2.7) / 4, (0.6 - 0.9) / 4, (0.6 - 0.3) / 4],
    );
    // Probabilities with weights are divided by the rows.
    near(
      run(softmaxCrossEntropy({ classWeights }), z, [0.5, 0.5, 1, 0], 'probabilities'),
      (0.5 * log(4) + 1.5 * log(4 / 3) + log(2)) / 2,
      [(2 / 4 - 0.5) / 2, (2 * 0.75 - 1.5) / 2, -1 / 4, 1 / 4],
    );
    // σ(log 3) = 3/4: a yes costs log 4/3, a no log 4; at 0 both log 2.
    near(
      run(binaryCrossEntropy({ posWeight: [2, 1] }), [log(3), log(3), 0, 0], [1, 0, 0, 0.5]),
      (2 * log(4 / 3) + log(4) + 2 * log(2)) / 4,
      [-2 / 16, 3 / 16, 1 / 8, 0],
    );
    near(run(l1(), [1, 2, 3, 4], [2, 2, 0, 4]), 1, [-1 / 4, 0, 1 / 4, 0]);
    // delta 2: 1/2, 0, 2 (3 - 1) = 4, 0.
    near(run(huber({ delta: 2 }), [1, 2, 3, 4], [2, 2, 0, 4]), 4.5 / 4, [-1 / 4, 0, 2 / 4, 0]);
  });

  it.each(ACTIVATIONS.flatMap((activation) => LOSSES.map((loss) => ({ activation, loss }))))(
    'gradients of $activation with $loss are the slopes of the loss',
    ({ activation, loss }) => {
      const model = mlp({ sizes: [3, 5, 4, 2], activation, loss });
      const net = referenceNetwork(model);
      const rows = 3;
      const { parameters, x, targets } = problem(model, rows, 7);
      const { gradients, values } = net.lossAndGradients(parameters, x, targets, rows);
      const h = 2 ** -17;
      // A kink inside the interval would make the difference meaningless.
      for (const [l, z] of values.entries())
        if (l % 2 === 0) for (const value of z) expect(Math.abs(value)).toBeGreaterThan(16 * h);
      const lossAt = () => net.lossAndGradients(parameters, x, targets, rows).loss;
      for (const [k, tensor] of parameters.entries()) {
        const largest = Math.max(...gradients[k]!.map(Math.abs));
        expect(largest).toBeGreaterThan(1e-6);
        for (let i = 0; i < tensor.length; i++) {
          const value = tensor[i]!;
          tensor[i] = value + h;
          const above = lossAt();
          tensor[i] = value - h;
          const below = lossAt();
          tensor[i] = value;
          expect(Math.abs((above - below) / (2 * h) - gradients[k]![i]!)).toBeLessThanOrEqual(1e-7 * largest);
        }
      }
    },
  );

  it('stays finite at logits of ±1e4', () => {
    const net = referenceNetwork(mlp({ sizes: [1, 3] }));
    const parameters = [
      [0, 0, 0],
      [1e4, -1e4, 0],
    ];
    const right = net.lossAndGradients(parameters, [0], [0], 1);
    expect(right.loss).toBe(0);
    expect([...right.gradients[1]!]).toEqual([0, 0, 0]);
    const wrong = net.lossAndGradients(parameters, [0], [1], 1);
    expect(wrong.loss).toBe(2e4);
    expect([...wrong.gradients[1]!]).toEqual([1, -1, 0]);
  });

  it('keeps the digits of a loss near 0', () => {
    // log(1 + e^-30) = 9.357622968839862e-14, where log(1 + e^-30) formed as a sum has three digits
    const net = referenceNetwork(mlp({ sizes: [1, 2] }));
    const { loss } = net.lossAndGradients(
      [
        [0, 0],
        [30, 0],
      ],
      [0],
      [0],
      1,
    );
    expect(Math.abs(loss - 9.357622968839737e-14)).toBeLessThan(1e-27);
  });

  it('any shape, down to width 1 and one row: rows are independent and the loss is their mean', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom(...ACTIVATIONS),
        fc.constantFrom(...LOSSES),
        fc.integer(),
        (sizes, rows, activation, loss, seed) => {
          const model = mlp({ sizes, activation, loss });
          const net = referenceNetwork(model);
          expect(net.shapes).toEqual(tensorsOf(model).map(({ shape }) => shape));
          const { parameters, x, targets } = problem(model, rows, seed);
          const batch = net.lossAndGradients(parameters, x, targets, rows);
          expect(batch.gradients.map((g) => g.length)).toEqual(net.shapes.map(size));
          expect(batch.outputs).toEqual(net.forward(parameters, x, rows).outputs);
          expect(batch.outputs).toBe(batch.values.at(-1));
          const perRow = targets.length / rows;
          const sums = net.shapes.map((shape) => new Float64Array(size(shape)));
          for (let row = 0; row < rows; row++) {
            const one = net.lossAndGradients(
              parameters,
              x.subarray(row * sizes[0]!, (row + 1) * sizes[0]!),
              targets.subarray(row * perRow, (row + 1) * perRow),
              1,
            );
            expect(one.loss).toBe(batch.rowLosses[row]);
            for (const [k, g] of one.gradients.entries()) for (const [i, v] of g.entries()) sums[k]![i]! += v / rows;
          }
          expect(batch.loss).toBeCloseTo(batch.rowLosses.reduce((a, b) => a + b) / rows, 12);
          for (const [k, g] of batch.gradients.entries()) {
            for (const [i, v] of g.entries()) expect(Math.abs(v - sums[k]![i]!)).toBeLessThanOrEqual(1e-12);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('accuracy counts the first largest output, and no row with a NaN', () => {
    const net = referenceNetwork(mlp({ sizes: [1, 3] }));
    const correct = (logits: number[], label: number) => net.accuracy(logits, [label], 1);
    expect(correct([1, 2, 0], 1)).toBe(1);
    expect(correct([-3, -2, -1], 2)).toBe(1);
    expect(correct([5, 5, 1], 0)).toBe(1);
    expect(correct([5, 5, 1], 1)).toBe(0);
    expect(correct([NaN, 1, 0], 0)).toBe(0);
    expect(correct([2, 1, NaN], 0)).toBe(0);
    expect(net.accuracy([1, 2, 0, 3, 2, 1, 0, 0, 1], [1, 0, 0], 3)).toBe(2 / 3);
  });

  it('refuses what does not fit', () => {
    const net = referenceNetwork(mlp({ sizes: [2, 3] }));
    const w = new Float64Array(6);
    const b = new Float64Array(3);
    const code = (action: () => unknown) => {
      try {
        action();
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'accepted';
    };
    expect(code(() => net.forward([w, b], new Float64Array(4), 2))).toBe('accepted');
    expect(code(() => net.forward([w], new Float64Array(4), 2))).toBe('SHAPE-MISMATCH');
    expect(code(() => net.forward([b, w], new Float64Array(4), 2))).toBe('SHAPE-MISMATCH');
    expect(code(() => net.forward([w, b], new Float64Array(5), 2))).toBe('SHAPE-MISMATCH');
    expect(code(() => net.forward([w, b], new Float64Array(0), 0))).toBe('OPTION-RANGE');
    expect(code(() => net.lossAndGradients([w, b], new Float64Array(4), [0], 2))).toBe('SHAPE-MISMATCH');
    for (const label of [3, -1, 0.5, NaN]) {
      expect(code(() => net.lossAndGradients([w, b], new Float64Array(2), [label], 1))).toBe('DATA-LABEL');
    }
  });
});
