/* Trainers and populations: the twin runs the steps that the one did. */
import type { Population, Trainer } from '../../../src/index.js';
import { integer, type Pair, refused } from './pair.js';
import { errorOf, sleep } from './place.js';
import { data, drawn, held, makePopulation, makeTrainer, same } from './subjects.js';

/** What both have. */
interface Steps {
  readonly step: number;
  run(options: { readonly steps: number }): AsyncGenerator<unknown, void, void>;
}

/** The twin does the steps that it has not done. */
async function catchUp(one: Steps, twin: Steps): Promise<void> {
  const steps = one.step - twin.step;
  if (steps > 0) for await (const _ of twin.run({ steps }));
}

async function brokenOff(one: Steps, twin: Steps, a: number, b: number): Promise<void> {
  let left = integer(b, 3);
  for await (const _ of one.run({ steps: 1 + integer(a, 5) })) if (left-- <= 0) break;
  await catchUp(one, twin);
}

/** Nobody pulls a run while its consumer begins another: it gives way, and its next pull says so. */
async function takenOver(one: Steps, twin: Steps, after: number): Promise<void> {
  let left = after;
  const outer = async () => {
    for await (const _ of one.run({ steps: 3 })) if (left-- === 0) for await (const __ of one.run({ steps: 1 }));
  };
  await refused(outer, 'RUN-BUSY');
  await catchUp(one, twin);
}

export async function trainerPair(device: GPUDevice): Promise<Pair> {
  const [one, twin] = (await Promise.all([makeTrainer(device), makeTrainer(device)])) as unknown as [Trainer, Trainer];
  const files: Uint8Array[] = [];
  let dead = false;
  const follow = () => catchUp(one, twin);
  const calls: Pair['calls'] = {
    run: async (a) => {
      const steps = integer(a, 5);
      const before = one.step;
      const told: number[] = [];
      for await (const { step } of one.run({ steps })) told.push(step);
      if (one.step !== before + steps) throw new Error(`run({ steps: ${steps} }) went from ${before} to ${one.step}`);
      if (
        !same(
          told.slice(-steps || told.length),
          Array.from({ length: steps }, (_, i) => before + i + 1),
        )
      )
        throw new Error(`it told of steps ${told} from ${before} on`);
      await follow();
    },
    break: (a, b) => brokenOff(one, twin, a, b),
    'run, and calls in it': async (a, b) => {
      for await (const { step } of one.run({ steps: 3 })) {
        if (step % 3 !== integer(b, 2)) continue;
        if (a < 0.3) await one.evaluate(held);
        else if (a < 0.6) files.push(await one.checkpoint());
        else await one.readParameters();
      }
      await follow();
    },
    'a run while another is pulled': async () => {
      const first = one.run({ steps: 2 });
      const pulled = first.next();
      await refused(() => one.run({ steps: 1 }).next(), 'RUN-BUSY');
      await refused(() => one.restore(new Uint8Array(9)), 'RUN-BUSY');
      await pulled;
      await first.return();
      await follow();
    },
    'a run in its place': (a) => takenOver(one, twin, integer(a, 2)),
    'set in a run': async (a) => {
      let set = false;
      for await (const _ of one.run({ steps: 4 })) {
        if (set) continue;
        set = true;
        // Two submits are on their way.
        await follow();
        for (const each of [one, twin]) each.set({ lr: 0.01 + 0.05 * a });
      }
      await follow();
    },
    set: async (a) => {
      for (const each of [one, twin]) each.set({ lr: 0.01 + 0.05 * a });
    },
    watch: async (a) => {
      for await (const _ of one.run({ steps: integer(a, 3), watch: { every: 2 } }));
      await follow();
    },
    'pause, resume': async (a) => {
      one.pause();
      const run = (async () => {
        for await (const _ of one.run({ steps: 2 }));
      })();
      // Together: a run of what was destroyed is rejected before the pause is over.
      await Promise.all([run, sleep(2 * a).then(() => one.resume())]);
      await follow();
    },
    abort: async (a) => {
      const controller = new AbortController();
      const run = async () => {
        for await (const _ of one.run({ steps: 50, signal: controller.signal }))
          if (a < 0.5) controller.abort('enough');
      };
      if (a >= 0.5) setTimeout(() => controller.abort('enough'), 3 * a);
      const reason = await errorOf(run());
      if (reason !== 'enough') throw new Error(`aborted, it threw ${String(reason)}`);
      await follow();
    },
    'never pulled': async (a) => void one.run({ steps: 1 + integer(a, 3) }),
    evaluate: async () => {
      if (!same(await one.evaluate(held), await twin.evaluate(held))) throw new Error('the twin evaluates otherwise');
    },
    predict: async () => {
      if (!same(await one.predict(held), await twin.predict(held))) throw new Error('the twin predicts otherwise');
    },
    'all at once': async () => {
      await Promise.all([one.evaluate(data), one.predict(held), one.checkpoint(), one.state(), one.readParameters()]);
    },
    state: () => one.state(),
    batch: async (a) => one.batch(integer(a, 100)),
    checkpoint: async () => files.push(await one.checkpoint()),
    restore: async (a) => {
      const file = files[integer(a, files.length - 1)];
      if (!file) return;
      for (const each of [one, twin]) await each.restore(file);
    },
    importWeights: async (a) => {
      const file = files[integer(a, files.length - 1)];
      if (!file) return;
      for (const each of [one, twin]) await each.importWeights(file);
    },
    'bad calls': async () => {
      await refused(() => one.run({ steps: -1 }), 'OPTION-RANGE');
      await refused(() => one.set({ lr: Number.NaN }), 'HYPER-RANGE');
      await refused(() => one.set({ rate: 1 } as never), 'HYPER-UNKNOWN', 'OPTION-UNKNOWN');
      await refused(() => one.restore(new Uint8Array(50)), 'CHECKPOINT-CORRUPT');
      await refused(() => one.importWeights(drawnBytes(80)), 'CHECKPOINT-CORRUPT');
      await refused(() => one.predict(new Float32Array(7)), 'DATA-MISMATCH');
      await refused(() => one.evaluate({} as never), 'OPTION-TYPE', 'SHAPE-MISMATCH', 'DATA-FORMAT');
    },
    destroy: async (a, b) => {
      if (a > 0.1 || b > 0.5) return;
      one.destroy();
      one.destroy();
      dead = true;
    },
  };
  return {
    calls,
    dead: () => dead,
    ends: async () => (dead ? [0, 0] : [await one.checkpoint(), await twin.checkpoint()]),
    close: () => {
      one.destroy();
      twin.destroy();
    },
  };
}

