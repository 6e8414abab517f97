import type { Texts } from '../experiment/settings.js';
import type { ViewName } from '../shell/view-names.js';

/*
 * What can be learnt here, in an order to go through. A lesson is two sentences and experiments to look at them by; a link
 * prepares one, and starts nothing. `docs/lecture` has the same claims measured on MNIST, by the command that is named.
 */

export interface Experiment {
  /** What the link says. */
  readonly label: string;
  readonly view: ViewName;
  /** Settings of the experiment that are no defaults. */
  readonly experiment?: Texts;
  /** The view's own that are no defaults. */
  readonly state?: Texts;
}

export interface Lesson {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly experiments: readonly Experiment[];
  /** The same in a terminal. */
  readonly command: string;
}

/** Seconds of a run, even where WebGPU is a CPU. */
const SMALL: Texts = { samples: '2500', hidden: '64', epochs: '5' };
const SGD: Texts = { ...SMALL, optimizer: 'sgd' };
const MOMENTUM: Texts = { ...SGD, 'optimizer.momentum': '0.9' };

const train = (label: string, experiment: Texts): Experiment => ({ label, view: 'train', experiment });

/** Few images and a network that can learn them by heart. */
const OVERFIT: Texts = { samples: '1000', hidden: '100, 100', epochs: '40', batch: '50', validation: '0.25' };

/** Twelve layers: what happens in one shows by its twelfth power. */
const DEEP: Texts = { ...MOMENTUM, 'optimizer.lr': '0.01', hidden: Array(12).fill(64).join(', ') };

