import vectors from 'downhill/vectors/adam.json' with { type: 'json' };

/** The unit in the last place of an f32 of this size. */
const ulp = (x) => 2 ** (Math.max(Math.floor(Math.log2(x)), -126) - 23);

/**
 * Runs your Adam through one case. `update(param, grad, state, scalars)` applies one update in place (arrays of floats), with
 * whatever kernel, in whatever language it calls; here is what it must come to.
 */
export function mistakes(update, told = vectors.cases[0]) {
  const slots = Object.keys(told.initial);
  const state = Object.fromEntries(slots.map((slot) => [slot, vectors.param.map(() => told.initial[slot])]));
  const arrays = { param: [...vectors.param], ...state };
  const largest = Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.map(Math.abs)]));
  const found = [];
  for (const [step, grad] of vectors.gradients.entries()) {
    // A scalar is a number, or a list of one per update.
    const at = (value) => (Array.isArray(value) ? value[step] : value);
    const scalars = Object.fromEntries(Object.entries(told.scalars).map(([name, value]) => [name, at(value)]));
    update(arrays.param, grad, state, scalars);
    const after = told.after.find(({ steps }) => steps === step + 1);
    for (const [name, values] of after ? Object.entries(arrays) : []) {
      for (const [i, expected] of after[name].values.entries()) {
        largest[name][i] = Math.max(largest[name][i], Math.abs(expected));
        const allowed = after[name].ulps * ulp(largest[name][i]);
        if (!(Math.abs(values[i] - expected) <= allowed)) found.push(`${name}[${i}] after ${step + 1} updates`);
      }
    }
  }
  return found;
}