const drawnBytes = (count: number) => Uint8Array.from(drawn(count, 3), (value) => 128 * (1 + value));

export async function populationPair(device: GPUDevice): Promise<Pair> {
  const [one, twin] = await Promise.all([makePopulation(device), makePopulation(device)]);
  const files: Uint8Array[] = [];
  let dead = false;
  const follow = () => catchUp(one, twin);
  const both = async (call: (each: Population) => unknown) => {
    for (const each of [one, twin]) await call(each);
  };
  const stopped = (member: number) => one.members[member]!.stopped !== undefined;
  const calls: Pair['calls'] = {
    run: async (a) => {
      for await (const _ of one.run({ steps: integer(a, 5) }));
      await follow();
    },
    break: (a, b) => brokenOff(one, twin, a, b),
    'run, and calls in it': async (a) => {
      for await (const _ of one.run({ steps: 3 })) {
        if (a < 0.5) await one.evaluate(held);
        else files.push(await one.checkpoint());
      }
      await follow();
    },
    'a run in its place': async (a) => {
      // Without a member that goes on there is no step to pull.
      if (![0, 1, 2].every(stopped)) await takenOver(one, twin, integer(a, 2));
    },
    'never pulled': async () => void one.run({ steps: 2 }),
    stop: async (a) => both((each) => each.stop(integer(a, 2))),
    refill: async (a, b) => {
      const member = integer(a, 2);
      // The first and the last are of one rule.
      const fill = b < 0.5 || member === 1 ? { seed: integer(b, 1000) } : { from: 2 - member };
      if (stopped(member)) await both((each) => each.refill(member, fill));
      else await refused(() => one.refill(member, fill), 'RUN-BUSY');
    },
    take: async (a) => (await one.take(integer(a, 2))).destroy(),
    evaluate: async () => {
      if (!same(await one.evaluate(data), await twin.evaluate(data))) throw new Error('the twin evaluates otherwise');
    },
    readParameters: (a) => one.readParameters(integer(a, 2)),
    checkpoint: async () => files.push(await one.checkpoint()),
    restore: async (a) => {
      const file = files[integer(a, files.length - 1)];
      if (file) await both((each) => each.restore(file));
    },
    'bad calls': async () => {
      await refused(() => one.run({ steps: 1.5 }), 'OPTION-RANGE', 'OPTION-TYPE');
      await refused(() => one.stop([0, 0]), 'OPTION-RANGE');
      await refused(() => one.stop(7), 'OPTION-RANGE');
      await refused(() => one.restore(new Uint8Array(50)), 'CHECKPOINT-CORRUPT');
      await refused(() => one.readParameters(-1), 'OPTION-RANGE');
    },
    destroy: async (a, b) => {
      if (a > 0.1 || b > 0.5) return;
      one.destroy();
      dead = true;
    },
  };
  return {
    calls,
    dead: () => dead,
    ends: async () => (dead ? [0, 0] : [await one.checkpoint(), await twin.checkpoint()]),
    close: () => {
      one.destroy();
      twin.destroy();
    },
  };
}
