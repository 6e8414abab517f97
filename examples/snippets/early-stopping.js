import { adam, createTrainer, mlp, split } from 'downhill';

/** Trains until the held-out part gets worse, and keeps the best weights. */
export async function trainWell(device, data) {
  const [train, held] = split(data, { share: 0.85, seed: 0, stratify: true });
  const trainer = await createTrainer(device, {
    model: mlp({ sizes: [data.features, 64, 10] }),
    rule: adam({ lr: 3e-3 }),
    data: train,
    validation: { data: held, every: { epochs: 1 } },
    earlyStopping: { metric: 'loss', patience: 3, restoreBest: true },
  });
  for await (const { step, loss, validation } of trainer.run({ epochs: 100 })) {
    if (validation) console.log(step, loss, validation.loss, validation.accuracy, validation.best);
  }
  // The weights are those of the best validation: evaluated again they give the same loss, to the last bit.
  console.log(trainer.stopped, trainer.best, await trainer.evaluate(held));
  return trainer;
}
