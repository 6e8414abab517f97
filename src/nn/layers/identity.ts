import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'identity',
  title: 'Identity',
  kernel: 'identity',
  gain: () => 1,
});

/**
 * Nothing: kept for models that name their layers as another framework does.
 *
 *     y = x
 *
 * @example identity()
 */
export const identity = factoryOf(row);
