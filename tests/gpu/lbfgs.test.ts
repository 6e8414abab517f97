import { afterEach, describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { CLOCK_BYTES } from '../../src/kernels/advance.js';
import { LBFGS_STATE_BYTES, lbfgsForms, lbfgsOp, readLbfgs } from '../../src/kernels/lbfgs.js';
import { lower } from '../../src/kernels/lower.js';
import { mlp } from '../../src/nn/mlp.js';
import { lbfgs } from '../../src/optim/minimizers.gen.js';
import type { Rule } from '../../src/optim/rule.js';
import { givenOf } from '../../src/problems/given.js';
import { referenceLbfgs } from '../../src/reference/lbfgs.js';
import { referenceProblems } from '../../src/reference/problems.gen.js';
import { readTensors } from '../../src/space/vectors.js';
import type { Program } from '../../src/train/program.js';
import { recordSteps } from '../../src/train/scheduler.js';
import { createTrainer } from '../../src/train/trainer.js';
import { buffersFor, dispatch, readFloats, testDevice } from '../support/gpu.js';
import { lbfgsCases, problemProgram, runOut } from '../support/lbfgs.js';
import { collect, noise } from '../support/train.js';

/*
 * L-BFGS on the GPU: the problems of shared/research/search-and-second-order.md with the counts there, and what a round is. In a
 * trainer: lbfgs-trainer.test.ts.
 */

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const rule = (options: Parameters<typeof lbfgs>[0] = {}) => lbfgs(options) as unknown as Rule;

/** Iterations may be a quarter more than the note's, since sums are made in another order: adapters differ by as much. */
const MORE = 1.25;

describe.each(Object.entries(lbfgsCases))('%s', (_, own) => {
  it('ends at its minimum, in about the iterations of the note, and says why', async () => {
    const program = await problemProgram(await testDevice(), rule(), own);
    close.push(program);
    const results = await runOut(program);
    const { count, scalars } = await program.state();
    const last = results.at(-1)!;
    expect(count).toBeLessThanOrEqual(MORE * own.four);
    expect(results.length).toBeLessThanOrEqual(1.4 * count);
    expect(results.filter(({ skipped }) => skipped)).toHaveLength(results.length - count - 1);
    // As near as a gradient of 1e-5 is, or as f32 sees. The valley of penalty I is so flat that this is half a percent of its value.
    expect(Math.abs(last.loss - own.value)).toBeLessThanOrEqual(1e-2 * own.value + 1e-8);
    expect(last.loss).toBe(scalars!.value![0]);
    const stopped = program.updater.stopped;
    expect(['gradient', 'flat']).toContain(stopped);
    if (stopped === 'gradient') expect(scalars!.gradMax![0]).toBeLessThanOrEqual(1e-5);
  });
});

it.each<[name: string, rounds: number, options?: { history: number }]>([
  ['Rosenbrock (2)', 12],
  ['helical valley', 12],
  ['Wood', 10],
  ['penalty I (10)', 10],
  // More rows of products than a workgroup has lanes.
  ['Rosenbrock (2)', 6, { history: 40 }],
])('goes the way of float64 at first: %s, %s rounds, %o', async (name, rounds, options) => {
  const own = lbfgsCases[name]!;
  const { row } = own.problem;
  const reference = referenceProblems[row.name as keyof typeof referenceProblems];
  const given = givenOf(own.problem);
  const objective = (x: Float64Array) => ({ value: reference.value(x, given), gradient: reference.gradient(x, given) });
  const expected = referenceLbfgs(objective, own.problem.start, { rounds, ...options });
  const program = await problemProgram(await testDevice(), rule(options), own);
  close.push(program);
  const results = await runOut(program, rounds);
  expect(results).toHaveLength(rounds);
  for (const [i, { loss }] of results.entries()) {
    const { value } = expected.rounds[i]!;
    // Differences of rounding grow with every step that is a solution of the last ones.
    expect(Math.abs(loss - value) / Math.abs(value), `round ${i + 1}`).toBeLessThan(1e-6 * 3 ** i);
  }
});

it('counts what is not finite in every segment, more than a subgroup has lanes', async () => {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'control');
  close.push(buffers);
  const segments = 150;
  const taken = async (wrong: number | undefined) => {
    const partial = new Float32Array(2 * segments);
    if (wrong !== undefined) partial[2 * wrong + 1] = 1;
    const state = range(buffers.storage(`state ${wrong}`, LBFGS_STATE_BYTES));
    const operands = {
      state,
      ...{ clock: range(buffers.storage('clock', CLOCK_BYTES)), steps: range(buffers.storage('steps', 4)) },
      partial: range(buffers.upload('partial', partial)),
      values: range(buffers.upload('values', Float32Array.of(5, 0))),
      losses: range(buffers.storage('losses', 8)),
    };
    const sizes = { points: 1, all: segments, ring: 1, longer: 0 };
    const op = lbfgsOp('test/control', 'control', { sizes, groups: 1 }, operands);
    await dispatch(gpu, lower([op], lbfgsForms, gpu).passes);
    const { phase, stop, value } = readLbfgs((await readFloats(gpu, state)).buffer as ArrayBuffer);
    return { phase, stop, value };
  };
  expect(await taken(undefined)).toEqual({ phase: 1, stop: 0, value: 5 });
  for (const wrong of [0, 9, 63, 64, 149])
    expect(await taken(wrong), `segment ${wrong}`).toEqual({ phase: 0, stop: 64, value: 5 });
});

