/**
 * From `createTrainer` to the first loss with nothing compiled before, and what of it each pipeline takes, compiled alone:
 * `node harness/run.mjs harness/bench/first-step.ts [rule] [batch]`, on the driver that VK_DRIVER_FILES names.
 *
 * lavapipe compiles at a pipeline's first dispatch, SwiftShader when it is made; the times of both are given.
 */
import { adam, createTrainer, describeAdapter, digits, mlp, type Rule, sgd } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';

const RULES: Record<string, Rule> = { adam: adam({ lr: 1e-3 }) as Rule, sgd: sgd({ lr: 0.01 }) as Rule };
const SIZES = [784, 100, 100, 100, 100, 10];

interface Made {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly ms: number;
  readonly cpuMs: number;
}
/** One dispatch that was recorded, to be done again alone. */
interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

/** Wall time and CPU time of all threads. */
async function timed<T>(work: () => T | Promise<T>): Promise<{ result: T; ms: number; cpuMs: number }> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { result, ms: performance.now() - start, cpuMs: (user + system) / 1000 };
}

const replace = (target: object, name: string, value: unknown) =>
  Object.defineProperty(target, name, { configurable: true, value });

/** Makes the pipelines of a device one after the other. */
function followPipelines(device: GPUDevice): Made[] {
  const made: Made[] = [];
  const create = device.createComputePipelineAsync;
  let last: Promise<unknown> = Promise.resolve();
  replace(device, 'createComputePipelineAsync', (descriptor: GPUComputePipelineDescriptor) => {
    const next = last.then(async () => {
      const { result, ...times } = await timed(() => create.call(device, descriptor));
      const constants = Object.entries(descriptor.compute.constants ?? {}).map(([name, value]) => `${name}=${value}`);
      made.push({ name: [descriptor.label, ...constants].join(' '), pipeline: result, ...times });
      return result;
    });
    last = next.catch(() => {});
    return next;
  });
  return made;
}

/** The dispatches of what is recorded next, which is not submitted. */
function followDispatches(device: GPUDevice): Dispatch[] {
  const dispatches: Dispatch[] = [];
  const createEncoder = device.createCommandEncoder;
  replace(device, 'createCommandEncoder', (descriptor: GPUCommandEncoderDescriptor) => {
    const encoder = createEncoder.call(device, descriptor);
    const begin = encoder.beginComputePass;
    replace(encoder, 'beginComputePass', (options: GPUComputePassDescriptor) => {
      const pass = begin.call(encoder, options);
      const setPipeline = pass.setPipeline.bind(pass);
      const setBindGroup = pass.setBindGroup.bind(pass);
      let now: Partial<Dispatch> = {};
      replace(pass, 'setPipeline', (pipeline: GPUComputePipeline) => {
        now = { ...now, pipeline };
        setPipeline(pipeline);
      });
      replace(pass, 'setBindGroup', (index: number, bindGroup: GPUBindGroup) => {
        now = { ...now, bindGroup };
        setBindGroup(index, bindGroup);
      });
      replace(pass, 'dispatchWorkgroups', (...grid: [number, number, number]) => {
        dispatches.push({ ...now, grid } as Dispatch);
      });
      return pass;
    });
    return encoder;
  });
  return dispatches;
}

async function runAlone(device: GPUDevice, { pipeline, bindGroup, grid }: Dispatch): Promise<void> {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(...grid);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
}

export async function main([name = 'adam', batch = '64']: string[]): Promise<void> {
  process.env.MESA_SHADER_CACHE_DISABLE = 'true'; // read when the driver is loaded
  const options = {
    ...{ model: mlp({ sizes: SIZES }), rule: RULES[name]!, batchSize: Number(batch) },
    data: digits({ samples: Math.max(Number(batch), 256), seed: 1 }),
  };
  const device = await requestDevice();
  console.log(`${describeAdapter(device).name}: ${SIZES.join('-')}, batch ${batch}, ${name}`);
  const { result: trainer, ...made } = await timed(() => createTrainer(device, options));
  const first = await timed(() => trainer.run({ steps: 1 }).next());
  const row = (ms: number, cpuMs: number, what: string) =>
    console.log(`${ms.toFixed(0).padStart(7)} ms ${cpuMs.toFixed(0).padStart(7)} ms of CPU  ${what}`);
  row(made.ms, made.cpuMs, 'createTrainer');
  row(first.ms, first.cpuMs, 'first step');
  row(made.ms + first.ms, made.cpuMs + first.cpuMs, 'together');

  const other = await requestDevice();
  const pipelines = followPipelines(other);
  const alone = await createTrainer(other, options);
  const dispatches = followDispatches(other);
  replace(other.queue, 'submit', () => {});
  await alone
    .run({ steps: 1 })
    .next()
    .catch(() => {}); // its submit was dropped
  for (const of of [other.queue, other])
    for (const key of ['submit', 'createCommandEncoder']) delete (of as never)[key];
  console.log('each pipeline alone: its making, and its first dispatch less the second');
  let sum = 0;
  for (const { pipeline, name, ms, cpuMs } of pipelines) {
    const dispatch = dispatches.find((each) => each.pipeline === pipeline);
    if (!dispatch) continue;
    const [cold, warm] = [await timed(() => runAlone(other, dispatch)), await timed(() => runAlone(other, dispatch))];
    row(ms + cold.ms - warm.ms, cpuMs + cold.cpuMs - warm.cpuMs, name);
    sum += ms + cold.ms - warm.ms;
  }
  row(sum, sum, 'together');
  process.exit(0);
}
