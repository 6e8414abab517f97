import { defineMethod } from '../method.js';
import { sample } from '../sample.js';

/**
 * Independent draws. Every trial has another value of every parameter, so that it searches the few that matter as finely as if
 * the others were not there.
 *
 * Paper: Bergstra & Bengio 2012, "Random search for hyper-parameter optimization", JMLR 13.
 *
 * @example random()
 */
export const random = defineMethod({
  name: 'random',
  title: 'independent draws',
  paper: 'https://jmlr.org/papers/v13/bergstra12a.html',
  fields: {},
  next({ space, seed, trials, steps }, _, { tasks }) {
    if (tasks.length > 0) return [];
    return Array.from({ length: trials }, (_, trial) => ({
      ...{ trial, params: sample(space, seed, trial), from: 0, to: steps },
    }));
  },
});
