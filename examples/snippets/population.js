import { adam, createPopulation, mlp } from 'downhill';

/** Four rates side by side; then the worst one's place goes to a copy of the best, with a rate a little higher. */
export async function breed(device, data, test, say = console.log) {
  const population = await createPopulation(device, {
    model: mlp({ sizes: [784, 32, 10] }),
    data,
    batchSize: 64,
    members: [1e-5, 1e-4, 1e-3, 1e-2].map((lr) => ({ rule: adam({ lr }), seed: 0, batchSeed: 7 })),
  });
  for await (const { step, losses } of population.run({ steps: 40 })) if (step % 20 === 0) say(step, losses);

  const { losses } = await population.evaluate(test);
  const order = [...losses.keys()].sort((a, b) => losses[a] - losses[b]);
  const [best, worst] = [order[0], order.at(-1)];
  population.stop(worst);
  await population.refill(worst, { from: best, rule: adam({ lr: 1.2 * population.members[best].rule.hyper.lr }) });
  for await (const { step, losses } of population.run({ steps: 20 })) if (step % 20 === 0) say(step, losses);

  const trainer = await population.take(best); // goes on where the member is, bit for bit
  population.destroy();
  return { trainer, best, worst };
}
