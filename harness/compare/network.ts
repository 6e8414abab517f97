/** The notes' network, and what they call optimizers. */
import { type Dataset, type MlpOptions, mlp } from '../../src/index.js';
import { HIDDEN } from '../common/settings.js';

/** How many outputs a network has for the data. */
export const classesOf = ({ targets }: Dataset): number =>
  targets.kind === 'values' ? targets.width : targets.classes;

/** 784-100-100-100-100-10 of MNIST: four hidden layers of ReLU, He's initialisation; with other layers where they are given. */
export const lectureNet = (data: Dataset, options: Partial<MlpOptions> = {}) =>
  mlp({
    sizes: [data.features, ...HIDDEN, classesOf(data)],
    activation: 'relu',
    init: 'he-normal',
    ...options,
  });
