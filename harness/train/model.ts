import { type LossFunction, losses, type Mlp, mlp } from '../../src/index.js';
import type { TrainConfig } from './config.js';

/** The network of a run, its loss with the options that were given. @throws DownhillError OPTION-*, SHAPE-* */
export function modelOf({ model, lossOptions }: Pick<TrainConfig, 'model' | 'lossOptions'>): Mlp {
  const make = losses[model.loss] as ((options?: object) => LossFunction) | undefined;
  // An unknown name is for mlp to refuse.
  return mlp(lossOptions && make ? { ...model, loss: make(lossOptions) } : model);
}