export const LESSONS: readonly Lesson[] = [
  {
    id: 'batches',
    title: 'All data, a few samples, or one at a time',
    text:
      'A full batch has the exact gradient and makes one update an epoch; a single sample has a noisy one and makes thousands. ' +
      'Start the three one after another: on the shelf their curves lie over each other, by step, epoch or second, and the middle wins.',
    experiments: [
      train('Full batch', { ...SGD, 'optimizer.lr': '0.1', sampling: 'full' }),
      train('Batches of 32', { ...SGD, 'optimizer.lr': '0.1', batch: '32' }),
      train('One at a time', { ...SGD, 'optimizer.lr': '0.01', batch: '1', epochs: '2' }),
    ],
    command: 'npx downhill compare batching',
  },
  {
    id: 'ravine',
    title: 'Poor conditioning',
    text:
      'This ravine is 64 times as steep across as along: the steep side allows no rate above 2/λmax = 1, and along the floor that is little. ' +
      'At 0.9 gradient descent jumps from wall to wall and takes 117 steps; at 1.1 every jump is larger than the one before.',
    experiments: [
      {
        label: 'Rate 0.9',
        view: 'landscape',
        state: { rates: 'equal', lr: '0.9', rules: 'sgd,momentum', arrows: 'sgd', steps: '200' },
      },
      {
        label: 'Rate 1.1',
        view: 'landscape',
        state: { rates: 'equal', lr: '1.1', rules: 'sgd,momentum', arrows: 'sgd', steps: '200' },
      },
    ],
    command: 'npx downhill compare ravine',
  },
  {
    id: 'saddle',
    title: 'A saddle',
    text:
      'Near a saddle the gradient is tiny, and gradient descent leaves by a factor a step: 349 steps from a thousandth off the ridge. ' +
      'Momentum adds that growth up and needs 72; RMSprop divides by the size of the gradient and is away after 17.',
    experiments: [
      {
        label: 'Five rules leave a saddle',
        view: 'landscape',
        state: { problem: 'saddle', rates: 'equal', lr: '0.01', rules: 'sgd,momentum,adagrad,rmsprop,adam' },
      },
    ],
    command: 'npx downhill compare saddle',
  },
  {
    id: 'momentum',
    title: 'Momentum and Nesterov',
    text:
      'Momentum sums gradients: what points the same way again and again grows up to ten times, what turns about cancels. ' +
      'In the ravine at rate 0.3 gradient descent takes 353 steps, momentum 59 and Nesterov’s, which looks ahead before it pulls, 24; a network shows less.',
    experiments: [
      {
        label: 'In the ravine',
        view: 'landscape',
        state: { rates: 'equal', lr: '0.3', rules: 'sgd,momentum,nesterov', arrows: 'nesterov' },
      },
      {
        label: 'On a network',
        view: 'compare',
        experiment: SMALL,
        state: { rules: 'sgd,momentum,nesterov', rates: 'equal', lr: '0.03' },
      },
    ],
    command: 'npx downhill compare optimizers',
  },
  {
    id: 'bias-correction',
    title: 'Adam’s bias correction',
    text:
      'Averages that start at 0 are too small at first: RMSprop, which leaves them so, begins with a step of 10 times its rate. ' +
      'Adam divides them by 1 − βᵗ, and its first step is the rate itself along every axis.',
    experiments: [
      {
        label: 'The first steps of both',
        view: 'landscape',
        state: { rates: 'equal', lr: '0.05', rules: 'rmsprop,adam', steps: '100' },
      },
    ],
    command: 'npx downhill compare bias-correction',
  },
  {
    id: 'schedules',
    title: 'Schedules and warm-up',
    text:
      'A rate that is right at first is too large in the end: the loss stays as high as the noise of a batch times the rate. ' +
      'One that falls settles lower; a warm-up takes the first steps, the steepest ones, with small rates.',
    experiments: [
      train('Constant', { ...MOMENTUM, 'optimizer.lr': '0.1', epochs: '10' }),
      train('Cosine', { ...MOMENTUM, 'optimizer.lr': '0.1', epochs: '10', schedule: 'cosine' }),
      train('Cosine with warm-up', {
        ...{ ...MOMENTUM, 'optimizer.lr': '0.1', epochs: '10', schedule: 'cosine', warmup: '30' },
      }),
    ],
    command: 'npx downhill compare schedules',
  },
  {
    id: 'batch-size',
    title: 'Batch size and linear scaling',
    text:
      'Four times the batch makes a quarter of the updates in as many epochs, and ends higher with the same rate. ' +
      'Four times the rate makes up for most of it, until the scaled rate is more than the network stands.',
    experiments: [
      train('Batch 32, rate 0.01', { ...MOMENTUM, 'optimizer.lr': '0.01', batch: '32' }),
      train('Batch 128, rate 0.01', { ...MOMENTUM, 'optimizer.lr': '0.01', batch: '128' }),
      train('Batch 128, rate 0.04', { ...MOMENTUM, 'optimizer.lr': '0.04', batch: '128' }),
      {
        label: 'Rates by batches, a heat map',
        view: 'search',
        experiment: MOMENTUM,
        state: { space: 'lr=0.0025|0.01|0.04|0.16,batch=16|64|256', method: 'grid', trials: '12', steps: '64' },
      },
    ],
    command: 'npx downhill compare batch-size',
  },
  {
    id: 'early-stopping',
    title: 'Early stopping',
    text:
      'The training loss goes on falling long after the network has learnt what helps with images it has not seen: their loss turns and rises. ' +
      'A validation part watches for that; after so many judgements without a better one training ends, and the best weights come back.',
    experiments: [
      train('Without stopping', OVERFIT),
      train('Patience of 5 epochs', { ...OVERFIT, 'validate-every': 'epoch', patience: '5' }),
    ],
    command: 'npx downhill train --validation 0.25 --patience 5',
  },
  {
    id: 'initialisation',
    title: 'Initialisation',
    text:
      'A signal should keep its size from layer to layer: under ReLU He’s weights do that, LeCun’s lose a factor of √2 in each, 64 over these twelve. ' +
      'With weights of 0 all units of a layer are alike, no gradient passes, and only the last bias learns.',
    experiments: [
      train('He’s', { ...DEEP, init: 'he-normal' }),
      train('LeCun’s', { ...DEEP, init: 'lecun-normal' }),
      train('Zeros', { ...DEEP, init: 'zeros' }),
    ],
    command: 'npx downhill compare initialisation',
  },
  {
    id: 'regularisation',
    title: 'Regularisation',
    text:
      'A penalty on the weights, or units that drop out at random, keep a network from learning its images by heart: the training loss is higher for it. ' +
      'What counts is the loss on images it has not seen, so compare the runs by that one alone.',
    experiments: [
      train('None', OVERFIT),
      train('L2 penalty', { ...OVERFIT, 'penalty-l2': '0.001' }),
      train('Dropout', { ...OVERFIT, dropout: '0.2' }),
    ],
    command: 'npx downhill compare regularisation',
  },
  {
    id: 'gradient-check',
    title: 'Gradient check',
    text:
      'A gradient that is wrong still often trains, only worse, so nobody notices. ' +
      'Move one weight to both sides, and the difference of the losses over the distance must be its gradient, to seven digits in float64.',
    experiments: [],
    command: 'npx downhill gradcheck --activation gelu',
  },
];
