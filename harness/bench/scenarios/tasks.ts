/** Networks and inputs of the scenarios that train. The same numbers for every contender. */
import { losses } from '../../../src/index.js';
import { generator, normal, uniform } from '../../common/random.js';
import type { StepBatch, StepTask } from '../contract.js';

export interface NetShape {
  readonly sizes: readonly number[];
  readonly loss: StepTask['loss'];
  readonly batchSize: number;
  readonly rule: StepTask['rule'];
  /** Different batches that the steps take in turn. */
  readonly batches: number;
}

/** He-normal weights, normal inputs, and labels that depend on the inputs, so that there is something to learn. */
export function stepTask({ sizes, loss, batchSize, rule, batches }: NetShape, seed: number): StepTask {
  const weights = sizes.slice(1).map((outputs, layer) => {
    const inputs = sizes[layer]!;
    return {
      w: normal(inputs * outputs, seed + layer, Math.sqrt(2 / inputs)),
      b: uniform(outputs, seed + 100 + layer, 0.01),
    };
  });
  return {
    sizes,
    loss,
    batchSize,
    rule,
    lr: rule === 'sgd' ? 0.01 : 0.001,
    weights,
    batches: Array.from({ length: batches }, (_, i) => batch(sizes, loss, batchSize, seed + 1000 * (i + 1))),
  };
}

function batch(sizes: readonly number[], loss: StepTask['loss'], rows: number, seed: number): StepBatch {
  const [inputs, outputs] = [sizes[0]!, sizes.at(-1)!];
  const x = normal(rows * inputs, seed, 1);
  if (losses[loss].row.targets === 'values') {
    const values = Float32Array.from({ length: rows * outputs }, (_, i) => {
      const row = Math.floor(i / outputs) * inputs;
      return x[row]! > 0 !== x[row + 1]! > 0 ? 1 : 0; // XOR of the signs
    });
    return { x, values };
  }
  const next = generator(seed + 1);
  const labels = Int32Array.from({ length: rows }, (_, row) => {
    // Two thirds follow the first inputs, the rest are noise: the loss neither stays nor falls to nothing.
    if (next() < 1 / 3) return Math.floor(next() * outputs);
    let best = 0;
    for (let k = 1; k < outputs; k++) if (x[row * inputs + k]! > x[row * inputs + best]!) best = k;
    return best;
  });
  return { x, labels };
}

/** Floating point operations of a step: the three products of every layer, less the first layer's input gradient. */
export function stepFlops(sizes: readonly number[], batchSize: number): number {
  let flops = 0;
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    flops += (layer === 0 ? 4 : 6) * batchSize * sizes[layer]! * sizes[layer + 1]!;
  }
  return flops;
}
