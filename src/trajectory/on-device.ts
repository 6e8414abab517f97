import { type BufferRange, BufferSet, checkBindable, guarded, range, readRanges } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { createPasses, encodePass } from '../gpu/passes.js';
import { lower } from '../kernels/lower.js';
import { problem as evaluateProblem, problemForms } from '../kernels/problem.js';
import { trace, traceForms } from '../kernels/trace.js';
import { MAX_RECORDS } from '../kernels/update.js';
import { makeGroups } from '../optim/groups.js';
import type { StopReason } from '../optim/minimizer.js';
import { checkOptimizerOptions } from '../optim/optimizer-options.js';
import { type Problem, shaderOf } from '../problems/problem.js';
import { POINT, problemObjective } from '../train/problem-objective.js';
import { Program, type StepEnd } from '../train/program.js';
import { type Flight, MAX_FLIGHTS, usualSubmitMs } from '../train/scheduler.js';
import type { CheckedRun, Trajectory } from './types.js';

const LABEL = 'minimize';

/** Ways on a device: those of one rule's row as replicas of one program. */
export async function minimizeOnDevice(
  device: GPUDevice,
  problem: Problem,
  runs: readonly CheckedRun[],
  steps: number,
): Promise<Trajectory[]> {
  const batches = batchesOf(runs);
  for (const batch of batches) {
    const fix = 'Take fewer steps, dimensions or runs.';
    checkBindable(device, `A way of ${steps} steps`, 4 * problem.n * (steps + 1) * batch.length, fix);
  }
  const ways = new Map<CheckedRun, Trajectory>();
  for (const batch of batches) {
    const done = await runBatch(device, problem, batch, steps);
    for (const [i, run] of batch.entries()) ways.set(run, done[i]!);
  }
  return runs.map((run) => ways.get(run)!);
}

/** Runs of one row together, as many as records go; one that looks at several points for a step by itself. */
function batchesOf(runs: readonly CheckedRun[]): CheckedRun[][] {
  const batches: CheckedRun[][] = [];
  for (const run of runs) {
    const { row } = run.rule;
    const own = batches.find(([first, ...rest]) => first!.rule.row === row && rest.length + 1 < MAX_RECORDS);
    if (own && !row.minimizer) own.push(run);
    else batches.push([run]);
  }
  return batches;
}

async function runBatch(
  device: GPUDevice,
  problem: Problem,
  batch: readonly CheckedRun[],
  steps: number,
): Promise<Trajectory[]> {
  const rules = batch.map(({ rule }) => rule);
  const { row } = rules[0]!;
  const objective = problemObjective(problem, ...batch.map(({ start }) => start));
  const points: { range?: BufferRange } = {};
  const program = await Program.create(device, {
    ...{ label: LABEL, objective, row },
    groups: makeGroups([{ name: POINT, rules, frozen: false }], row.perTensor === true),
    settings: checkOptimizerOptions({ label: LABEL }),
    seeds: batch.map(({ seed }) => seed),
    initialSeeds: batch.map((_, i) => i),
    submitMs: usualSubmitMs(),
    behind: (end) => {
      const made = traceOp(problem, end, batch, steps);
      points.range = made.trace;
      return { ops: [made.op], forms: traceForms };
    },
  });
  try {
    const { lr, done, stopped } = await runSteps(program, steps);
    const way = await readWay(program, problem, points.range!, (done + 1) * batch.length);
    return batch.map(({ rule }, replica) => ({
      ...{ problem, rule, steps: done },
      points: column(way.points, batch.length, replica, problem.n),
      values: column(way.values, batch.length, replica, 1),
      lr: Float64Array.from(lr.slice(0, done), (rates) => rates[replica]!),
      ...(stopped && { stopped }),
    }));
  } finally {
    program.destroy();
  }
}

/** The record of the way, its first entry the starts. */
function traceOp(
  { n }: Problem,
  { buffers, space, params, clock }: StepEnd,
  runs: readonly CheckedRun[],
  steps: number,
) {
  const replicas = runs.length;
  const whole = range(buffers.storage('trace', 4 * n * replicas * (steps + 1)));
  const starts = Float32Array.from(runs.flatMap(({ start }) => [...start]));
  buffers.device.queue.writeBuffer(whole.buffer, whole.offset, starts);
  const shape = { n, stride: space.spans[0]!.elements, entries: steps + 1 };
  const op = trace(`${LABEL}/trace`, shape, { clock, param: params.ranges[0]!, trace: whole }, replicas);
  return { op, trace: whole };
}

