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
import { csv, csvSamples } from 'downhill/csv';

/** Learns a column of numbers of a table, and returns what it says of new rows, in the column's units. */
export async function learnColumn(device, text, target, newRows) {
  const table = await csv(text, { target, missing: 'median' });
  const parts = split(table, { share: 0.8, seed: 0 });
  // Of the training part alone: the other one must not shape what the network sees.
  const [stats, ofTarget] = [statistics(parts[0]), targetStatistics(parts[0])];
  const [train, test] = parts.map((part) => standardizeTargets(standardize(part, stats), ofTarget));

  const model = mlp({ sizes: [table.features, 64, 64, 1], loss: 'mse' });
  const trainer = await createTrainer(device, { model, rule: adam(), data: train });
  for await (const _ of trainer.run({ epochs: 60 }));
  const { metrics } = await trainer.evaluate(test, { metrics: ['r2', 'rmse'] });

  // The same columns, categories and fills as in training; raw values, which the trainer scales as its data.
  const samples = await csvSamples(newRows, { encoding: table.encoding });
  const predicted = await trainer.predict(samples.x);
  trainer.destroy();
  return { metrics, predicted };
}
