/** What a network begins with: every tensor's initial values, and what its layers keep. */
import { guarded } from '../gpu/buffers.js';
import type { PlacedVector, Space, Vector } from '../space/space.js';
import { fillTensor, writeTensor } from '../space/vectors.js';
import type { Objective } from './objective.js';

/** So many numbers are written at a time: a copy of milliseconds. */
const WRITTEN = 2 ** 20;

/** Every replica's initial tensors, drawn from its seed. Neither drawing nor writing holds the page up. */
export async function writeInitial({
  device,
  label,
  objective,
  space,
  params,
  seeds,
}: {
  readonly device: GPUDevice;
  readonly label: string;
  readonly objective: Objective;
  readonly space: Space;
  readonly params: Vector;
  /** One per replica. */
  readonly seeds: readonly number[];
}): Promise<void> {
  const writes: (() => void)[] = [];
  let elements = 0;
  const write = async () => {
    const some = writes.splice(0);
    elements = 0;
    await guarded(device, label, () => {
      for (const one of some) one();
    });
  };
  // Replicas of one seed are drawn once.
  for (const seed of new Set(seeds)) {
    const tensors = await objective.initial(seed);
    for (const [replica, own] of seeds.entries()) {
      if (own !== seed) continue;
      for (const [i, values] of tensors.entries()) {
        const { name } = objective.tensors[i]!;
        for (let from = 0; from < values.length; from += WRITTEN) {
          const to = Math.min(from + WRITTEN, values.length);
          writes.push(() => writeTensor(device, space, params, name, values, replica, { from, to }));
          elements += to - from;
          if (elements >= WRITTEN) await write();
        }
      }
    }
  }
  await write();
}

/** What layers keep starts alike in every replica. */
export function writeStatistics(device: GPUDevice, { statistics }: Objective, { space, vector }: PlacedVector): void {
  for (const { name, initial } of statistics) {
    if (initial === 0) continue;
    for (let replica = 0; replica < space.replicas; replica++)
      fillTensor(device, space, vector, name, initial, replica);
  }
}
