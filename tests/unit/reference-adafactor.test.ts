import { describe, expect, it } from 'vitest';
import { adafactor as adafactorRule } from '../../src/optim/rules.gen.js';
import { type ReferenceTensor, referenceRules, referenceState } from '../../src/reference/index.js';

/*
 * Adafactor. Where the comment says optax, the numbers are those of optax 0.2.8 on JAX in float64 (Python, outside this project),
 * whose form is the paper's (7 digits: it has t^-0.8 in float32); the others were computed by hand from the formula. Gradients far above eps give PyTorch's form, too.
 */

const { adafactor } = referenceRules;
type Hyper = NonNullable<Parameters<typeof adafactor.update>[4]>;

const tensor = (shape: number[], values: number[], hyper: Hyper = {}): ReferenceTensor => ({
  shape,
  param: Float64Array.from(values),
  grad: new Float64Array(values.length),
  state: referenceState(adafactor, shape, hyper),
});

/** Takes a step for each list of gradients, one by tensor. */
function train(tensors: ReferenceTensor[], gradients: number[][][], hyper: Hyper = {}, first = 1) {
  for (const [i, grads] of gradients.entries()) {
    for (const [k, grad] of grads.entries()) tensors[k]!.grad.set(grad);
    adafactor.step!(tensors, first + i, hyper);
  }
  return tensors.map(({ param }) => [...param]);
}

const MATRIX = [1, -2, 0.5, 0.25, 3, -1];
const VECTOR = [0.5, -0.25];
const GRADIENTS = [
  [
    [1, 2, -0.5, 3, -4, 0.25],
    [2, -1],
  ],
  [
    [-0.5, 1, 0.75, 2, 0.125, -3],
    [0.5, 0.25],
  ],
  [
    [4, -1, 2, 0.5, -0.75, 1],
    [-3, 4],
  ],
];

const transposed = ([a, b, c, d, e, f]: number[]) => [a, d, b, e, c, f] as number[];

