import { adam, createTrainer, mlp } from 'downhill';
import { folderStore } from 'downhill/node'; // in a page: opfsStore('mine') of 'downhill'

/** Trains up to the step `end`, from the newest checkpoint in `folder` where there is one, and saves every 100 steps. */
export async function trainOn(device, data, folder, end, warn = console.warn) {
  const model = mlp({ sizes: [data.features, 32, 10] });
  const trainer = await createTrainer(device, { model, rule: adam(), data });
  const store = await folderStore(folder, { keep: 3 });
  const found = await store.latest();
  for (const { problem } of found?.damaged ?? []) warn(problem.message); // passed over
  if (found) await trainer.restore(found.bytes);

  while (trainer.step < end) {
    const steps = Math.min(end, trainer.step + 100) - trainer.step;
    for await (const _ of trainer.run({ steps }));
    const { problem } = await store.save(await trainer.checkpoint(), { step: trainer.step });
    if (problem) warn(problem.message); // a full disk, once: the training goes on
  }
  await store.close();
  return trainer;
}
