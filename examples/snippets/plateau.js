import { createTrainer, mlp, plateau, sgd } from 'downhill';

/** The rate is halved where two validations in a row bring nothing. */
export const trainOnPlateaus = (device, train, held) =>
  createTrainer(device, {
    model: mlp({ sizes: [train.features, 64, 10] }),
    rule: sgd({ lr: plateau(0.1, { factor: 0.5, patience: 2 }), momentum: 0.9 }),
    data: train,
    validation: { data: held, every: { batches: 50 }, keepBest: true },
  });

/** The network of the best validation so far, as a file. */
export const bestFile = (trainer) => trainer.checkpoint({ state: false, weights: 'best' });
