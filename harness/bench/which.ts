/**
 * Which optimizer: every rule on the lecture's net, each at seven rates round its default. Prints the table of
 * docs/which-optimizer.md: `node harness/run.mjs harness/bench/which.ts [folder of MNIST's test set, else drawn digits] [epochs] [rules]`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  createTrainer,
  type Dataset,
  digits,
  idx,
  mlp,
  type RuleRow,
  resolveRule,
  rules,
  split,
} from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';

const SIZES = [784, 100, 100, 100, 100, 10];
const BATCH = 64;
/** Of a rule's default rate: half decades. */
const FACTORS = [0.1, 0.3, 1, 3, 10, 30, 100];
/** Test samples of 10,000. */
const TESTS = 2000;

interface Result {
  readonly rate: number;
  readonly loss: number;
  readonly accuracy: number;
  /** Bytes per parameter. */
  readonly state: number;
}

async function dataOf(folder: string | undefined): Promise<Dataset> {
  if (!folder || !existsSync(folder)) return digits({ samples: 10_000 });
  const read = (name: string) => new Uint8Array(gunzipSync(readFileSync(join(folder, `${name}.gz`))));
  return idx({ images: read('t10k-images-idx3-ubyte'), labels: read('t10k-labels-idx1-ubyte') });
}

const HEAD = ['rule', 'default rate', 'with it', 'best rate', 'loss of the last 50 steps', 'test accuracy'];
const TAIL = ['at a third and three times', 'bytes of state'];
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

export async function main([folder, epochs = '2', ...only]: readonly string[]): Promise<number> {
  const device = await requestDevice();
  const data = await dataOf(folder);
  const [training, test] = split(data, data.samples - TESTS);
  const model = mlp({ sizes: SIZES, activation: 'relu', init: 'he-normal' });

  const train = async (name: string, rate: number): Promise<Result> => {
    const rule = resolveRule(rules, name, { lr: rate });
    const trainer = await createTrainer(device, { model, rule, data: training, batchSize: BATCH, seed: 0 });
    const losses: number[] = [];
    for await (const { loss } of trainer.run({ epochs: Number(epochs) })) losses.push(loss);
    const { accuracy = 0 } = await trainer.evaluate(test);
    const { bytes, parameters } = trainer.describe();
    trainer.destroy();
    const last = losses.slice(-50);
    const loss = last.reduce((sum, each) => sum + each, 0) / last.length;
    return { rate, accuracy, loss, state: bytes.state / parameters };
  };

  console.log(`| ${[...HEAD, ...TAIL].join(' | ')} |`);
  console.log(`| --- |${' ---: |'.repeat(HEAD.length + TAIL.length - 1)}`);
  for (const [name, { row }] of Object.entries(rules) as [string, { row: RuleRow }][]) {
    if (only.length > 0 && !only.includes(name)) continue;
    const normal = row.fields.lr!.default as number;
    const results: Result[] = [];
    for (const factor of FACTORS) results.push(await train(name, normal * factor));
    const best = results.reduce((a, { accuracy }, i) => (accuracy > results[a]!.accuracy ? i : a), 0);
    const at = (i: number) => (results[i] ? percent(results[i].accuracy) : '–');
    const { rate, loss, state } = results[best]!;
    const cells = [row.title, normal, at(FACTORS.indexOf(1)), Number(rate.toPrecision(1)), loss.toPrecision(3)];
    const more = [`**${at(best)}**`, `${at(best - 1)}, ${at(best + 1)}`, state.toFixed(1)];
    console.log(`| ${[...cells, ...more].join(' | ')} |`);
  }
  return 0;
}