/** Two submits under way, so that the device never waits; what comes back of each is its rates. */
async function runSteps(program: Program, steps: number) {
  const { scheduler, updater } = program;
  const { replicas } = updater;
  const lr: number[][] = [];
  const flights: Flight[] = [];
  let stopped: StopReason | undefined;
  for (;;) {
    while (flights.length < MAX_FLIGHTS && scheduler.step < steps && !updater.stopped) {
      const flight = scheduler.submit(steps - scheduler.step);
      if (!flight) break;
      flights.push(flight);
    }
    const next = flights.shift();
    if (!next) break;
    const results = await next.results;
    for (let i = 0; i < results.length; i += replicas)
      if (!results[i]!.halted) lr.push(results.slice(i, i + replicas).map((result) => result.lr));
    stopped = updater.stopped;
  }
  if (lr.length < steps && !stopped)
    throw new DownhillError('INTERNAL', `${lr.length} of ${steps} steps were done.`, 'Report this.');
  return { lr, done: Math.min(lr.length, steps), stopped };
}

/** Points of one dispatch: the z axis of its grid, of a number that keeps ranges aligned. */
const POINTS = 65_472;

/** The values at points that lie one behind another, each a replica. */
function valueOps(buffers: BufferSet, problem: Problem, points: BufferRange, count: number) {
  const { n, data } = problem;
  const numbers = data.length > 0 ? range(buffers.upload('data', data)) : undefined;
  // The gradients are nobody's, and where noise is drawn does not matter.
  const grad = range(buffers.storage('gradients', 4 * n * Math.min(count, POINTS)));
  const stream = range(buffers.storage('stream', 16));
  const result = range(buffers.storage('values', 8 * count), 0, 8 * count);
  const ops = Array.from({ length: Math.ceil(count / POINTS) }, (_, i) => {
    const replicas = Math.min(POINTS, count - i * POINTS);
    const part = (of: BufferRange, bytes: number) => range(of.buffer, of.offset + bytes * i * POINTS, bytes * replicas);
    return evaluateProblem({
      ...{ label: `${LABEL}/values-${i}`, shader: shaderOf(problem), n, stride: n, replicas },
      ...{ param: part(points, 4 * n), grad, result: part(result, 8), stream, data: numbers },
    });
  });
  return { ops, result };
}

/** The points of the whole way, and the values there: one dispatch for most ways, and the one read. */
async function readWay({ device }: Program, problem: Problem, trace: BufferRange, count: number) {
  const buffers = new BufferSet(device, LABEL);
  try {
    const { ops, result } = await guarded(device, LABEL, () => valueOps(buffers, problem, trace, count));
    const passes = await createPasses(device, lower(ops, problemForms, device).passes, buffers);
    await guarded(device, LABEL, () => {
      const encoder = device.createCommandEncoder({ label: `downhill:${LABEL}/values` });
      const pass = encoder.beginComputePass();
      for (const each of passes) encodePass(each, pass);
      pass.end();
      device.queue.submit([encoder.finish()]);
    });
    const way = range(trace.buffer, trace.offset, 4 * problem.n * count);
    const [points, pairs] = await readRanges(device, LABEL, [way, result]);
    const values = new Float32Array(pairs!).filter((_, i) => i % 2 === 0);
    return { points: new Float32Array(points!), values };
  } finally {
    buffers.destroy();
  }
}

/** What one replica has of entries of all: [entries, width] of [entries, replicas, width]. */
function column(all: Float32Array, replicas: number, replica: number, width: number): Float32Array {
  const entries = all.length / replicas / width;
  const own = new Float32Array(entries * width);
  for (let entry = 0; entry < entries; entry++) {
    const first = (entry * replicas + replica) * width;
    own.set(all.subarray(first, first + width), entry * width);
  }
  return own;
}
