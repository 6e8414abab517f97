import { gradcheck, initLoss, overfitBatch } from 'downhill/checks';

/** What is worth a minute before a long training. */
export async function checkFirst(device, model, data) {
  const start = await initLoss(device, { model, data }); // near log(classes)?
  const gradients = await gradcheck(device, { model, data }); // differences, float64 and the GPU agree?
  const learnt = await overfitBatch(device, { model, data }); // 32 samples by heart?
  return { start: start.ok, gradients: gradients.ok, learns: learnt.ok, stepsToLearn: learnt.steps };
}
