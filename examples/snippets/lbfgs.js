import { createTrainer, lbfgs } from 'downhill';

/** Trains on all samples in every step, until there is nothing left to gain in float32. */
export async function trainWhole(device, model, data, say = console.log) {
  const trainer = await createTrainer(device, { model, rule: lbfgs({ history: 10 }), data, sampling: 'full' });
  for await (const { step, loss, skipped } of trainer.run({ steps: 200 })) {
    say(`round ${step}: loss ${loss}${skipped ? ', no step was good enough' : ''}`);
  }
  if (trainer.stopped) say(`ended after ${trainer.stopped.step} rounds: ${trainer.stopped.reason}`);
  return trainer;
}