describe('adafactor', () => {
  it.each(['pytorch', 'paper'])('follows the paper on a matrix and a vector, %s (optax)', (convention) => {
    const make = () => [tensor([2, 3], MATRIX), tensor([2], VECTOR)];
    const closeTo = (values: number[]) => values.map((value) => expect.closeTo(value, 7));
    expect(train(make(), GRADIENTS.slice(0, 1), { convention })).toEqual([
      closeTo([
        0.9898896446237931, -2.0142982016934434, 0.528596403386887, 0.23611790114740014, 3.013088168314367,
        -1.0065440841571835,
      ]),
      closeTo([0.4960471529247895, -0.24604715292478951]),
    ]);
    expect(train(make(), GRADIENTS, { convention })).toEqual([
      closeTo([
        0.9695375919601, -2.018457715521725, 0.4956779135364928, 0.21921691846467417, 3.0192238210522895,
        -0.9941246897731987,
      ]),
      closeTo([0.49830289075583784, -0.25160185405611657]),
    ]);
    const hyper = { convention, lr: 0.5, relativeStep: false, scaleParameter: false, d: 0.5 };
    expect(train(make(), GRADIENTS, hyper)).toEqual([
      closeTo([
        0.5325258053241817, -2.3241083009498924, 0.38436158111109636, -0.27299662197512814, 3.3021207563258383,
        -0.8480829207627165,
      ]),
      closeTo([0.3023106406397423, -0.4469770285868914]),
    ]);
  });

  it('estimates a matrix by its rows and columns', () => {
    // Means of g²: rows 2.5, 12.5; columns 5, 10; of all 7.5. V = 2.5·5/7.5 …; RMS(p) = 1; RMS(u) = √0.96 < 1
    const g = [1, 2, 3, 4];
    const own = tensor([2, 2], [1, 1, 1, 1]);
    const v = [12.5, 25, 62.5, 125].map((product) => product / 7.5);
    expect(train([own], [[g]])[0]).toEqual(
      g.map((each, i) => expect.closeTo(1 - (0.01 * each) / Math.sqrt(v[i]!), 14)),
    );
    expect([...own.state.row_var!, ...own.state.col_var!]).toEqual([2.5, 12.5, 5, 10]);
    // d = 1/2: u shrinks until its RMS is that
    const [less] = train([tensor([2, 2], [1, 1, 1, 1])], [[g]], { d: 0.5 });
    expect(less![0]).toBeCloseTo(1 - ((0.01 * 0.5) / Math.sqrt(0.96)) * Math.sqrt(3 / 5), 14);
  });

  it('has no memory of its start: the weight of what is new is t^-0.8', () => {
    // t = 2: V = 4 + 2^-0.8·(1 - 4)
    const own = tensor([1], [1]);
    train([own], [[[2]], [[1]]]);
    expect(own.state.variance![0]).toBeCloseTo(4 - 3 * 2 ** -0.8, 14);
  });

  it('goes by the size of the parameter, and by lr while that is below 1/√t', () => {
    // u = 1, RMS(p) = 1/2; eps₂ = 1e-3 where p is 0; ρ = 1/√100 at t = 100 with lr 1
    expect(train([tensor([1], [0.5])], [[[3]]])[0]![0]).toBeCloseTo(0.5 - 0.01 * 0.5, 15);
    expect(train([tensor([1], [0])], [[[3]]])[0]![0]).toBeCloseTo(-1e-5, 18);
    const late = tensor([1], [0.5]);
    late.state.variance![0] = 9;
    expect(train([late], [[[3]]], { lr: 1 }, 100)[0]![0]).toBeCloseTo(0.5 - 0.1 * 0.5, 14);
  });

  it('holds V above eps₁² as PyTorch, or has eps₁ in g² as the paper', () => {
    // g = 1e-9 < eps₁ = 2^-23: u = g·2^23; paper: u = 1e-9 / √(1e-18 + 1e-18)
    expect(train([tensor([1], [1])], [[[1e-9]]])[0]![0]).toBeCloseTo(1 - 0.01 * 1e-9 * 2 ** 23, 15);
    const hyper = { convention: 'paper', eps: [1e-18, 1e-3] } as const;
    expect(train([tensor([1], [1])], [[[1e-9]]], hyper)[0]![0]).toBeCloseTo(1 - 0.01 / Math.SQRT2, 14);
  });

  it('decays by lr·weightDecay first, RMS(p) that before', () => {
    expect(train([tensor([1], [0.5])], [[[3]]], { weightDecay: 0.1 })[0]![0]).toBeCloseTo(0.4995 - 0.005, 15);
  });

  it('is the same for a matrix on its side', () => {
    const [upright] = train(
      [tensor([2, 3], MATRIX)],
      GRADIENTS.map(([g]) => [g!]),
    );
    const [onItsSide] = train(
      [tensor([3, 2], transposed(MATRIX))],
      GRADIENTS.map(([g]) => [transposed(g!)]),
    );
    expect(onItsSide).toEqual(transposed(upright!).map((value) => expect.closeTo(value, 14)));
  });

  it('takes more than two axes as a stack of matrices, whose norms are those of all', () => {
    const stack = tensor([2, 1, 3], MATRIX);
    expect(Object.entries(stack.state).map(([slot, { length }]) => [slot, length])).toEqual([
      ['row_var', 2],
      ['col_var', 6],
    ]);
    // One row each: the estimate of an element is its own, as if nothing were factored.
    const flat = tensor([6], MATRIX);
    const gradients = GRADIENTS.map(([g]) => [g!]);
    expect(train([stack], gradients)[0]).toEqual(
      train([flat], gradients)[0]!.map((value) => expect.closeTo(value, 14)),
    );
  });

  it('refuses what is out of range', () => {
    expect(() => adafactorRule({ d: 0 })).toThrow(/HYPER-RANGE/);
    expect(() => adafactorRule({ beta2Decay: 0.8 })).toThrow(/HYPER-RANGE/);
    expect(() => adafactorRule({ eps: [0, 1e-3] })).toThrow(/HYPER-RANGE/);
    expect(adafactorRule({ convention: 'paper' }).hyper).toMatchObject({ lr: 1e-2, d: 1, eps: [1e-30, 1e-3] });
    expect(adafactorRule().hyper).toMatchObject({ beta2Decay: -0.8, eps: [2 ** -23, 1e-3], weightDecay: 0 });
  });
});
