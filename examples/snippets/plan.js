import { adam, createTrainer, mlp } from 'downhill';
import { folderPlans } from 'downhill/node';

/** Measures once which kernels are fastest here, and starts with them ever after; in a browser: `plans: opfsPlans()`. */
export async function trainFast(device, data, plans = folderPlans()) {
  const model = mlp({ sizes: [data.features, 100, 10] });
  const trainer = await createTrainer(device, { model, rule: adam(), data, plan: 'measure', plans });
  const { chosenBy, choice, notes } = trainer.describe(); // 'measured', from the second time on 'kept'
  return { trainer, chosenBy, choice, notes };
}
