import type { Texts } from './controls.js';

/** An experiment to begin with: only what differs from the defaults. */
export interface Preset {
  readonly name: string;
  readonly title: string;
  /** What there is to see, in one sentence. */
  readonly text: string;
  readonly experiment: Texts;
}

/** Small: a CPU adapter ends each of them within a minute or so. */
export const PRESETS: readonly Preset[] = [
  {
    name: 'lecture',
    title: 'The lecture’s net',
    text: 'Four hidden layers of 100 on drawn digits, by mini-batches.',
    experiment: { init: 'he-normal', samples: '5000', epochs: '5', optimizer: 'sgd', 'optimizer.lr': '0.1' },
  },
  {
    name: 'xor',
    title: 'XOR',
    text: 'What no single line divides, eight hidden units do.',
    experiment: {
      ...{ data: 'xor', points: '400', hidden: '8', activation: 'tanh', epochs: '60', batch: '32' },
      'optimizer.lr': '0.02',
    },
  },
  {
    name: 'spirals',
    title: 'Spirals',
    text: 'Two arms wound round each other: the boundary has to bend.',
    experiment: {
      ...{ data: 'spirals', points: '600', hidden: '32, 32', activation: 'tanh', epochs: '150', batch: '64' },
      'optimizer.lr': '0.01',
    },
  },
  {
    name: 'overfit',
    title: 'Overfit on purpose',
    text: '300 digits and a wide layer: the training loss falls to 0, the validation loss turns.',
    experiment: {
      ...{ samples: '500', hidden: '256', epochs: '60', batch: '32', validation: '0.25' },
      'optimizer.lr': '0.002',
    },
  },
  {
    name: 'diverge',
    title: 'Too high a rate',
    text: 'Gradient descent with steps too long: the loss climbs, and the run is called diverged.',
    // Not relu, whose units would die, and the loss come to rest at that of a guess.
    experiment: {
      ...{ samples: '1250', hidden: '32', activation: 'tanh', epochs: '4', optimizer: 'sgd' },
      'optimizer.lr': '10',
    },
  },
];
