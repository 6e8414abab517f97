import { flag } from '../../gpu/fields.js';
import { defineMethod } from '../method.js';
import { latinHypercube, sample } from '../sample.js';

/**
 * Independent draws. Every trial has another value of every parameter, so that it searches the few that matter as finely as if
 * the others were not there.
 *
 * Paper: Bergstra & Bengio 2012, "Random search for hyper-parameter optimization", JMLR 13.
 *
 * @example random({ latin: true })
 */
export const random = defineMethod({
  name: 'random',
  title: 'independent draws',
  paper: 'https://jmlr.org/papers/v13/bergstra12a.html',
  fields: {
    latin: flag('a Latin hypercube: each trial has a stretch of its own of every axis'),
  },
  next({ space, seed, trials, steps }, { latin }, { tasks }) {
    if (tasks.length > 0) return [];
    const drawn = latin
      ? latinHypercube(space, seed, 0, trials)
      : Array.from({ length: trials }, (_, trial) => sample(space, seed, trial));
    return drawn.map((params, trial) => ({ trial, params, from: 0, to: steps }));
  },
});
