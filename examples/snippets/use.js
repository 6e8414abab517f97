import { createPredictor } from 'downhill';
import { toOnnx } from 'downhill/onnx';

/** Probabilities of the classes, [samples, classes], for raw values; and the same network for other programs. */
export async function use(device, model, pixels) {
  const predictor = await createPredictor(device, model); // bytes of a checkpoint or of a run's model.safetensors
  const probabilities = await predictor.predict(pixels);
  predictor.destroy();
  return { probabilities, onnx: toOnnx(model) };
}
