import { landscape, recordPath } from 'downhill/landscape';

/** Trains, and looks at the loss round where that ended. */
export async function look(trainer, steps) {
  const path = await recordPath(trainer, { every: 5 });
  for await (const { step, loss } of path.run({ steps })) if (step % 100 === 0) console.log(step, loss);
  const random = await landscape(trainer, { plane: 'random', seed: 0 });
  const along = await landscape(trainer, { plane: 'pca', path });
  const line = await landscape(trainer, { plane: 'line', path });
  path.destroy();
  return { random, along, line };
}
