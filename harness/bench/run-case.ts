/** One case in the place where this code runs: the same in a child process, in a headless page and in a person's. */
import { DownhillError, describeAdapter } from '../../src/index.js';
import type { BenchConfig, CaseResult, CaseSpec, Environment, StepPeer } from './contract.js';
import { measure, type Progress, planFor } from './measure.js';
import { downhillStep } from './ours/step.js';
import { loadPeer } from './peers.js';
import { SCENARIOS } from './scenarios/index.js';
import { NETS } from './scenarios/step.js';
import { stepTask } from './scenarios/tasks.js';

/** @throws DownhillError when the case as a whole cannot be run. What a single contender runs into is in the result. */
export async function runCase(
  spec: CaseSpec,
  config: BenchConfig,
  environment: Environment,
  progress: Progress = () => {},
): Promise<CaseResult> {
  const start = performance.now();
  const scenario = SCENARIOS[spec.scenario];
  if (!scenario) throw new DownhillError('INTERNAL', `There is no scenario '${spec.scenario}'.`, 'Report this.');
  const open = await scenario.open(spec, config, environment);
  const contenders = await measure(open, planFor(config), progress, environment.quiet);
  return {
    spec,
    place: environment.place,
    work: open.work,
    baseline: open.baseline,
    contenders,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Milliseconds of one start, from the page's (or process') first moment to the first step's loss. */
export interface StartPhases {
  /** Until this code and the library's were there. Only what the place itself needs, where they were there already. */
  readonly load: number;
  /** Asking for a device, where the library lets us ask. */
  readonly device: number;
  /** Compiling, uploading: until it was ready to train. */
  readonly compile: number;
  readonly firstStep: number;
  readonly total: number;
}

/** Starts a contender as a page would that wants to train the lecture's net, and takes one step. */
export async function startOnce(
  name: string,
  config: BenchConfig,
  environment: Environment,
  since: number,
): Promise<StartPhases> {
  const peer = name === 'downhill' ? undefined : await loadPeer(name, environment);
  const loaded = performance.now();
  const task = stepTask({ ...NETS['lecture-64-sgd']!, batches: 1 }, config.seed);
  const made = performance.now(); // the numbers come from elsewhere in real life: they are no part of a start
  let device = 0;
  const timed: Environment = {
    ...environment,
    async requestDevice(label) {
      const asked = performance.now();
      const answer = await environment.requestDevice(label);
      device += performance.now() - asked;
      return answer;
    },
  };
  const part: StepPeer = peer ? await peer.step!(task, timed) : await downhillStep(task, timed);
  const opened = performance.now();
  await part.train(1);
  const done = performance.now();
  await part.destroy();
  const load = loaded - since;
  const compile = opened - made - device;
  const firstStep = done - opened;
  return { load, device, compile, firstStep, total: load + device + compile + firstStep };
}

/** The adapter of a place, for the report. */
export async function adapterOf(environment: Environment) {
  const device = await environment.requestDevice('bench:adapter');
  try {
    return describeAdapter(device);
  } finally {
    device.destroy();
  }
}
