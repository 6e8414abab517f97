import { afterEach, describe, expect, it } from 'vitest';
import { adam, arrays, createTrainer, digits, lion, mlp, type Rule } from '../../src/index.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { replicasOf } from '../support/train.js';

/* A trainer whose optimizer's state lies in fewer bytes: in an arena, several networks at once, in checkpoints, to the end. */

const ENCODINGS = ['bf16', 'f16', '8bit'] as const;
const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

const samples = 96;
const data = arrays({
  x: randomFloats(samples * 20, 1),
  features: 20,
  y: Uint8Array.from({ length: samples }, (_, i) => (i * 7) % 3),
  classes: 3,
});
const model = mlp({ sizes: [20, 33, 3] });

/** Networks side by side, a form of the update by name. */
async function train(seeds: readonly number[], state: (typeof ENCODINGS)[number], form?: string, steps = 6) {
  const own = await replicasOf(await testDevice(), {
    ...{ model, data, rows: 16 },
    replicas: seeds.map((seed) => ({ seed, rule: adam({ lr: 0.01 }) as Rule })),
    optimizer: { state },
    ...(form && { choice: { update: form } }),
  });
  made.push(own);
  await own.run(steps);
  return Promise.all(seeds.map((_, replica) => own.program.readParameters(replica)));
}

describe.each(ENCODINGS)('%s', (state) => {
  it('gives networks side by side the bits of networks alone', async () => {
    const together = await train([3, 8], state);
    expect(together).toEqual([...(await train([3], state)), ...(await train([8], state))]);
  });

  it('has the same bits by lanes that walk and by workgroups', async () => {
    expect(await train([3, 8], state, 'update-packed/team')).toEqual(await train([3, 8], state, 'update-packed/walk'));
  });

  it('goes on from a checkpoint bit for bit, and refuses one of another encoding', async () => {
    const device = await testDevice();
    const make = async (seed: number, encoding: (typeof ENCODINGS)[number] | 'f32' = state) => {
      const trainer = await createTrainer(device, {
        ...{ model, data, batchSize: 16, seed, state: encoding },
        rule: adam({ lr: 0.01 }),
      });
      made.push(trainer);
      return trainer;
    };
    const run = async (trainer: Awaited<ReturnType<typeof make>>, steps: number) => {
      for await (const _ of trainer.run({ steps }));
    };
    const whole = await make(5);
    await run(whole, 7);
    const first = await make(5);
    await run(first, 3);
    const file = await first.checkpoint();
    const second = await make(5);
    await second.restore(file);
    await run(second, 4);
    expect(await second.readParameters()).toEqual(await whole.readParameters());
    expect(await second.state()).toEqual(await whole.state());
    await expect((await make(5, 'f32')).restore(file)).rejects.toMatchObject({ code: 'CHECKPOINT-MISMATCH' });
  });

  it('says how the state is kept, and its bytes', async () => {
    const device = await testDevice();
    const options = { model, data, batchSize: 16, rule: adam() };
    const trainers = [
      await createTrainer(device, { ...options, state }),
      await createTrainer(device, options),
    ] as const;
    made.push(...trainers);
    const [small, exact] = trainers.map((trainer) => trainer.describe());
    expect(small!.state).toEqual({ exp_avg: state, exp_avg_sq: state });
    expect(exact!.state).toEqual({ exp_avg: 'f32', exp_avg_sq: 'f32' });
    // Blocks of 256 of each of four tensors: 660, 33, 99 and 3 elements.
    const blocks = 3 + 1 + 1 + 1;
    // Scales of f16 are those of all slots of the kernel, amsgrad's included.
    const scales = { bf16: 0, f16: 3, '8bit': 2 }[state];
    expect(small!.bytes.state).toBe(blocks * (2 * 256 * (state === '8bit' ? 1 : 2) + 4 * scales));
  });
});

it.each(ENCODINGS)('learns as with f32 state: %s', async (state) => {
  const device = await testDevice();
  const test = digits({ samples: 500, seed: 2 });
  const learn = async (encoding: typeof state | 'f32', rule: Rule) => {
    const trainer = await createTrainer(device, {
      model: mlp({ sizes: [784, 32, 10] }),
      data: digits({ samples: 1500, seed: 1 }),
      ...{ rule, batchSize: 50, seed: 0, state: encoding },
    });
    made.push(trainer);
    for await (const _ of trainer.run({ epochs: 4 }));
    return trainer.evaluate(test);
  };
  for (const rule of [adam({ lr: 2e-3 }), lion({ lr: 3e-4 })] as Rule[]) {
    const [exact, small] = [await learn('f32', rule), await learn(state, rule)];
    // Two seeds of f32 differ by as much.
    expect(small.accuracy!).toBeGreaterThan(exact.accuracy! - 0.03);
    expect(Math.abs(small.loss / exact.loss - 1)).toBeLessThan(0.15);
  }
});
