import { describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { batchOf } from '../../src/data/batching.js';
import { initialize } from '../../src/nn/init.js';
import { mlp } from '../../src/nn/mlp.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { type ReferenceRule, referenceMlp, referenceRules, referenceState } from '../../src/reference/index.js';
import { createTrainer } from '../../src/train/trainer.js';
import { testDevice } from '../support/gpu.js';
import { collect, noise, replicasOf } from '../support/train.js';

/* Clipping and skipping in the trainer: on the GPU, without the host. */

const reference = (name: string) => (referenceRules as Readonly<Record<string, ReferenceRule>>)[name]!;

describe('clipping in the trainer', () => {
  it.each([{ globalNorm: 0.3 }, { tensorNorm: 0.2 }, { value: 0.05 }])(
    '%o agrees with the reference; by value without one more dispatch',
    async (clip) => {
      const data = noise(40, 9, 4);
      const model = mlp({ sizes: [9, 8, 4], activation: 'tanh' });
      const rule = sgd({ lr: 0.5, momentum: 0.9 });
      const device = await testDevice();
      const plain = await createTrainer(device, { model, rule, data, sampling: 'full' });
      const trainer = await createTrainer(device, { model, rule, data, sampling: 'full', clip });
      // A norm needs the whole gradient before the update: norm, advance, update and account have dispatches of their own.
      expect(trainer.describe().dispatches - plain.describe().dispatches).toBe('value' in clip ? 0 : 4);
      const reports = await collect(trainer, { steps: 30 });

      const network = referenceMlp(model);
      const parameters = initialize(model, 0).map((tensor) => Float64Array.from(tensor));
      const states = parameters.map((tensor) => referenceState(reference('sgd'), tensor.length, rule.hyper));
      const labels = data.targets.kind === 'classes' ? data.targets.labels : [];
      for (const [step, report] of reports.entries()) {
        const { loss, gradients } = network.lossAndGradients(parameters, data.x, labels, 40);
        expect(Math.abs(report.loss / loss - 1)).toBeLessThan(1e-5);
        const norm = Math.sqrt(gradients.flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0));
        const toNorm = (own: number) => {
          if ('globalNorm' in clip) return Math.min(1, clip.globalNorm! / (norm + 1e-6));
          return 'tensorNorm' in clip ? Math.min(1, clip.tensorNorm! / (own + 1e-6)) : 1;
        };
        const most = 'value' in clip ? clip.value! : Number.POSITIVE_INFINITY;
        for (const [i, gradient] of gradients.entries()) {
          const factor = toNorm(Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)));
          const clipped = gradient.map((g) => Math.min(Math.max(g * factor, -most), most));
          reference('sgd').update(parameters[i]!, clipped, states[i]!, step + 1, rule.hyper);
        }
      }
      plain.destroy();
      trainer.destroy();
    },
  );

  it('refuses what a trainer cannot do', async () => {
    const options = { model: mlp({ sizes: [9, 4] }), rule: sgd(), data: noise(10, 9, 4) };
    const device = await testDevice();
    for (const wrong of [
      { clip: { tensorNorm: 1, globalNorm: 1 } },
      { clip: { globalNorm: 0 } },
      { clip: { value: 'x' } },
      { skipNonFinite: 'yes' },
      { skipNonFinite: { atMost: 0 } },
    ]) {
      await expect(createTrainer(device, { ...options, ...wrong } as never)).rejects.toMatchObject({
        code: expect.stringMatching(/^OPTION-/),
      });
    }
  });
});

