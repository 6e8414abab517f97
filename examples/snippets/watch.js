/** Says where a training goes wrong: tensors that change too fast, or not at all, and layers whose units are dead. */
export async function watched(trainer, steps, say = console.warn) {
  for await (const { step, watch } of trainer.run({ steps, watch: { every: 100 } })) {
    if (!watch) continue; // a step that was not looked at
    for (const { name, updateRatio } of watch.tensors)
      if (updateRatio > 0.1 || updateRatio < 1e-6) say(`step ${step}: ${name} changes by ${updateRatio} of its size`);
    for (const { layer, name, output } of watch.layers)
      if (output?.dead > 0.5) say(`step ${step}: ${100 * output.dead} % of layer ${layer} (${name}) are dead`);
  }
}
