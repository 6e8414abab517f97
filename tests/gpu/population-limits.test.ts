import { afterEach, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { batchNorm, dropout, linear, relu } from '../../src/nn/layers.js';
import { softmaxCrossEntropy } from '../../src/nn/losses.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential } from '../../src/nn/model.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, lamb, muon, scheduleFreeSgd, sgd, sophia } from '../../src/optim/rules.gen.js';
import { plateau } from '../../src/optim/schedules.js';
import { sam } from '../../src/optim/wrappers.js';
import { createPopulation, populationMemory } from '../../src/train/population.js';
import type { Member, Population, PopulationOptions, PopulationStep } from '../../src/train/population-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { TrainerOptions } from '../../src/train/types.js';
import { likeDevice, testDevice } from '../support/gpu.js';
import { collect, countCreations, losses, noise } from '../support/train.js';

const XOR = arrays({
  x: [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ],
  y: [0, 1, 1, 0],
  classes: 2,
});
const TINY = mlp({ sizes: [2, 8, 2] });
const NOISE = noise(96, 6, 3);
const held = noise(40, 6, 3);
const made: { destroy(): void }[] = [];

afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

async function population(
  options: Partial<PopulationOptions> & Pick<PopulationOptions, 'members'>,
  device?: GPUDevice,
) {
  const shared = { model: mlp({ sizes: [6, 8, 3] }), data: NOISE, batchSize: 16 };
  const one = await createPopulation(device ?? (await testDevice()), { ...shared, ...options });
  made.push(one);
  return one;
}

async function stepsOf(of: Population, steps: number): Promise<PopulationStep[]> {
  const all: PopulationStep[] = [];
  for await (const step of of.run({ steps })) all.push(step);
  return all;
}

async function alone(options: Partial<TrainerOptions> & Pick<TrainerOptions, 'rule'>, steps: number) {
  const shared = { model: mlp({ sizes: [6, 8, 3] }), data: NOISE, batchSize: 16 };
  const trainer = await createTrainer(await testDevice(), { ...shared, ...options });
  made.push(trainer);
  return { losses: losses(await collect(trainer, { steps })), trainer };
}

const column = (steps: readonly PopulationStep[], member: number) => steps.map((step) => step.losses[member]!);

