import { expect, it } from 'vitest';
import * as downhill from '../../src/index.js';
import { DownhillError } from '../../src/index.js';

/*
 * What nobody should pass, in the place of every argument and option of what runs on the host, and of every part of a data set and its
 * targets: it is taken or refused, and refused with a code.
 */

const HOSTILE: readonly unknown[] = [
  ...[undefined, null, Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 0.5, 2 ** 53, '', 'x', true, 10n, Symbol('s')],
  ...[[], [Number.NaN], new Array(3), [null], [[]], [Symbol('s')], {}, { length: 3 }, Object.create(null), () => {}],
  ...[new Date(), new Map(), new ArrayBuffer(8), new Float32Array(3), new BigInt64Array(2)],
];

const { arrays, mlp, statistics, targetStatistics } = downhill;
const x = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));
const y = Uint8Array.from({ length: 10 }, (_, i) => i % 3);
const classes = arrays({ x, y, classes: 3 });
const values = arrays({ x, y: Float32Array.from(y) });
const model = mlp({ sizes: [4, 3] });
const names = { labels: ['a', 'b', 'c'], featureNames: ['a', 'b', 'c', 'd'], targetNames: ['t'] };

/** Good arguments by function; the parts of an object among them are options. */
const CALLS: Readonly<Record<string, readonly unknown[]>> = {
  mlp: [{ sizes: [4, 8, 3], activation: 'relu', norm: 'batch', dropout: 0.1, init: 'he-normal', gain: 1, loss: 'mse' }],
  sequential: [{ input: 4, layers: [downhill.linear(3)], loss: downhill.mse(), init: 'he-normal', gain: 1 }],
  modelFromJson: [downhill.modelToJson(model)],
  arrays: [{ x, y, classes: 3, probabilities: false, features: 4, image: [2, 2], ...names }],
  source: [{ samples: 9, features: 4, type: 'uint8', classes: 3, scale: 1, shift: 0, image: [2, 2], read: () => ({}) }],
  circles: [{ samples: 10, seed: 0, noise: 0.1 }],
  split: [classes, { share: 0.5, seed: 0, stratify: true }],
  kFold: [classes, { k: 2, seed: 0, stratify: true }],
  subset: [classes, [1, 2]],
  statistics: [classes, { by: 'all' }],
  standardize: [classes, statistics(classes)],
  unitRange: [classes, statistics(classes)],
  targetStatistics: [values],
  standardizeTargets: [values, targetStatistics(values)],
  multistep: [1, { milestones: [1], gamma: 0.1 }],
  exponential: [1, { rate: 0.1, steps: 1, staircase: true }],
  cosine: [1, { steps: 3, min: 0 }],
  oneCycle: [1, { steps: 10, pctStart: 0.3, divFactor: 25, finalDivFactor: 1e4, anneal: 'cos', threePhase: false }],
  plateau: [1, { factor: 0.1, patience: 1, threshold: 0.1, mode: 'min', min: 0, cooldown: 1 }],
  warmup: [1, { steps: 3, from: 0 }],
  join: [[1, 2], [3]],
  readModel: [new Uint8Array(9), { weights: 'best' }],
  ema: [{ decay: 0.9 }],
  lookahead: [{ k: 5, alpha: 0.5 }],
  dropout: [{ p: 0.1 }],
  softmaxCrossEntropy: [{ labelSmoothing: 0.1, classWeights: [1, 1, 1] }],
};

/** The arguments with each place, and each part of an object in it down to the targets, hostile in turn. */
function* spoiled(given: readonly unknown[]): Generator<readonly [place: string, args: readonly unknown[]]> {
  for (const [i, own] of given.entries()) {
    const put = (value: unknown) => given.map((each, j) => (i === j ? value : each));
    for (const wrong of HOSTILE) yield [`argument ${i}`, put(wrong)];
    if (typeof own !== 'object' || own === null || ArrayBuffer.isView(own) || Array.isArray(own)) continue;
    for (const [key, part] of Object.entries(own)) {
      for (const wrong of HOSTILE) yield [key, put({ ...own, [key]: wrong })];
      if (key !== 'targets') continue;
      for (const name of Object.keys(part))
        for (const wrong of HOSTILE) yield [`targets.${name}`, put({ ...own, targets: { ...part, [name]: wrong } })];
    }
  }
}

it.each(Object.entries(CALLS))('%s takes it or refuses it with a code', async (name, given) => {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: the names are the cases, and nothing is bundled
  const call = downhill[name as 'mlp'] as (...args: readonly unknown[]) => unknown;
  expect(() => call(...given)).not.toThrow(TypeError);
  let refused = 0;
  for (const [place, args] of spoiled(given)) {
    try {
      await call(...args);
    } catch (error) {
      expect(error, `${name}, ${place}`).toBeInstanceOf(DownhillError);
      expect((error as DownhillError).code, `${name}, ${place}`).not.toBe('INTERNAL');
      expect((error as DownhillError).message.length, `${name}, ${place}`).toBeLessThan(1000);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(HOSTILE.length / 2);
});
