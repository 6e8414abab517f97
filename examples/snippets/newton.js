import { createTrainer, linear, mse, newtonCg, sequential, tanh } from 'downhill';

/** Fits a small network to all samples at once, to a gradient of 1e-5. */
export async function fitExactly(device, data, { rule = newtonCg(), most = 2000 } = {}) {
  const layers = [linear(12), tanh(), linear(1)];
  const model = sequential({ input: data.features, layers, loss: mse(), init: 'xavier-normal' });
  const trainer = await createTrainer(device, { model, data, rule, sampling: 'full' });
  let last;
  for await (const report of trainer.run({ steps: most })) last = report;
  return { trainer, loss: last.loss, steps: trainer.step, reason: trainer.stopped?.reason };
}
