import { describe, expect, it } from 'vitest';
import type { LossFunction, TargetKind, TargetsOf } from '../../src/nn/loss.js';
import { binaryCrossEntropy, l1, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { checkMetrics, type Metric, metricInput } from '../../src/nn/metric.js';
import { type MetricName, metrics, topK } from '../../src/nn/metrics.js';

/* Metrics against values by hand, and of the examples in scikit-learn's documentation. */

const known = metrics as Readonly<Record<string, () => Metric>>;
const at = (code: string, words = '') =>
  expect.objectContaining({ code, fix: expect.stringMatching(/\S/), message: expect.stringContaining(words) });

function compute(
  asked: MetricName | Metric,
  loss: LossFunction,
  targets: TargetsOf[TargetKind],
  outputs: readonly number[],
  width: number,
): unknown {
  const [metric] = checkMetrics([asked], known, loss, width);
  return metric!.row.compute(metricInput(loss, targets, Float32Array.from(outputs), width), metric!.settings);
}

/** Of predicted classes: their output is 1, the others' 0. */
function ofClasses(asked: MetricName | Metric, wanted: readonly number[], said: readonly number[], classes: number) {
  const targets = { kind: 'classes', classes, labels: Uint8Array.from(wanted) } as const;
  const outputs = said.flatMap((own) => Array.from({ length: classes }, (_, j) => (j === own ? 1 : 0)));
  return compute(asked, softmaxCrossEntropy(), targets, outputs, classes);
}

function ofValues(asked: MetricName, wanted: readonly number[], said: readonly number[], width: number, more = {}) {
  const targets = { kind: 'values', width, values: Float32Array.from(wanted), ...more } as const;
  return compute(asked, mse(), targets, said, width);
}

describe('metrics of classes', () => {
  // The example of scikit-learn's precision_recall_fscore_support, precision_score, recall_score and f1_score.
  const [wanted, said] = [
    [0, 1, 2, 0, 1, 2],
    [0, 2, 1, 0, 0, 1],
  ];

  it('are those of scikit-learn', () => {
    expect(ofClasses('precision', wanted!, said!, 3)).toEqual({ macro: 2 / 9, perClass: [2 / 3, 0, 0] });
    expect(ofClasses('recall', wanted!, said!, 3)).toEqual({ macro: 1 / 3, perClass: [1, 0, 0] });
    const f1 = ofClasses('f1', wanted!, said!, 3) as { macro: number; perClass: number[] };
    expect(f1.perClass).toEqual([0.8, 0, 0]);
    expect(f1.macro).toBeCloseTo(0.8 / 3, 15);
    expect(ofClasses('accuracy', wanted!, said!, 3)).toBe(1 / 3);
    // The example of confusion_matrix.
    expect(ofClasses('confusion', [2, 0, 2, 2, 0, 1], [0, 0, 2, 2, 0, 2], 3)).toEqual([
      [2, 0, 0],
      [0, 0, 1],
      [1, 0, 2],
    ]);
  });

  it('a class that is nowhere does not count in the mean', () => {
    expect(ofClasses('recall', wanted!, said!, 5)).toEqual({ macro: 1 / 3, perClass: [1, 0, 0, 0, 0] });
  });

  it('top-k counts the labels among the k largest', () => {
    // The example of top_k_accuracy_score.
    const targets = { kind: 'classes', classes: 3, labels: Uint8Array.from([0, 1, 2, 2]) } as const;
    const scores = [0.5, 0.2, 0.2, 0.3, 0.4, 0.2, 0.2, 0.4, 0.3, 0.7, 0.2, 0.1];
    const top = (k: number) => compute(topK({ k }), softmaxCrossEntropy(), targets, scores, 3);
    expect([top(1), top(2), top(3)]).toEqual([0.5, 0.75, 1]);
    const six = { kind: 'classes', classes: 6, labels: Uint8Array.from([5, 0]) } as const;
    const numbers = [6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1];
    expect(compute('top-k', softmaxCrossEntropy(), six, numbers, 6)).toBe(0.5);
  });

  it('the first of equal outputs is meant, and what is not a number is never right', () => {
    const labels = { kind: 'classes', classes: 2, labels: Uint8Array.from([0, 1, 0]) } as const;
    const outputs = [1, 1, 1, 1, 5, Number.NaN];
    const of = (metric: MetricName | Metric) => compute(metric, softmaxCrossEntropy(), labels, outputs, 2);
    expect(of('accuracy')).toBe(1 / 3);
    expect(of(topK({ k: 1 }))).toBe(1 / 3);
    expect(of(topK({ k: 2 }))).toBe(2 / 3);
    expect(of('confusion')).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  it('judge probabilities by the largest, and one output as a yes or no', () => {
    const soft = { kind: 'probabilities', classes: 2, values: Float32Array.from([0.4, 0.6, 1, 0]) } as const;
    expect(compute('accuracy', softmaxCrossEntropy(), soft, [0, 1, 0, 1], 2)).toBe(0.5);
    const bits = { kind: 'values', width: 1, values: Float32Array.from([1, 0, 1, 0]) } as const;
    const logits = [3, -1, -2, 0.5];
    expect(compute('confusion', binaryCrossEntropy(), bits, logits, 1)).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(compute(topK({ k: 1 }), binaryCrossEntropy(), bits, logits, 1)).toBe(0.5);
  });
});

describe('metrics of values', () => {
  /** Σ (t - mean)². */
  const spread = (values: readonly number[]) => {
    const mean = values.reduce((x, y) => x + y) / values.length;
    return values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  };

  it('are those of scikit-learn', () => {
    // The examples of mean_absolute_error and r2_score.
    const [wanted, said] = [
      [3, -0.5, 2, 7],
      [2.5, 0, 2, 8],
    ];
    expect(ofValues('mae', wanted!, said!, 1)).toBe(0.5);
    expect(ofValues('rmse', wanted!, said!, 1)).toBe(Math.sqrt(0.375));
    expect(ofValues('r2', wanted!, said!, 1)).toBeCloseTo(0.9486081370449679, 14);
    const two = [
      [0.5, 1, -1, 1, 7, -6],
      [0, 2, -1, 2, 8, -5],
    ];
    expect(ofValues('mae', two[0]!, two[1]!, 2)).toBe(0.75);
    const [a, b] = [1 - 1.25 / spread([0.5, -1, 7]), 1 - 3 / spread([1, 1, -6])];
    expect(ofValues('r2', two[0]!, two[1]!, 2)).toBeCloseTo((a + b) / 2, 14);
  });

  it('targets that are all alike have R² 1 when they are hit, else 0', () => {
    expect(ofValues('r2', [0.1, 0.1, 0.1], [0.1, 0.1, 0.1].map(Math.fround), 1)).toBe(1);
    expect(ofValues('r2', [0.1, 0.1, 0.1], [0.1, 0.2, 0.1], 1)).toBe(0);
  });

  it('come in the units of the targets as given', () => {
    // The network sees raw / 10 - 1 and raw · 2: its outputs 0.5 and 6 say 15 and 3.
    const more = { scale: [0.1, 2], shift: [-1, 0] };
    expect(ofValues('mae', [10, 4], [0.5, 6], 2, more)).toBeCloseTo((5 + 1) / 2, 12);
    expect(ofValues('rmse', [10], [0.5], 1, { scale: 0.1, shift: -1 })).toBeCloseTo(5, 12);
  });

  it('take probabilities from logits', () => {
    const bits = { kind: 'values', width: 2, values: Float32Array.from([1, 0]) } as const;
    expect(compute('mae', binaryCrossEntropy(), bits, [0, 0], 2)).toBe(0.5);
  });
});

describe('what is asked for', () => {
  it.each<[string, unknown, LossFunction, number, string, string]>([
    ['no list', 'f1', softmaxCrossEntropy(), 3, 'OPTION-TYPE', '"f1"'],
    ['an unknown name', ['f2'], softmaxCrossEntropy(), 3, 'OPTION-RANGE', 'f2'],
    ['what is no metric', [{ row: {} }], softmaxCrossEntropy(), 3, 'OPTION-TYPE', 'metrics[0]'],
    ['one twice', ['f1', 'f1'], softmaxCrossEntropy(), 3, 'OPTION-RANGE', 'twice'],
    ['values of classes', ['r2'], softmaxCrossEntropy(), 3, 'SHAPE-MISMATCH', 'r2'],
    ['classes of values', ['accuracy'], l1(), 3, 'SHAPE-MISMATCH', 'accuracy'],
    ['classes of several answers', ['f1'], binaryCrossEntropy(), 3, 'SHAPE-MISMATCH', 'f1'],
    [
      'more than there are classes',
      [topK({ k: 4 })],
      softmaxCrossEntropy(),
      3,
      'OPTION-RANGE',
      'k is 4, but there are 3',
    ],
    ['more by name', ['top-k'], softmaxCrossEntropy(), 3, 'OPTION-RANGE', 'Pass topK({ k }) with at most 3'],
    ['more than yes and no', [topK({ k: 3 })], binaryCrossEntropy(), 1, 'OPTION-RANGE', 'there are 2 classes'],
    ['a bad option', [{ ...topK(), settings: { k: 0 } }], softmaxCrossEntropy(), 3, 'OPTION-RANGE', 'k'],
  ])('refuses %s', (_, asked, loss, width, code, words) => {
    expect(() => checkMetrics(asked, known, loss, width)).toThrow(at(code, words));
  });

  it('every row has the name of its table', () => {
    for (const [name, factory] of Object.entries(metrics)) expect(factory.row.name).toBe(name);
  });
});
