import { mlp, sgd, split } from 'downhill';
import { halving, importanceOf, logUniform, search, training, uniform } from 'downhill/search';

/** Looks for a rate and a momentum: 32 pairs, of which half goes on to twice the steps, and so on. */
export async function findRate(device, data, log) {
  const [train, validation] = split(data, { share: 0.8, seed: 0, stratify: true });
  const space = { lr: logUniform(1e-4, 10), momentum: uniform(0, 0.99) };
  const { best, trials, direction, notes } = await search(device, {
    space,
    method: halving(), // or 'random', 'grid', 'coarse-to-fine', 'asha', 'hyperband', 'pbt'
    objective: training({
      model: mlp({ sizes: [data.features, 16, 10] }),
      data: train,
      validation,
      rule: ({ lr, momentum }) => sgd({ lr, momentum }),
    }),
    budget: { trials: 32, steps: 64 },
    log, // fileLog('search.jsonl') of 'downhill/node': the same call goes on from there
  });
  console.log(best.params, best.value, notes);
  for (const { name, r2, chance } of importanceOf(trials, space, direction)) console.log(name, r2, chance);
  return best;
}
