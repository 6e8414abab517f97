import {
  adam,
  createTrainer,
  mlp,
  split,
  standardize,
  standardizeTargets,
  statistics,
  targetStatistics,
} from 'downhill';
import { csv } from 'downhill/csv';
import { toOnnx } from 'downhill/onnx';

/** A column of a table, learnt until rows held out get no better; with `saved`, it goes on where that was. */
export async function learnTable(device, text, target, { epochs = 100, saved } = {}) {
  const table = await csv(text, { target });
  const [most, test] = split(table, { share: 0.8, seed: 0 });
  const [first, held] = split(most, { share: 0.85, seed: 0 });
  const [stats, ofTarget] = [statistics(first), targetStatistics(first)];
  const scaled = (part) => standardizeTargets(standardize(part, stats), ofTarget);

  const trainer = await createTrainer(device, {
    model: mlp({ sizes: [table.features, 64, 64, 1], loss: 'mse' }),
    rule: adam({ lr: 3e-3 }),
    data: scaled(first),
    batchSize: 32,
    validation: { data: scaled(held), every: { epochs: 1 } },
    earlyStopping: { patience: 10 }, // decided on the GPU; the best weights are put back
  });
  if (saved) await trainer.restore(saved);
  const history = [];
  for await (const { validation } of trainer.run({ epochs })) if (validation) history.push(validation);

  const { metrics } = await trainer.evaluate(scaled(test), { metrics: ['r2', 'rmse'] });
  const checkpoint = await trainer.checkpoint(); // to go on from, to predict with
  const { stopped } = trainer;
  trainer.destroy();
  return { metrics, history, stopped, checkpoint, onnx: toOnnx(checkpoint) };
}
