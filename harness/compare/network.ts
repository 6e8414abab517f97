/** The notes' network, and what they call optimizers. */
import { type Dataset, type MlpOptions, mlp } from '../../src/index.js';
import { HIDDEN } from '../common/settings.js';

/** 784-100-100-100-100-10 of MNIST: four hidden layers of ReLU, He's initialisation; with other layers where they are given. */
export const lectureNet = ({ features, targets }: Dataset, options: Partial<MlpOptions> = {}) =>
  mlp({
    sizes: [features, ...HIDDEN, targets.kind === 'values' ? targets.width : targets.classes],
    activation: 'relu',
    init: 'he-normal',
    ...options,
  });