/** All that a program remembers and is. */
async function bitsOf({ device, space, params, updater }: Program): Promise<unknown> {
  const vectors = [params, ...(updater.vectors?.() ?? []).map(({ vector }) => vector)];
  const read = await readTensors(device, 'test', space, vectors);
  return read.map((tensors) => [...tensors.values()].map((values) => [...new Uint32Array(values.buffer)]));
}

describe('rounds', () => {
  const model = mlp({ sizes: [6, 5, 3], activation: 'tanh' });
  const data = noise(40, 6, 3);

  it('have the same bits however many are submitted together, without a read in between', async () => {
    const gpu = await testDevice();
    const runs: unknown[] = [];
    for (const together of [1, 16, 64]) {
      const program = await problemProgram(gpu, rule(), lbfgsCases.Wood!);
      close.push(program);
      for (let done = 0; done < 64; done += together) {
        const encoder = gpu.createCommandEncoder();
        recordSteps(encoder, Array(together).fill(program.passes), 'test');
        gpu.queue.submit([encoder.finish()]);
      }
      runs.push([await program.state(), await bitsOf(program)]);
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
    expect((runs[0] as [{ step: number }])[0].step).toBe(64);
  });

  it('cost one read for a flight, as other steps do', async () => {
    const gpu = await testDevice();
    const trainer = await createTrainer(gpu, { model, rule: lbfgs(), data, sampling: 'full', submitMs: 1e6 });
    close.push(trainer);
    let reads = 0;
    const buffer = gpu.createBuffer({ size: 4, usage: 1 });
    const proto = Object.getPrototypeOf(buffer) as GPUBuffer;
    const { mapAsync } = proto;
    proto.mapAsync = function (this: GPUBuffer, ...given: Parameters<GPUBuffer['mapAsync']>) {
      reads++;
      return mapAsync.apply(this, given);
    };
    try {
      const reports = await collect(trainer, { steps: 40 });
      expect(reports.length).toBeGreaterThan(10);
      // 1, 4, 16 … steps to a submit, fewer where the machine is slow.
      expect(reads).toBeLessThan(reports.length / 2);
    } finally {
      proto.mapAsync = mapAsync;
      buffer.destroy();
    }
  });

  it('look at points that are replicas: the value taken is that of a run which begins there alone', async () => {
    const gpu = await testDevice();
    const own = lbfgsCases['trigonometric (10)']!;
    const four = await problemProgram(gpu, rule(), own);
    close.push(four);
    const results = await runOut(four, 9);
    const { x } = await four.readParameters();
    const one = await problemProgram(gpu, rule({ trials: 1 }), { ...own, start: [...x!] });
    close.push(one);
    const [first] = await runOut(one, 1);
    expect(first!.loss).toBe(results.at(-1)!.loss);
    expect(first!.loss).toBeLessThan(results[0]!.loss);
  });
});