describe('members', () => {
  it('of rules of several passes, with clipping, groups, micro-steps and layers that keep something, are as alone', async () => {
    const options = {
      model: sequential({
        input: 6,
        layers: [linear(8), batchNorm(), relu(), dropout({ p: 0.3 }), linear(3)],
        loss: softmaxCrossEntropy(),
      }),
      groups: [{ tensors: '*.bias', weightDecay: 0 }],
      clip: { globalNorm: 0.5 },
      accumulate: { steps: 2 },
    } as const;
    const members: Member[] = [
      { rule: lamb({ lr: 0.01, weightDecay: 0.1 }) as Rule, seed: 3 },
      { rule: sgd({ lr: 0.1, weightDecay: 0.01, momentum: 0.5 }) as Rule, seed: 4 },
      { rule: muon({ lr: 0.02 }) as Rule, seed: 5 },
      { rule: lamb({ lr: 0.02 }) as Rule, seed: 3 },
    ];
    const together = await population({ ...options, members });
    const steps = await stepsOf(together, 11);
    for (const [i, member] of members.entries()) {
      const single = await alone({ ...options, ...member }, 11);
      expect(column(steps, i)).toEqual(single.losses);
      expect(await together.readParameters(i)).toEqual(await single.trainer.readParameters());
    }
    // What layers keep and micro-steps under way come along.
    const taken = await together.take(1);
    made.push(taken);
    const more = await stepsOf(together, 4);
    expect(losses(await collect(taken, { steps: 4 }))).toEqual(column(more, 1));
  });

  it('share batches where they share their seed', async () => {
    const members = [1, 1, 2].map((batchSeed) => ({ rule: sgd({ lr: 0 }) as Rule, seed: 0, batchSeed }));
    const steps = await stepsOf(await population({ members }), 4);
    expect(column(steps, 0)).toEqual(column(steps, 1));
    expect(column(steps, 0)).not.toEqual(column(steps, 2));
  });

  it('that diverge disturb nobody, and with skipNonFinite are stopped alone', async () => {
    const wild = sgd({ lr: 1e30 }) as Rule;
    const members = [wild, sgd({ lr: 0.1 }) as Rule, adam({ lr: 1e-2 }) as Rule].map((rule, seed) => ({ rule, seed }));
    const calm = await alone(members[1]!, 12);
    const going = await population({ members });
    const steps = await stepsOf(going, 12);
    expect(Number.isFinite(column(steps, 0).at(-1))).toBe(false);
    expect(column(steps, 1)).toEqual(calm.losses);
    expect((await going.evaluate(held)).losses[0]).toBeNaN();

    const skipping = await population({ members, skipNonFinite: { atMost: 2 } });
    const skipped = await stepsOf(skipping, 12);
    expect(skipped.some((step) => step.skipped?.includes(0))).toBe(true);
    expect(column(skipped, 1)).toEqual(calm.losses);
    // Some steps may be under way by then.
    const rest = await stepsOf(skipping, 5);
    expect(column(rest, 0)).toEqual(new Array(5).fill(Number.NaN));
    expect(skipping.members.map(({ stopped }) => stopped?.reason)).toEqual(['nonfinite', undefined, undefined]);
    await skipping.refill(0, { seed: 8, rule: sgd({ lr: 0.1 }) as Rule });
    expect(column(await stepsOf(skipping, 3), 0).every(Number.isFinite)).toBe(true);
  });

  it('that diverged train again from a checkpoint of before', async () => {
    const members = [{ rule: sgd({ lr: 1e30 }) as Rule, seed: 0 }];
    const together = await population({ members, skipNonFinite: { atMost: 2 } });
    const start = await together.checkpoint();
    const first = await stepsOf(together, 12);
    expect(together.members[0]!.stopped?.reason).toBe('nonfinite');
    await together.restore(start);
    expect(together.members[0]!.stopped).toBeUndefined();
    expect((await stepsOf(together, 1))[0]!.losses).toEqual(first[0]!.losses);
    const stopped = await together.checkpoint();
    await stepsOf(together, 12);
    await together.restore(stopped);
    expect(together.members[0]!.stopped).toBeUndefined();
    expect(together.step).toBe(1);
  });

  it('that leave out more updates than records reach back are no reason for the others to end', async () => {
    const members = [sgd({ lr: 1e30 }) as Rule, sgd({ lr: 0.01 }) as Rule].map((rule, seed) => ({ rule, seed }));
    const options = { model: TINY, data: XOR, batchSize: 4 };
    const together = await population({ ...options, members, skipNonFinite: { atMost: 1e6 } });
    const steps = await stepsOf(together, 1200);
    expect(steps.at(-1)!.skipped).toEqual([0]);
    expect(column(steps, 1)).toEqual((await alone({ ...options, ...members[1]! }, 1200)).losses);
  });

  it('stop each by its own validations; the best comes out as a trainer', async () => {
    const options = {
      validation: { data: held, every: { batches: 2 } },
      earlyStopping: { patience: 2, restoreBest: false },
    } as const;
    const rates = [0.5, 1e-4, 2];
    const members = rates.map((lr, seed) => ({ rule: (seed === 1 ? adam : sgd)({ lr }) as Rule, seed }));
    const together = await population({ members, ...options });
    const steps = await stepsOf(together, 40);
    const stops = together.members.map(({ stopped }) => stopped?.step);
    for (const [i, member] of members.entries()) {
      const single = await alone({ ...member, ...options }, 40);
      expect(stops[i]).toBe(single.trainer.stopped?.step);
      expect(column(steps, i).filter(Number.isFinite)).toEqual(single.losses);
      const { best, ...rest } = single.trainer.best!;
      const reported = steps[rest.step - 1]!.validation!;
      expect(best && reported.best[i]).toBe(1);
      expect([reported.losses[i], reported.accuracies![i]]).toEqual([rest.loss, rest.accuracy]);
    }
    const { best } = together;
    const all = steps.flatMap(({ validation }) => [...(validation?.losses ?? [])].filter(Number.isFinite));
    expect(best!.loss).toBe(Math.min(...all));
    const taken = await together.take(best!.member);
    made.push(taken);
    const own = await together.evaluate(held);
    expect((await taken.evaluate(held)).loss).toBe(own.losses[best!.member]);
    await expect(together.evaluate(held, { weights: 'best' })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
  });

  it('keep their best weights', async () => {
    const members = [0.5, 2].map((lr, seed) => ({ rule: sgd({ lr }) as Rule, seed }));
    const together = await population({ members, validation: { data: held, every: { batches: 3 }, keepBest: true } });
    const steps = await stepsOf(together, 15);
    const least = (member: number) =>
      Math.min(...steps.flatMap(({ validation }) => (validation ? [validation.losses[member]!] : [])));
    const best = await together.evaluate(held, { weights: 'best' });
    expect([...best.losses]).toEqual([least(0), least(1)]);
    const taken = await together.take(1, { weights: 'best' });
    made.push(taken);
    expect((await taken.evaluate(held)).loss).toBe(least(1));
  });
});

describe('many members', () => {
  const members = (count: number): Member[] =>
    Array.from({ length: count }, (_, i) => ({ rule: sgd({ lr: 1e-3 * (i + 1) }) as Rule, seed: i % 3 }));

  it('past the records of one pass are trained in turns, each with its own rate: 1025', async () => {
    const options = { model: TINY, data: XOR, batchSize: 4, members: members(1025) };
    const memory = populationMemory(await testDevice(), options);
    expect(memory).toMatchObject({ members: 1025, membersPerPass: 1024, passes: 2 });
    const together = await population(options);
    expect(together.describe().passes.map((pass) => pass.members.length)).toEqual([512, 513]);
    const steps = await stepsOf(together, 3);
    expect([...steps[2]!.lrs].map((lr, i) => lr / (1e-3 * (i + 1)))).toEqual(new Array(1025).fill(1));
    for (const i of [0, 511, 512, 1023, 1024]) {
      const single = await alone({ model: TINY, data: XOR, batchSize: 4, ...options.members[i]! }, 3);
      expect(column(steps, i)).toEqual(single.losses);
    }
    expect(together.memory.total).toBeGreaterThan(1025 * together.memory.perMember.parameters);
  });

  it('past a binding are trained in turns', async () => {
    const device = await testDevice();
    const limit = 4 * 4 * 64 * 8; // what an evaluation takes at least at once, of four members
    const small = likeDevice(device, { limits: { maxStorageBufferBindingSize: limit } });
    const own = members(6);
    const together = await population({ model: TINY, data: XOR, batchSize: 4, members: own }, small);
    const { membersPerPass, passes } = together.memory;
    expect({ membersPerPass, passes }).toEqual({ membersPerPass: 4, passes: 2 });
    const steps = await stepsOf(together, 5);
    together.stop([0, 1]);
    await together.refill(0, { from: 5 });
    const single = await alone({ model: TINY, data: XOR, batchSize: 4, ...own[5]! }, 5);
    expect(column(steps, 5)).toEqual(single.losses);
    expect(await together.readParameters(0)).toEqual(await together.readParameters(5));
    const { losses: evaluated } = await together.evaluate(XOR);
    expect(evaluated[0]).toBe(evaluated[5]);
  });

  it('in turns are at one step again after a loop that was left', async () => {
    const small = likeDevice(await testDevice(), { limits: { maxStorageBufferBindingSize: 4 * 4 * 64 * 8 } });
    const own = members(6);
    const together = await population({ model: TINY, data: XOR, batchSize: 4, members: own }, small);
    for await (const { step } of together.run({ steps: 300 })) if (step === 3) break;
    const left = together.step;
    expect(left).toBeGreaterThan(2);
    together.stop(2);
    await together.refill(2, { from: 5 });
    const steps = await stepsOf(together, 4);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4].map((i) => left + i));
    for (const i of [0, 5]) {
      const single = await alone({ model: TINY, data: XOR, batchSize: 4, ...own[i]! }, left + 4);
      expect(column(steps, i)).toEqual(single.losses.slice(left));
    }
    expect(column(steps, 2).every(Number.isFinite)).toBe(true);
  });

  it('that take more than they may are refused with the number that fits', async () => {
    const device = await testDevice();
    const options = { model: TINY, data: XOR, batchSize: 4, members: members(100) };
    const { total, perMember, data } = populationMemory(device, options);
    const one = Object.values(perMember).reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBe(100 * one + data);
    const maxBytes = data + 40 * one;
    await expect(createPopulation(device, { ...options, maxBytes })).rejects.toMatchObject({
      code: 'LIMIT-MEMORY',
      fix: 'Train at most 40 at once.',
    });
  });
});

