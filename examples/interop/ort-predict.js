import { createTrainer } from 'downhill';
import { feeds } from 'downhill/interop/ort';

/** A trainer whose weights ONNX Runtime reads while they are trained: each in a buffer of its own. */
export const makeTrainer = (device, options) => createTrainer(device, { ...options, buffers: 'separate' });

/** Runs a model whose inputs are `x` and the weights by name ('0.weight', …). */
export const predict = (ort, session, trainer, x) => session.run({ x, ...feeds(ort, trainer.parameters()) });