describe('skipping in the trainer', () => {
  /** Two samples, one of which nothing can be learnt from. */
  const halfBad = () =>
    arrays({ x: Float32Array.of(Number.NaN, 1, 2, 0.5, -1, 0.25), y: [0, 1], classes: 2, features: 3 });

  it('leaves out every second of 20,000 steps, and stays exact: counts, batches, schedule, bias correction', async () => {
    const data = halfBad();
    const model = mlp({ sizes: [3, 2] });
    const lr = (count: number) => 1e-3 / (1 + count / 500);
    const trainer = await createTrainer(await testDevice(), {
      model,
      rule: adam({ lr }),
      data,
      batchSize: 1,
      skipNonFinite: true,
      submitMs: 20,
    });
    const parameters = initialize(model, 0).map((tensor) => Float64Array.from(tensor));
    const states = parameters.map((tensor) => referenceState(reference('adam'), tensor.length));
    const network = referenceMlp(model);
    const plan = { samples: 2, rows: 1, stepsPerEpoch: 2, sampling: 'shuffle' } as const;
    let count = 0;
    let worst = 0;
    for await (const { step, loss, lr: used, skipped } of trainer.run({ steps: 20_000 })) {
      // The batch of a step does not depend on what was skipped before it: each sample once in every epoch of two.
      const sample = batchOf(plan, 0, step - 1).indices[0]!;
      if (skipped !== (sample === 0 ? true : undefined) || used !== lr(count))
        throw new Error(`step ${step}: ${skipped}, ${used}`);
      if (skipped) continue;
      const right = network.lossAndGradients(parameters, data.x.subarray(3), [1], 1);
      worst = Math.max(worst, Math.abs(loss - right.loss));
      for (const [i, gradient] of right.gradients.entries())
        reference('adam').update(parameters[i]!, gradient, states[i]!, count + 1, { lr: lr(count) });
      count++;
    }
    expect(count).toBe(10_000);
    // Parameters near 1 take 10,000 roundings of half a unit in the last place, at random: 100 of them.
    expect(worst).toBeLessThan(1e-4);
    const actual = Object.values(await trainer.readParameters());
    for (const [i, tensor] of actual.entries())
      for (const [j, value] of tensor.entries()) expect(Math.abs(value - parameters[i]![j]!)).toBeLessThan(1e-4);
    trainer.destroy();
  });

  it('stops after too many in a row, with the parameters as they were', async () => {
    const data = arrays({
      x: new Float32Array(30).fill(Number.NaN),
      y: Uint8Array.from({ length: 10 }, (_, i) => i % 2),
      classes: 2,
      features: 3,
    });
    const model = mlp({ sizes: [3, 2] });
    const trainer = await createTrainer(await testDevice(), {
      model,
      rule: adam(),
      data,
      batchSize: 2,
      skipNonFinite: { atMost: 3 },
    });
    await expect(collect(trainer, { steps: 50 })).rejects.toMatchObject({ code: 'GRADIENT-NONFINITE' });
    expect(Object.values(await trainer.readParameters())).toEqual(initialize(model, 0));
    trainer.destroy();
  });

  it('skips replicas one by one', async () => {
    const data = halfBad();
    const replicas = [
      { seed: 1, rule: adam() as Rule },
      { seed: 2, rule: adam({ lr: 0.01 }) as Rule },
    ];
    const run = async (list: typeof replicas) => {
      const made = await replicasOf(await testDevice(), {
        model: mlp({ sizes: [3, 2] }),
        data,
        rows: 1,
        replicas: list,
        optimizer: { skipNonFinite: { atMost: 5 } },
      });
      const results = await made.run(40);
      const parameters = await Promise.all(list.map((_, replica) => made.program.readParameters(replica)));
      made.destroy();
      return { results, parameters };
    };
    const both = await run(replicas);
    for (const [i, replica] of replicas.entries()) {
      const alone = await run([replica]);
      expect(both.results.filter((_, at) => at % 2 === i)).toEqual(alone.results);
      expect(both.parameters[i]).toEqual(alone.parameters[0]);
    }
    const left = both.results.map(({ skipped }) => skipped);
    expect(left.filter((_, at) => at % 2 === 0)).not.toEqual(left.filter((_, at) => at % 2 === 1));
  });
});
