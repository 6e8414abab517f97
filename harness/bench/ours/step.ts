/** downhill's side of `step`: a trainer, used as anybody would. */
import { adam, arrays, createTrainer, type Dataset, mlp, type Rule, sgd, type Trainer } from '../../../src/index.js';
import type { Environment, ReadLoss, StepBatch, StepPeer, StepTask } from '../contract.js';

const RULES = { sgd, adam };
/** Most steps over which the recording is timed. */
const HOST_STEPS = 64;
/** Steps that tell how long one takes. */
const TIMED_STEPS = 100;

/** Longest a submit should take: nobody scrolls a benchmark. */
const SUBMIT_MS = 200;

/** @param submitMs longest a submit should take, or what it should be for a step that takes so long */
export async function downhillStep(
  task: StepTask,
  environment: Environment,
  submitMs: number | ((stepMs: number) => number) = SUBMIT_MS,
): Promise<StepPeer> {
  const device = await environment.requestDevice('bench:downhill');
  try {
    const data = datasetOf(task, task.batches);
    const make = (ms: number) => makeTrainer(device, task, data, ms);
    if (typeof submitMs === 'number') return new DownhillStep(device, task, await make(submitMs));
    const timed = await make(SUBMIT_MS);
    const ms = submitMs(await stepMs(timed));
    timed.destroy();
    return new DownhillStep(device, task, await make(ms));
  } catch (error) {
    device.destroy();
    throw error;
  }
}

/** Milliseconds of a step, the second time over. */
async function stepMs(trainer: Trainer): Promise<number> {
  for (let time = 1; ; time++) {
    const start = performance.now();
    for await (const _ of trainer.run({ steps: TIMED_STEPS }));
    if (time === 2) return (performance.now() - start) / TIMED_STEPS;
  }
}

/** All batches as one data set. Every step reads one of them, in an order of the trainer's own. */
function datasetOf({ sizes }: StepTask, batches: readonly StepBatch[]): Dataset {
  const joined = <A extends Float32Array | Uint32Array>(Type: new (n: number) => A, parts: ArrayLike<number>[]): A => {
    const whole = new Type(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  const features = sizes[0]!;
  const x = joined(
    Float32Array,
    batches.map((batch) => batch.x),
  );
  if (batches[0]!.values)
    return arrays({
      x,
      y: joined(
        Float32Array,
        batches.map(({ values }) => values!),
      ),
      features,
    });
  const y = joined(
    Uint32Array,
    batches.map(({ labels }) => labels!),
  );
  return arrays({ x, y, classes: sizes.at(-1)!, features });
}

async function makeTrainer(device: GPUDevice, task: StepTask, data: Dataset, submitMs = SUBMIT_MS): Promise<Trainer> {
  const trainer = await createTrainer(device, {
    model: mlp({ sizes: task.sizes, activation: 'relu', loss: task.loss }),
    rule: RULES[task.rule]({ lr: task.lr }) as Rule,
    data,
    batchSize: task.batchSize,
    submitMs,
    label: 'bench',
  });
  const tensors = trainer.parameters();
  for (const [layer, { w, b }] of task.weights.entries()) {
    for (const [name, values] of [['weight', w] as const, ['bias', b] as const]) {
      let start = 0;
      for (const { buffer, offset, size } of [tensors[`${2 * layer}.${name}`]!].flat()) {
        device.queue.writeBuffer(buffer, offset, values, start, size / 4);
        start += size / 4;
      }
    }
  }
  return trainer;
}

class DownhillStep implements StepPeer {
  constructor(
    readonly device: GPUDevice,
    private readonly task: StepTask,
    private readonly trainer: Trainer,
  ) {}

  async losses(steps: number): Promise<number[]> {
    const trainer = await makeTrainer(this.device, this.task, datasetOf(this.task, this.task.batches.slice(0, 1)));
    try {
      const losses: number[] = [];
      for await (const { loss } of trainer.run({ steps })) losses.push(loss);
      return losses;
    } finally {
      trainer.destroy();
    }
  }

  /** Its losses arrive at all events; `read` is how many steps it may go on before they must be there. */
  async train(steps: number, read: ReadLoss = 'end'): Promise<void> {
    const block = read === 'end' ? steps : read;
    for (let done = 0; done < steps; done += block) {
      let last = Number.NaN;
      for await (const { loss } of this.trainer.run({ steps: Math.min(block, steps - done) })) last = loss;
      if (!Number.isFinite(last)) throw new Error(`the loss is ${last} at step ${this.trainer.step}`);
    }
  }

  async hostMs(steps: number): Promise<number> {
    const few = Math.min(steps, HOST_STEPS);
    return (await this.trainer.profile({ steps: few, separate: false })).unprofiled.hostMsPerStep;
  }

  destroy(): void {
    this.trainer.destroy();
    this.device.destroy();
  }
}
