import type { Rule } from '../../optim/rule.js';
import { createTrainer } from '../../train/trainer.js';
import type { TrainerOptions } from '../../train/types.js';

/** Trains one network with each of some rules, from the same start with the same batches. @returns losses of each step, by rule */
export async function trainRates(
  device: GPUDevice,
  options: Omit<TrainerOptions, 'rule'>,
  rules: readonly Rule[],
  steps: number,
  { signal, onStep }: { readonly signal: AbortSignal | undefined; readonly onStep: (done: number, of: number) => void },
): Promise<number[][]> {
  const all: number[][] = [];
  for (const [i, rule] of rules.entries()) {
    const trainer = await createTrainer(device, { ...options, rule });
    const losses: number[] = [];
    try {
      for await (const { step, loss } of trainer.run({ steps, ...(signal && { signal }) })) {
        losses.push(loss);
        onStep(i * steps + step, rules.length * steps);
        if (!Number.isFinite(loss)) break;
      }
    } finally {
      trainer.destroy();
    }
    all.push(losses);
  }
  return all;
}
