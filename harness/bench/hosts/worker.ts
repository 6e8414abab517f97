/** The child process of `--in node`: does what it is asked until nobody is left to ask. Built to dist/cli/bench-worker.js. */
import { requestDevice } from '../../../src/node/index.js';
import { findGpu } from '../../common/quiet.js';
import type { BenchConfig, CaseSpec, Environment } from '../contract.js';
import { adapterOf, runCase, startOnce } from '../run-case.js';
import { answerOf } from './host.js';

export type WorkerRequest =
  | { readonly kind: 'case'; readonly spec: CaseSpec; readonly config: BenchConfig }
  | { readonly kind: 'start'; readonly name: string; readonly config: BenchConfig }
  | { readonly kind: 'machine' };

/** Of one core, over a tenth of a second. */
const QUIET = 0.2;
const QUIET_MS = 100;
const QUIET_LIMIT_MS = 40_000;

/**
 * Until no thread of this process works: V8 compiles ONNX Runtime's largest functions for up to half a minute beside
 * what is measured then, which doubled the times of plain JavaScript on two cores.
 */
async function quiet(): Promise<void> {
  const start = performance.now();
  while (performance.now() - start < QUIET_LIMIT_MS) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 < QUIET * QUIET_MS) return;
  }
}

async function starts({ name, config }: Extract<WorkerRequest, { kind: 'start' }>, environment: Environment) {
  const first = await startOnce(name, config, environment, 0); // performance.now() counts from the process' start
  return { first, again: await startOnce(name, config, environment, performance.now()) };
}

async function answer(request: WorkerRequest): Promise<unknown> {
  // A start on the CPU has no need of Dawn, and does not wait for it.
  if (request.kind === 'start' && !/^downhill|-webgpu$/.test(request.name)) {
    return starts(request, { place: 'node', gpu: undefined, requestDevice: (label) => requestDevice({ label }) });
  }
  const { gpu, driver } = await findGpu();
  const environment: Environment = { place: 'node', gpu, requestDevice: (label) => requestDevice({ label }), quiet };
  if (request.kind === 'machine') {
    return { adapter: await adapterOf(environment), driver: driver.kind };
  }
  if (request.kind === 'start') return starts(request, environment);
  const progress = (share: number, contender: string) => process.send!({ type: 'progress', share, contender });
  return runCase(request.spec, request.config, environment, progress);
}

process.on('disconnect', () => process.exit(0));
process.on('message', (request: WorkerRequest) => {
  void answerOf(() => answer(request)).then((answered) => process.send!({ type: 'answer', ...answered }));
});