describe('bad input', () => {
  const rule = sgd({ lr: 0.1 }) as Rule;
  const good = { rule, seed: 0 };
  const searcher = {
    row: { ...sgd.row, name: 'searcher', minimizer: () => Promise.reject(new Error('loaded')) },
    hyper: {},
  };
  const shared = plateau(0.1, { metric: 'reported' });
  const cases: [string, object, string, RegExp][] = [
    ['no members', { members: [] }, 'OPTION-RANGE', /no members/],
    ['members that are no list', { members: good }, 'OPTION-TYPE', /must be a list/],
    ['a member that is none', { members: [good, 7] }, 'OPTION-TYPE', /members\[1\]/],
    [
      'a member of another shape',
      { members: [good, { ...good, model: TINY }] },
      'SHAPE-MISMATCH',
      /members\[1\] has model/,
    ],
    ['a member with an unknown key', { members: [{ ...good, lr: 1 }] }, 'OPTION-UNKNOWN', /lr/],
    ['a member without a rule', { members: [{ seed: 1 }] }, 'OPTION-TYPE', /members\[0\] needs a rule/],
    ['a member without a seed', { members: [{ rule }] }, 'OPTION-TYPE', /members\[0\].seed/],
    ['a seed out of range', { members: [{ rule, seed: -1 }] }, 'OPTION-RANGE', /members\[0\].seed/],
    ['an unknown option', { members: [good], averages: 1 }, 'OPTION-UNKNOWN', /averages/],
    ['an option of trainers', { members: [good], recover: true }, 'OPTION-UNKNOWN', /recover/],
    [
      'a rule of several points',
      { members: [good, { rule: searcher, seed: 1 }] },
      'OPTION-RANGE',
      /searcher looks at its loss/,
    ],
    ['a rule of drawn labels', { members: [{ rule: sophia(), seed: 1 }] }, 'OPTION-RANGE', /drawn from the model/],
    [
      'averages of some',
      { members: [good, { rule: scheduleFreeSgd(), seed: 1 }] },
      'OPTION-RANGE',
      /all members or none/,
    ],
    ['gradients taken twice', { members: [good], wrappers: [sam()] }, 'OPTION-RANGE', /every gradient twice/],
    [
      'a shared plateau',
      { members: [0, 1].map((seed) => ({ rule: sgd({ lr: shared }), seed })) },
      'OPTION-RANGE',
      /share a schedule/,
    ],
    ['a plan that is none', { members: [good], plan: 'measure' }, 'OPTION-RANGE', /plan/],
    ['no bytes', { members: [good], maxBytes: 0 }, 'OPTION-RANGE', /maxBytes/],
    ['a batch beyond the data', { members: [good], batchSize: 97 }, 'OPTION-RANGE', /batchSize/],
    ['an unfit model', { members: [good], model: TINY }, 'SHAPE-MISMATCH', /features/],
  ];

  it.each(cases)('%s is refused before any GPU work', async (_, options, code, message) => {
    const device = await testDevice();
    const { counts, restore } = countCreations(device);
    const shape = { model: mlp({ sizes: [6, 8, 3] }), data: NOISE, batchSize: 16 };
    const given = { ...shape, ...options } as unknown as PopulationOptions;
    const error = await createPopulation(device, given).catch((thrown) => thrown);
    restore();
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), fix: expect.stringMatching(/\w+/) });
    expect(counts).toEqual({});
  });

  it('of calls leaves all as it was', async () => {
    const members = [good, { rule: adam() as Rule, seed: 1 }, { rule: adam() as Rule, seed: 2 }];
    const together = await population({ members });
    const code = (wanted: string, message: RegExp) => ({ code: wanted, message: expect.stringMatching(message) });
    const thrown = (work: () => unknown) => {
      try {
        work();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    expect(thrown(() => together.stop([]))).toMatchObject(code('OPTION-RANGE', /no member/));
    expect(thrown(() => together.stop([0, 3]))).toMatchObject(code('OPTION-RANGE', /3/));
    expect(thrown(() => together.stop([1, 1]))).toMatchObject(code('OPTION-RANGE', /twice/));
    expect(together.members.every(({ stopped }) => stopped === undefined)).toBe(true);
    const fails = (work: Promise<unknown>) => expect(work).rejects;
    await fails(together.refill(1, { seed: 3 })).toMatchObject(code('RUN-BUSY', /trains/));
    together.stop(1);
    await fails(together.refill(1, {} as never)).toMatchObject(code('OPTION-RANGE', /either/));
    await fails(together.refill(1, { from: 1 })).toMatchObject(code('OPTION-RANGE', /itself/));
    await fails(together.refill(1, { from: 0 })).toMatchObject(code('OPTION-RANGE', /place of adam, not of sgd/));
    await fails(together.refill(1, { seed: 3, rule })).toMatchObject(code('OPTION-RANGE', /place of adam, not of sgd/));
    await fails(together.refill(7, { seed: 3 })).toMatchObject(code('OPTION-RANGE', /7/));
    await fails(together.refill(1, { seed: 3, rule: adam({ amsgrad: true }) as Rule })).toMatchObject(
      code('OPTION-RANGE', /max_exp_avg_sq/),
    );
    await fails(together.take(9)).toMatchObject(code('OPTION-RANGE', /9/));
    await fails(together.evaluate(XOR)).toMatchObject({ code: 'SHAPE-MISMATCH' });
    await fails(together.checkpoint({ weights: 'best' })).toMatchObject({ code: 'OPTION-RANGE' });
    expect(thrown(() => together.run({ steps: -1 }))).toMatchObject({ code: 'OPTION-RANGE' });
    const running = together.run({ steps: 20 });
    const pull = running.next();
    await fails(together.run({ steps: 1 }).next()).toMatchObject(code('RUN-BUSY', /running/));
    await fails(together.refill(1, { seed: 3 })).toMatchObject(code('RUN-BUSY', /running/));
    await pull;
    // One that nobody pulls gives way.
    await together.run({ steps: 1 }).next();
    await fails(running.next()).toMatchObject(code('RUN-BUSY', /took the place/));
    const trainer = (await alone({ rule }, 1)).trainer;
    await fails(together.restore(await trainer.checkpoint())).toMatchObject(
      code('CHECKPOINT-MISMATCH', /one training/),
    );
    const other = await population({ members: members.slice(1) });
    await fails(other.restore(await together.checkpoint())).toMatchObject(code('CHECKPOINT-MISMATCH', /3 members/));
    const swapped = await population({ members: members.toReversed() });
    await fails(swapped.restore(await together.checkpoint())).toMatchObject(code('CHECKPOINT-MISMATCH', /rule/));
    together.destroy();
    await fails(together.evaluate(held)).toMatchObject(code('RUN-DESTROYED', /population/));
  });
});
